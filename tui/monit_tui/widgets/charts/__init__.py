"""Metrics as lines and plots."""
