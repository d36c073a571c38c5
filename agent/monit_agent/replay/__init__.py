"""Scenes replayed without processes, for tests, pictures and work on the screen."""
