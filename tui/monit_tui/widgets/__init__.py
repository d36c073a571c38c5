"""Widgets for live data, each runs alone with replayed data."""
