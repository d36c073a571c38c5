"""Readiness and health checks, stuck event loops, and other reasons for a restart."""
