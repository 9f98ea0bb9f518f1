"""The label store: every reading that a reader accepted, rejected or left open, as a version never overwritten."""
