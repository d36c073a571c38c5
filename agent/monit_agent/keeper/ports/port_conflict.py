"""A worker of several that exited because another one has its port."""

_IN_USE = (b"eaddrinuse", b"address already in use", b"port is already in use")
_TEXT = (
    "its port is in use, and the instances of this command do not share it; start the program "
    "without a wrapper, use --listen PORT if it can inherit a listening socket "
    "(LISTEN_FDS), or --increment-var PORT to give each instance a port of its own"
)


def port_conflict(printed: bytes) -> str:
    """Return what can be done if a worker printed that its port is in use, else ""."""
    return _TEXT if any(words in printed.lower() for words in _IN_USE) else ""
