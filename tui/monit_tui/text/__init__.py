"""Worker text as cells of the screen."""
