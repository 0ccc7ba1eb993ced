"""The canonical model: settlement, usage, invoice, ledger and event lines."""
