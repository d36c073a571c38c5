"""The main process of a unit: starts the keepers of a home, and starts them again."""
