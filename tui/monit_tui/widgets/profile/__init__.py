"""The profile of a worker: the table of its functions, and the flame view of its calls."""
