"""Where a system fails: what became of every event and of every detection."""
