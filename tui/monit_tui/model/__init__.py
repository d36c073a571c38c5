"""What the screen shows, computed without widgets. Pure."""
