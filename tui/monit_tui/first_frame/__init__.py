"""The first frame, drawn before Textual is imported, and the terminal until Textual takes it."""
