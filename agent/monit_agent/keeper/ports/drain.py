"""When a draining worker has finished, seen from outside by the kernel's socket table.

Many servers exit at SIGTERM and drop open requests (http.server, Flask's own, Tornado). So the
signal waits until no request is open. These connections count as open:

* one on which the client sent last, unless that is longer ago than the time that a worker has to
  stop;
* one that was used a moment ago: the client may send another request, and servers that can do so
  announce the end of the connection with the response;
* one that was accepted a moment ago and has sent nothing yet.

A program that handles SIGTERM closes its idle connections itself, after the signal. There, a
connection that was answered since the drain began is not waited for again: with busy keep-alive
clients that would never end. For Unix sockets the kernel does not know which side sent last; those
of a program that exits at SIGTERM are waited for until they are closed.

This polls only while a worker drains; the keeper stops waiting after ``kill_timeout``.
"""

import signal
import time
from collections.abc import Callable

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.ports.listeners import Listener, Listeners
from monit_agent.keeper.ports.python_bind import DRAIN_SIGNAL
from monit_agent.keeper.upgrade.inherited import Values
from monit_agent.system import procfs, sockdiag
from monit_agent.system.sockdiag import Connection
from monit_agent.system.sockets import socket

LOOK_S = 0.05
LOOK_SHARE = 20
"""The next check comes after at least this many times the duration of the last one."""
PAUSE_S = 0.25
"""How long a new connection may send nothing, and the whole wait where the kernel reports nothing
(measured: 0 of 52,800 requests lost over 24 replacements; without a pause 3 of 37,800)."""
IDLE_S = 1.0
"""Silent for so long, a kept connection counts as idle."""
HEEDED_WITHIN_S = 2.0
"""A worker that has not closed the shared socket by then will not."""


class _Drain:
    __slots__ = ("answers", "begun", "heeded", "timeout_s", "worker")

    def __init__(self, worker: int, timeout_s: float, begun: float) -> None:
        self.worker = worker
        self.timeout_s = timeout_s
        self.begun = begun
        self.heeded = False
        self.answers: dict[int, int] | None = None
        """Answers per connection one check after the worker began to drain: until then,
        responses may leave that were made before."""


class DrainWatch:
    """All drains in progress. ``finished(worker)`` is called once for each that ends."""

    def __init__(self, loop: Loop, listeners: Listeners, finished: Callable[[int], None]) -> None:
        self._loop = loop
        self._listeners = listeners
        self._finished = finished
        self._drains: dict[int, _Drain] = {}

    def hand_on(self) -> Values:
        """Return what the next program needs to wait on."""
        return {"drains": [[each.worker, each.timeout_s] for each in self._drains.values()]}

    def resume(self, given: Values) -> None:
        """Wait for the workers that the program before this one told to drain."""
        for worker, timeout_s in given.get("drains", ()):
            self.begin(worker, timeout_s)

    def begin(self, worker: int, timeout_s: float) -> None:
        """Watch a worker that was told to drain."""
        begun = time.monotonic()
        drain = self._drains[worker] = _Drain(worker, timeout_s, begun)
        self._loop.set_alarm(_name(worker), begun, lambda: self._check(drain))

    def worker_exited(self, worker: int) -> None:
        """Remove a worker that has exited."""
        self._drains.pop(worker, None)
        self._loop.set_alarm(_name(worker), None, _nothing)

    def _check(self, drain: _Drain) -> None:
        began = time.monotonic()
        if self._is_done(drain, began - drain.begun):
            self._drains.pop(drain.worker, None)
            self._finished(drain.worker)
            return
        took = time.monotonic() - began
        next_at = began + max(LOOK_S, LOOK_SHARE * took)
        self._loop.set_alarm(_name(drain.worker), next_at, lambda: self._check(drain))

    def _is_done(self, drain: _Drain, elapsed_s: float) -> bool:
        listeners = self._listeners.all()
        held = {
            pid: {inode for _, inode in procfs.open_sockets(pid)}
            for pid in (drain.worker, *procfs.descendant_pids(drain.worker))
        }
        heeds = {pid for pid in held if procfs.handles_signal(pid, DRAIN_SIGNAL)}
        shared = {listener.inode for listener in listeners}
        if elapsed_s < HEEDED_WITHIN_S and any(held[pid] & shared for pid in heeds):
            return False
        if not drain.heeded:
            drain.heeded = True
            return False
        try:
            tcp = _tcp_connections(listeners)
        except OSError:
            return elapsed_s >= PAUSE_S
        unix = _unix_connections(listeners)
        if drain.answers is None:
            drain.answers = {inode: one.answers for inode, one in tcp.items()}
        for pid, inodes in held.items():
            exits_at_once = pid in heeds and not procfs.handles_signal(pid, signal.SIGTERM)
            if inodes & unix and (exits_at_once or elapsed_s < PAUSE_S):
                return False
            for inode in inodes & tcp.keys():
                first = None if exits_at_once else drain.answers.get(inode)
                if is_open(
                    tcp[inode], first, exits_at_once=exits_at_once, timeout_s=drain.timeout_s
                ):
                    return False
        return True


def is_open(
    connection: Connection, first_answers: int | None, *, exits_at_once: bool, timeout_s: float
) -> bool:
    """Return whether a connection would lose a request if its program were stopped now.

    Args:
        connection: its counters.
        first_answers: its `answers` when the drain began; None when it does not matter.
        exits_at_once: SIGTERM ends the program at once.
        timeout_s: how old a request may be to be waited for.
    """
    if connection.received == 0:
        return connection.heard_s < PAUSE_S
    is_open_request = (
        connection.unread > 0 or connection.answers == 0 or connection.heard_s < connection.spoke_s
    )
    if is_open_request and connection.heard_s < timeout_s:
        return first_answers in (None, connection.answers)
    if min(connection.heard_s, connection.spoke_s) >= IDLE_S:
        return False
    return exits_at_once or connection.answers == first_answers


def _tcp_connections(listeners: list[Listener]) -> dict[int, Connection]:
    found: dict[int, Connection] = {}
    paths = {(each.place.family, each.place.port) for each in listeners}
    for family, port in paths:
        if family != socket.AF_UNIX:
            found.update(sockdiag.tcp_connections(family, port))
    return found


def _unix_connections(listeners: list[Listener]) -> set[int]:
    found: set[int] = set()
    for listener in listeners:
        if listener.place.family == socket.AF_UNIX:
            found |= sockdiag.unix_connections(listener.place.address)
    return found


def _name(worker: int) -> str:
    return f"drain {worker}"


def _nothing() -> None:
    """Do nothing: the call of an alarm that is cancelled."""
