"""A worker that exited because another one has its port."""

from collections.abc import Iterable

_IN_USE = (b"eaddrinuse", b"address already in use", b"port is already in use")
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
    if not any(words in text.lower() for text in printed for words in _IN_USE):
        return ""
    return _BESIDE if beside else _TEXT
