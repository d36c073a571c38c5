"""A worker that exited because another one has its port."""

from collections.abc import Iterable

_ADDRESS_IN_USE = ("eaddrinuse", "addrinuse", "address already in use", "connection in use")
_PORT_NOT_FREE = (
    "in use", "not free", "not available", "unavailable", "already used", "taken", "occupied",
    "find empty port", "find free port",
)  # fmt: skip
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


def port_conflict(printed: Iterable[bytes], *, beside: bool) -> str:
    """Return what can be done if a worker printed that its port is in use, else "". ``printed`` is
    what it printed last on each stream; ``beside``: it was started beside the one that it
    replaces."""
    lines = (line for text in printed for line in text.splitlines())
    if not any(map(_says_in_use, lines)):
        return ""
    return _BESIDE if beside else _TEXT


def _says_in_use(line: bytes) -> bool:
    words = line.translate(_WORDS).decode().lower().split()
    text = " ".join(words)
    if any(each in text for each in _ADDRESS_IN_USE):
        return True
    return "port" in words and any(each in text for each in _PORT_NOT_FREE)
