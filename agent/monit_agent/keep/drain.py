"""When a worker that takes nothing new has finished, as the kernel tells it from outside.

Many servers die at SIGTERM with requests in hand (http.server, Flask's own, Tornado). So the
signal waits until nothing is in hand any more. What that is:

* a connection on which the client spoke last, for as long as the answer may still be hoped for:
  its question is not older than the time that a worker has to stop;
* one on which something was said a moment ago: the same client may ask again, and is then told
  with the answer that the connection is over, by the servers that know how to;
* one that was accepted a moment ago and has said nothing yet.

What handles SIGTERM closes its idle connections itself, and must be told to. There a connection
that was answered since the drain began, and is still there, is not waited for again: with busy
keep-alive clients that would never end. For Unix sockets the kernel does not say who spoke last;
those of a program that dies of SIGTERM are waited for until they are closed.

Nothing here polls but while a worker drains; the keeper ends all waiting after ``kill_timeout``.
"""

import _socket as socket
import signal
import time
from collections.abc import Callable

from monit_agent.keep import procfs, sockdiag
from monit_agent.keep.listeners import Listener, Listeners
from monit_agent.keep.loop import Loop
from monit_agent.keep.share import QUIESCE_SIGNAL
from monit_agent.keep.sockdiag import Connection

LOOK_S = 0.05
LOOK_SHARE = 20
"""The next look comes after at least so many times what the last one took."""
PAUSE_S = 0.25
"""How long a new connection may keep its first word back, and the whole wait where the kernel does
not tell (measured: 0 of 52,800 requests lost over 24 replacements; with no pause 3 of 37,800)."""
IDLE_S = 1.0
"""Silent for so long, a kept connection counts as idle."""
HEEDED_WITHIN_S = 2.0
"""A worker that has not put the shared socket away by then will not."""


class _Drain:
    __slots__ = ("answers", "begun", "heeded", "patience_s", "worker")

    def __init__(self, worker: int, patience_s: float, begun: float) -> None:
        self.worker = worker
        self.patience_s = patience_s
        self.begun = begun
        self.heeded = False
        self.answers: dict[int, int] | None = None
        """What each connection had been told a look after the worker had heeded: until then answers
        may leave that were made before."""


class Drains:
    """All that are under way. ``finished(worker)`` is called once for each that ends."""

    def __init__(self, loop: Loop, listeners: Listeners, finished: Callable[[int], None]) -> None:
        self._loop = loop
        self._listeners = listeners
        self._finished = finished

    def begin(self, worker: int, patience_s: float) -> None:
        """Watch a worker that was told to take nothing new."""
        begun = time.monotonic()
        drain = _Drain(worker, patience_s, begun)
        self._loop.alarm(_name(worker), begun, lambda: self._look(drain))

    def drop(self, worker: int) -> None:
        """The worker is gone."""
        self._loop.alarm(_name(worker), None, _nothing)

    def _look(self, drain: _Drain) -> None:
        began = time.monotonic()
        if self._is_done(drain, began - drain.begun):
            self._finished(drain.worker)
            return
        took = time.monotonic() - began
        next_at = began + max(LOOK_S, LOOK_SHARE * took)
        self._loop.alarm(_name(drain.worker), next_at, lambda: self._look(drain))

    def _is_done(self, drain: _Drain, elapsed_s: float) -> bool:
        listeners = self._listeners.all()
        held = {
            pid: {inode for _, inode in procfs.sockets(pid)}
            for pid in (drain.worker, *procfs.descendants(drain.worker))
        }
        heeds = {pid for pid in held if procfs.handles(pid, QUIESCE_SIGNAL)}
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
            dies = pid in heeds and not procfs.handles(pid, signal.SIGTERM)
            if inodes & unix and (dies or elapsed_s < PAUSE_S):
                return False
            for inode in inodes & tcp.keys():
                first = None if dies else drain.answers.get(inode)
                if is_in_hand(tcp[inode], first, dies=dies, patience_s=drain.patience_s):
                    return False
        return True


def is_in_hand(
    connection: Connection, first_answers: int | None, *, dies: bool, patience_s: float
) -> bool:
    """Tell whether a connection would lose something if its program were told to stop now.

    Args:
        connection: what is known of it.
        first_answers: its `answers` when the drain began; None when it does not matter.
        dies: SIGTERM ends the program, instead of making it finish.
        patience_s: how old a question may be whose answer is waited for.
    """
    if connection.received == 0:
        return connection.heard_s < PAUSE_S
    asked = (
        connection.unread > 0 or connection.answers == 0 or connection.heard_s < connection.spoke_s
    )
    if asked and connection.heard_s < patience_s:
        return first_answers in (None, connection.answers)
    if min(connection.heard_s, connection.spoke_s) >= IDLE_S:
        return False
    return dies or connection.answers == first_answers


def _tcp_connections(listeners: list[Listener]) -> dict[int, Connection]:
    found: dict[int, Connection] = {}
    places = {(each.place.family, each.place.port) for each in listeners}
    for family, port in places:
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
    """Stand for the call of an alarm that is taken back."""
