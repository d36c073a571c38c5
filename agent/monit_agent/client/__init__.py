"""How a client finds agents, asks them and folds what they say. No screen, no server."""
