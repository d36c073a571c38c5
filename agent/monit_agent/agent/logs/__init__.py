"""The log files as the agent reads and compresses them."""
