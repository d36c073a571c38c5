"""What verbs share: targets, keepers, requests to agents, log streams."""
