"""The operating system as every process of ours needs it; standard library only."""
