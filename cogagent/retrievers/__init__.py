"""Retrievers: text, pictures, and the fusion of their rankings."""
