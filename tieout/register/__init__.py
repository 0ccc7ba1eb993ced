"""The system of record: what was received, what is published, and who may still write."""
