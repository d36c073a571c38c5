"""Decisions only: state and event in, state and actions out. No clock, no operating system."""
