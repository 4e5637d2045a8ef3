"""Spreadsheets in Office Open XML; :mod:`.loader` is the way in."""
