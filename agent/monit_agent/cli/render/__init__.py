"""What the command line writes: tables, descriptions, JSON, log lines, progress."""
