"""Ports for programs under test."""

import contextlib
import itertools
import os
import socket


def is_listening(port: int) -> bool:
    """Whether somebody on this machine accepts connections at ``port``."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port(in_a_row: int = 1) -> int:
    """Return a port that nobody uses now, the first of so many.

    None that the kernel assigns to clients by itself (from 32768 on): one of those may be taken
    before the test uses it. Each process goes through a range of its own.
    """
    while True:
        stretch = [next(_ports) for _ in range(in_a_row)]
        if stretch[-1] - stretch[0] == in_a_row - 1 and all(map(_is_free, stretch)):
            return stretch[0]


_FIRST = 10_000 + os.getpid() * 101 % 20_000
_ports = itertools.cycle(range(_FIRST, _FIRST + 2_000))


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
