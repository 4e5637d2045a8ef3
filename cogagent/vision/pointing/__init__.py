"""Where in a picture a question is about: by its words, by what it shows, by a model."""
