"""Samples of process trees, once a second, and their history."""
