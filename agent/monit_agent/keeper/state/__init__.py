"""What the keeper keeps on disk: records, the state file, ids, the event log."""
