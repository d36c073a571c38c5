"""Profiles of workers: made by their probe or by py-spy, when a client requests one."""
