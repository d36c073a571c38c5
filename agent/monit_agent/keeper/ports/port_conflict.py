"""A worker that exited because another one has its port."""

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


def port_conflict(printed: bytes, *, beside: bool) -> str:
    """Return what can be done if a worker printed that its port is in use, else "". ``beside``: it
    was started beside the one that it replaces."""
    if not any(words in printed.lower() for words in _IN_USE):
        return ""
    return _BESIDE if beside else _TEXT
