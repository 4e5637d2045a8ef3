"""Questions about values in rows and columns, answered by pointing at cells."""
