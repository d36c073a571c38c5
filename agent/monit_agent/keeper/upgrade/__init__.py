"""Replacing the running keeper by another version, in the same process."""
