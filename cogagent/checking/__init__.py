"""Whether an answer says what its citations say, and what evidence tries to say to a model."""
