"""Apps of other machines, through ssh: one source for each host, and one for all together."""
