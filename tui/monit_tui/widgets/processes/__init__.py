"""The process list."""
