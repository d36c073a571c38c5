"""The file of the view that the user chose."""

FILE = "screen.json"
"""Its name in the home of monit."""

MOST_BYTES = 1024 * 1024
"""A larger file is none of ours: a thousand folded apps take 40 kB."""
