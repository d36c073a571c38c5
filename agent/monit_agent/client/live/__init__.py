"""A `Source` that connects to real agents."""
