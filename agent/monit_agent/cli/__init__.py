"""The command line: one verb a file, each imports what it needs when it is called."""
