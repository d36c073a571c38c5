"""Commands that are typed after a colon."""
