"""A seeded software company whose extracts carry labelled breaks."""
