"""Alerts: rules, and what becomes of what they find."""
