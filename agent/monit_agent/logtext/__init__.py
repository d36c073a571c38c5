"""What log lines mean: levels, expressions, blocks of lines. Pure text, for agent and clients."""
