"""Watches workers that start: when one accepts connections, and when one without a port is settled.

This polls ``/proc``, and only while a worker starts.
"""

import os
import time
from collections.abc import Callable

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.ports import accepting
from monit_agent.keeper.ports.listeners import Listeners
from monit_agent.keeper.ports.port_owner import command_line
from monit_agent.system import procfs
from monit_agent.system.listening import listening_inodes
from monit_agent.system.sockets import socket
from monit_agent.typed import NamedTuple

LOOK_S = 0.05
LOOK_LATER_S = 0.25
"""How often a worker is looked at, in its first seconds and later."""
FIRST_SECONDS_S = 3.0
LOOK_SHARE = 20
LOOK_AT_MOST_S = 1.0
"""The next look comes after at least this many times the duration of the last one, for each worker
that is watched: hundreds that start together must not keep the keeper busy. But it comes."""
UNSEEN_S = 2.0
"""Where it cannot be seen for so long whether a worker accepts, it does if it has the socket."""
REASON_AFTER_S = 1.0
"""A worker that does not accept by then gets a reason; most accept earlier."""
BUSY_SHARE = 0.5
BUSY_S = 1.0
"""A worker has settled when it used less than this share of a core over this time."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

ACCEPTS, ACCEPTS_SHARED, SETTLED = "accepts", "accepts shared", "settled"


class StartWatchCallbacks(NamedTuple):
    """What `StartWatch` calls."""

    reported: Callable[[int, str], None]
    """A worker (pid) `ACCEPTS` on a port of its own, `ACCEPTS_SHARED`, or has `SETTLED`."""
    not_ready: Callable[[int, str], None]
    """Why a worker (pid) does not accept yet; once for each reason."""
    listeners: Listeners


class _Start:
    __slots__ = ("begun", "cpu", "port", "reason", "settles", "unseen_since", "until", "worker")

    def __init__(self, worker: int, until: float) -> None:
        self.worker = worker
        self.begun = time.monotonic()
        self.until = until
        self.port: int | None = None
        self.settles = False
        """It is waited for until it has settled, not until it accepts."""
        self.unseen_since: float | None = None
        self.reason = ""
        self.cpu: list[tuple[float, float]] = []
        """Monotonic second and CPU seconds so far, over the last `BUSY_S`."""


class StartWatch:
    """All workers that are watched."""

    def __init__(self, loop: Loop, calls: StartWatchCallbacks) -> None:
        self._loop = loop
        self._calls = calls
        self._starts: dict[int, _Start] = {}

    def await_accept(self, worker: int, port: int | None, timeout_s: float) -> None:
        """Report when a process of a worker accepts: on ``port``, or on a shared socket that it
        has. Nothing is reported after ``timeout_s``."""
        known = self._starts.get(worker)
        if known is not None and not known.settles:
            return
        start = _Start(worker, time.monotonic() + timeout_s)
        start.port = port
        self._begin(start)

    def await_settled(self, worker: int, timeout_s: float) -> None:
        """Report when a worker uses little CPU time, unless ``timeout_s`` passes before."""
        if worker not in self._starts:
            start = _Start(worker, time.monotonic() + timeout_s)
            start.settles = True
            self._begin(start)

    def worker_exited(self, worker: int) -> None:
        """Watch a worker no longer."""
        if self._starts.pop(worker, None) is not None:
            self._loop.set_alarm(_name(worker), None, _nothing)

    def worker_replaced(self, old: int, new: int) -> None:
        """Watch the main process ``new`` in the place of ``old``."""
        start = self._starts.get(old)
        if start is not None:
            self.worker_exited(old)
            start.worker = new
            self._begin(start)

    def _begin(self, start: _Start) -> None:
        self._starts[start.worker] = start
        self._loop.set_alarm(_name(start.worker), start.begun + LOOK_S, lambda: self._look(start))

    def _look(self, start: _Start) -> None:
        began = time.monotonic()
        what = self._settled(start, began) if start.settles else self._accepts(start, began)
        if what is not None or began >= start.until:
            self.worker_exited(start.worker)
            if what is not None:
                self._calls.reported(start.worker, what)
            return
        took_s = time.monotonic() - began
        next_at = began + pause_after(began - start.begun, took_s, len(self._starts))
        self._loop.set_alarm(_name(start.worker), next_at, lambda: self._look(start))

    # ------------------------------------------------------------ accepting

    def _accepts(self, start: _Start, now: float) -> str | None:
        pids = [start.worker, *procfs.descendant_pids(start.worker)]
        shared = [each for each in self._calls.listeners.all() if start.worker in each.users]
        if start.port is not None:
            shared = [each for each in shared if each.place.port in (0, start.port)]
        own = listening_inodes(start.worker, start.port) if start.port else set[int]()
        inodes = own | {each.inode for each in shared}
        ports = {(each.place.family, each.place.port) for each in shared if each.place.port}
        if start.port:
            ports |= {(socket.AF_INET, start.port), (socket.AF_INET6, start.port)}
        accepts = accepting.is_accepting(pids, inodes, ports) if inodes else False
        if accepts or _unseen_for_long(start, accepts, now):
            return ACCEPTS_SHARED if shared else ACCEPTS
        if now - start.begun >= REASON_AFTER_S:
            self._report_reason(start, pids, inodes)
        return None

    def _report_reason(self, start: _Start, pids: list[int], inodes: set[int]) -> None:
        reason = _why_not(start, pids, inodes)
        if reason != start.reason:
            start.reason = reason
            self._calls.not_ready(start.worker, reason)

    # ------------------------------------------------------------ settling

    def _settled(self, start: _Start, now: float) -> str | None:
        start.cpu.append((now, _cpu_s(start.worker)))
        while len(start.cpu) > 1 and start.cpu[1][0] <= now - BUSY_S:
            del start.cpu[0]
        since, used = start.cpu[0]
        if now - since < BUSY_S:
            return None
        return SETTLED if start.cpu[-1][1] - used < BUSY_SHARE * (now - since) else None


def pause_after(elapsed_s: float, took_s: float, watched: int) -> float:
    """Return the time from one look at a worker to the next: ``elapsed_s`` after its start, with
    looks of ``took_s`` at each of ``watched`` workers."""
    pause_s = LOOK_S if elapsed_s < FIRST_SECONDS_S else LOOK_LATER_S
    return max(pause_s, min(LOOK_SHARE * took_s * watched, LOOK_AT_MOST_S))


def _unseen_for_long(start: _Start, accepts: bool | None, now: float) -> bool:
    """Return whether it could not be seen for `UNSEEN_S` whether a worker accepts. One look that
    fails means nothing: a process that exits just then cannot be looked into."""
    if accepts is not None:
        start.unseen_since = None
    elif start.unseen_since is None:
        start.unseen_since = now
    return start.unseen_since is not None and now - start.unseen_since >= UNSEEN_S


def _why_not(start: _Start, pids: list[int], inodes: set[int]) -> str:
    port = f"port {start.port}" if start.port is not None else "its port"
    own = accepting.own_listeners(pids, inodes)
    for pid in pids:
        if any(inode in inodes for _, inode in procfs.open_sockets(pid)):
            return f"pid {pid} ({command_line(pid)}) has {port}, but no process accepts on it"
    if own:
        return f"it listens on {', '.join(sorted(set(own.values())))}, not on {port}"
    return f"no process of it listens on {port}"


def _cpu_s(worker: int) -> float:
    """Return the CPU seconds of a worker's tree, with those of children that have exited."""
    total = 0
    for pid in (worker, *procfs.descendant_pids(worker)):
        known = procfs.process_stat(pid)
        if known is not None:
            total += known.cpu_ticks + known.reaped_cpu_ticks
    return total / _TICKS_PER_S


def _name(worker: int) -> str:
    return f"start {worker}"


def _nothing() -> None:
    """Do nothing: the call of an alarm that is cancelled."""
