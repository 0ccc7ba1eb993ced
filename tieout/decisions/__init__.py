"""A person's decisions about lines: making them, taking them back, and whether they still hold."""
