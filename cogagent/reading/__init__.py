"""The extractive reader: finds the sentence, row or tag that answers, and quotes it."""
