"""Matching: which lines of the two sides explain each other, and why the others do not."""
