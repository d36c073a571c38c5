"""The rows of the process list: which, in which order, in which state and why. Pure."""
