"""Config files: what each format means, read into the same entries, one per app."""
