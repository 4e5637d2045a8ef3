"""Charts understood: from words and pixels to values in rows and columns."""
