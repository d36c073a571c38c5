"""Text that workers printed, as cells of the screen."""
