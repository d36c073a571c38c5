"""A worker that exited because another one has its port."""

from collections.abc import Iterable

_ADDRESS_IN_USE = ("eaddrinuse", "addrinuse", "address already in use", "connection in use")
_BETWEEN = frozenset((
    "number", "on", "at", "for", "host", "localhost", "is", "was", "already", "currently", "being",
    "still",
))  # fmt: skip
"""Words that may stand between "port" and what is wrong with it, as its number may."""
_NOT_FREE = ("in use", "not free", "not available", "unavailable", "used", "taken", "occupied")
"""What programs print behind the word "port"; some look whether it is free before they open it."""
_FREE = ("empty", "free", "available", "open")
"""What no port is that a program cannot find."""
_FIND_A = (["find", "a"], ["find", "an"])
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
    words = line.split()
    return any(
        word == "port" and (_is_sought(words[:place]) or _is_taken(words[place + 1 :], port))
        for place, word in enumerate(words)
    )


def _is_sought(before: list[str]) -> bool:
    """Return whether words before "port" are those of ``cannot find a free port``."""
    return any(
        before[-1:] == [free] and ("find" in before[-2:-1] or before[-3:-1] in _FIND_A)
        for free in _FREE
    )


def _is_taken(after: list[str], port: int | None) -> bool:
    """Return whether words behind "port" say that it is not free, and are about ``port``."""
    place = 0
    while place < len(after) and (after[place].isdigit() or after[place] in _BETWEEN):
        place += 1
    rest = " ".join(after[place : place + 2])
    numbers = [word for word in after[:place] if word.isdigit()]
    is_this = port is None or not numbers or str(port) in numbers
    return is_this and any(f"{rest} ".startswith(f"{text} ") for text in _NOT_FREE)
