"""Files: whose they are, how they are replaced and locked, and what some of them hold."""
