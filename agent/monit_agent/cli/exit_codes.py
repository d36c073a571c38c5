"""Exit codes, and the error that carries one."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of ``monit``; stable, for scripts to rely on."""

    DONE = 0
    FAILED = 1
    """The operation was tried and failed."""
    USAGE = 2
    """Wrong options or values."""
    NO_TARGET = 3
    """No such app, instance, script or command."""
    NO_ANSWER = 4
    """An agent does not answer; the message names the app and what to do."""
    INTERRUPTED = 130
    """Ctrl-C: the command stopped watching, the apps keep running."""
    BROKEN_PIPE = 128 + 13
    """Nobody reads the output, as the shell says it of SIGPIPE."""


class CommandError(Exception):
    """The command failed; the text tells the user what to do."""

    def __init__(self, code: ExitCode, text: str) -> None:
        super().__init__(text)
        self.code = code
