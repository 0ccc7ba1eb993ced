"""Proving that the register and the files are what was recorded."""
