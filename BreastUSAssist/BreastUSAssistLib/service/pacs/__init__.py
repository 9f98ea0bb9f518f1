"""Studies from a PACS and results back to it: ledger, drafts, listener."""
