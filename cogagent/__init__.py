"""Ask documents and pictures; every claim points at a page and a rectangle."""
