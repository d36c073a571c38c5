"""Worker processes: spawn, signal and reap them; their environment and their descendants."""
