"""Reports of unplanned exits: what led to each, kept on disk."""
