"""The parts of the example documents; run ``make_examples.py`` beside this folder."""
