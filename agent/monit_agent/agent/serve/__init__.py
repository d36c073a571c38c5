"""What the agent sends to clients: published topics, answers, log bytes."""
