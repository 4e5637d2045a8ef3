"""Word processor documents and slides, and LibreOffice, which lays them out where it is."""
