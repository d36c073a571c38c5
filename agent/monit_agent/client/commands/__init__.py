"""Commands to apps: requests, their progress, when they are done, and the order of several apps."""
