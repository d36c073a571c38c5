"""A worker that exited because another one has its port."""

import re
from collections.abc import Iterable

_ADDRESS_IN_USE = ("eaddrinuse", "addrinuse", "address already in use", "connection in use")
_PORT_NOT_FREE = re.compile(
    r"\bport(?: (?:[0-9]+|number|on|at|for|host|localhost|is|was|already|currently|being|still))*"
    r" (?:in use|not free|not available|unavailable|used|taken|occupied)\b"
    r"|\bfind (?:an? )?(?:empty|free|available|open) port\b"
)
"""What programs print beside the word "port"; some look whether it is free before they open it."""
_WORDS = bytes(byte if chr(byte).isalnum() and byte < 128 else 32 for byte in range(256))
"""A table that leaves words and blanks."""

_TEXT = (
    "its port is in use, and the instances of this command do not share it; start the program "
    "without a wrapper, use --listen PORT if it can inherit a listening socket "
    "(LISTEN_FDS), or --increment-var PORT to give each instance a port of its own"
)
_BESIDE = (
    "a port that it opens is in use by the old worker; share it with --listen HOST:PORT, as the "
    "program opens it, or use --reload-command if the program can reload itself; monit restart "
    "stops the old worker first"
)


def port_conflict(
    printed: Iterable[bytes], port: int | None, *, starting: bool, beside: bool
) -> str:
    """Return what can be done if a worker printed that its port is in use, else "". ``printed`` is
    what it printed last on each stream; ``port`` is its own, if that is known. ``starting``: it
    was not online yet; one that was may write of the port of another server, so only the
    kernel's error counts. ``beside``: it was started beside the one that it replaces."""
    lines = [_words(line) for text in printed for line in text.splitlines()]
    if any(each in line for line in lines for each in _ADDRESS_IN_USE) or (
        starting and any(_is_about(line, port) for line in lines)
    ):
        return _BESIDE if beside else _TEXT
    return ""


def _words(line: bytes) -> str:
    return " ".join(line.translate(_WORDS).decode().lower().split())


def _is_about(line: str, port: int | None) -> bool:
    """Return whether a line says that this port is not free, or one without a number (as Django
    writes it)."""
    for found in _PORT_NOT_FREE.finditer(line):
        numbers = re.findall("[0-9]+", found[0])
        if port is None or not numbers or str(port) in numbers:
            return True
    return False
