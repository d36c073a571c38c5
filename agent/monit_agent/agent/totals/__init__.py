"""Counters of an app that do not step back when a worker, a keeper or an agent is replaced."""
