"""The overview, the help screen and dialogs."""
