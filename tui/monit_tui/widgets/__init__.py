"""Widgets for live data."""
