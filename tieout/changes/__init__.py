"""What changed in a statement between two moments, and why."""
