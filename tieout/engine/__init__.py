"""Runs the statements in sql/ on DuckDB. Alone opens sql/; knows nothing of what they mean."""
