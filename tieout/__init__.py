"""What reconciliation means: lines, matches, statements. Knows nothing of Dagster."""
