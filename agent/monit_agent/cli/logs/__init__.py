"""What ``monit logs`` and other verbs read of logs: requests to agents, searches, live lines."""
