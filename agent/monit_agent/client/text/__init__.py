"""Text from workers, made safe for terminals."""
