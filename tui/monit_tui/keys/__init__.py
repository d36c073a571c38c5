"""Keys: the registry of actions, and their bindings."""
