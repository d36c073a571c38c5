"""What is wrong with what a user wrote."""


class BadInputError(ValueError):
    """The user wrote something that is not possible; the text names it and what to write."""


class TargetNotFoundError(BadInputError):
    """The user named a script, module or command that does not exist."""
