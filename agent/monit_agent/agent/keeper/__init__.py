"""The connection to the keeper, and what the agent knows from it."""
