"""For tests of code that uses or extends cogagent: a double and a contract for each seam."""
