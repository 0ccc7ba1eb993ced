"""Journals that would correct the ledger: proposed, never posted."""
