"""Restarts that the agent requests by itself: too much memory, a schedule, changed files."""
