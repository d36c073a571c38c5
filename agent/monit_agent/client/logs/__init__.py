"""Log lines as a client keeps them: assembled, merged, filtered."""
