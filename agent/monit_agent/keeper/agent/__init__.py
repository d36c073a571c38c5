"""The agent process: start it, watch it, restart it."""
