"""The agent: samples, follows logs, publishes, answers, keeps history."""
