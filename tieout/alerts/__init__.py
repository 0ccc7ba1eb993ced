"""Alerts: what waits for a person, grouped, told to the targets of the configuration."""
