"""What is wrong with what a user wrote."""


class BadInputError(ValueError):
    """The user wrote something that cannot be done; the text names it and says what to do."""


class NotThereError(BadInputError):
    """The user named a script, module or command that does not exist."""
