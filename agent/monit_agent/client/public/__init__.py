"""What programs use: requests about apps, and their answers, for Python and for any language."""
