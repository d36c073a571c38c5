"""How a command ends: exit codes, and the error that carries one to the top."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of ``monit``; stable, for scripts to rely on."""

    DONE = 0
    FAILED = 1
    """The operation was tried and failed."""
    USAGE = 2
    """Wrong options, or values that cannot be."""
    NO_TARGET = 3
    """No such app, instance, script or command."""
    NO_ANSWER = 4
    """An agent does not answer; the message names the app and what to do."""
    INTERRUPTED = 130
    """Ctrl-C: the command stopped watching, the apps go on."""


class CommandError(Exception):
    """The command cannot be done; the text is for the user and says what to do."""

    def __init__(self, code: Exit, text: str) -> None:
        super().__init__(text)
        self.code = code
