"""Starting keepers: what is to run, its folder, and the process that keeps it."""
