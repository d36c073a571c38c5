"""Words only: what crosses a socket or lies in a file. No input, no output."""
