"""Planners: what to search for next, and when to stop."""
