"""The catalogue, the lexical and vector indexes, and the store that ties them together."""
