"""Profiles as clients show and store them."""
