"""Closing a month: prepare, approve, lock, reopen."""
