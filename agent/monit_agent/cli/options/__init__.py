"""Options of the command line and how their values are parsed."""
