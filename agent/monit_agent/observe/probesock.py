"""The sockets that probes report to, and whose report it is.

Datagrams for Python; a stream for Node, which has no Unix datagrams. Who sent something is what
the kernel says (SO_PASSCRED, SO_PEERCRED), never what the report claims: it counts only when
the sender is in the process tree of one of the app's workers.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from monit_agent.observe.asks import Asked, Asks
from monit_agent.observe.awake import Awake
from monit_agent.observe.blocks import Blocks
from monit_agent.observe.family import put_inside
from monit_agent.observe.loop import Loop
from monit_agent.observe.measures import combined, printable
from monit_agent.observe.probes import Figures, Inside, busy_s, put_into
from monit_agent.observe.probestreams import CREDENTIALS, STREAMS, Streams
from monit_agent.observe.probewords import BadReportError, Report, read_report
from monit_agent.observe.stuck import Look, Stuck
from monit_agent.observe.trouble import say
from monit_agent.wire.limits import PROBE_STALE_S
from monit_agent.wire.messages import InstanceRecord, Offer, Sample
from monit_agent.wire.places import AppPlaces

DATAGRAM_BYTES = 256 * 1024
"""More than Linux lets a Unix datagram have by default."""

AT_ONCE = 256
"""Reports read before the loop serves somebody else."""

DEPTH = 64
"""Generations between a process and its worker."""


class Probes:
    """Receives reports and gives what they say of each instance.

    ``instances`` gives the app's slots. Everything is forgotten with the process or the slot
    that it is about; the table of blocks stays as long as the slot does.
    """

    def __init__(
        self,
        loop: Loop,
        places: AppPlaces,
        instances: Callable[[], Mapping[int, InstanceRecord]],
        awake: Awake,
    ) -> None:
        self.stuck = Stuck(_look)
        self._awake = awake
        self._loop = loop
        self._instances = instances
        self._inside: dict[int, dict[int, Inside]] = {}
        self._blocks: dict[int, Blocks] = {}
        self._roots: dict[int, int] = {}
        """The worker of each instance whose processes `_inside` is about."""
        self._owners: dict[tuple[int, int], int] = {}
        """The worker that a process (pid, and when its probe was born) is below of."""
        self._refused = {"unreadable": 0, "a stranger's": 0}
        datagrams = _bind(places.probe, socket.SOCK_DGRAM)
        if datagrams:
            datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            loop.watch(datagrams.fileno(), lambda _events: self._read_datagrams(datagrams))
        listener = _bind(places.node_probe, socket.SOCK_STREAM)
        streams = Streams(loop, listener, self._take, self._closed) if listener else None
        self.asks = Asks(loop, places.ask, streams.send if streams else _nobody)

    # ------------------------------------------------------------ what is known

    def put_into(self, instance: int, sample: Sample) -> Sample:
        """Give the sample of an instance with what its probes say."""
        if sample.pid is None or self._roots.get(instance) not in (None, sample.pid):
            return sample
        stuck_s = self.stuck.seconds(instance, sample.pid, self._awake.now())
        if stuck_s is not None:
            sample = replace(sample, stuck_s=round(stuck_s, 3))
        if instance not in self._roots:
            return sample
        now = time.monotonic()
        inside = self._inside[instance]
        for pid, each in list(inside.items()):
            if now - each.heard_at > PROBE_STALE_S or not os.path.exists(f"/proc/{pid}"):
                del inside[pid]
        found = self._figures(instance)
        return put_inside(put_into(sample, list(found.values())), found)

    def _figures(self, instance: int) -> dict[int, Figures]:
        """Give what the processes of an instance tell, by pid."""
        now = time.monotonic()
        all_of_it = (
            (pid, each.figures(now)) for pid, each in self._inside.get(instance, {}).items()
        )
        return {pid: figures for pid, figures in all_of_it if figures is not None}

    def blocks(self, instance: int) -> Blocks:
        """Give the table of blocks of an instance, empty if there were none."""
        return self._blocks.get(instance) or Blocks()

    def held_up_in(self, instance: int) -> str:
        """Say in which of the app's functions the instance's loop is held up now, as far as its
        probe tells: `` in work app.py:12``, or nothing."""
        for block in self.blocks(instance).records(time.monotonic()):
            if block.going_on_ms and block.culprit < len(block.stack):
                frame = block.stack[block.culprit]
                return f" in {frame.function} {os.path.basename(frame.file)}:{frame.line}"
        return ""

    def faults(self, instance: int) -> tuple[int, tuple[str, ...]]:
        """Give how many processes of the instance report, and the errors inside their probes."""
        inside = self._inside.get(instance, {})
        return len(inside), tuple(each.fault for each in inside.values() if each.fault)

    def offers(self, instances: Iterable[int]) -> tuple[Offer, ...]:
        """Give what the processes of these instances can be asked to do, by name."""
        found: dict[str, Offer] = {}
        for number in instances:
            for each in self._inside.get(number, {}).values():
                for words in each.actions:
                    name = printable(words.name)
                    count = found[name].processes if name in found else 0
                    found[name] = Offer(name=name, help=printable(words.help), processes=count + 1)
        return tuple(found[name] for name in sorted(found))

    def asked(self, instances: Iterable[int], action: str) -> list[Asked]:
        """Give the processes of these instances that offer ``action``."""
        return [
            Asked(number, pid, each.rt)
            for number in instances
            for pid, each in sorted(self._inside.get(number, {}).items())
            if any(words.name == action for words in each.actions)
        ]

    def lost_metrics(self, instances: Iterable[int]) -> int:
        """Give how many own metrics of these instances find no room."""
        figures = (self._figures(number) for number in instances)
        return sum(combined([each.own for each in some.values()])[1] for some in figures)

    def forget(self, instance: int) -> None:
        """Drop what is known of a slot that is gone."""
        for by_instance in (self._inside, self._blocks, self._roots):
            by_instance.pop(instance, None)
        self.stuck.forget(instance)

    # ------------------------------------------------------------ what comes in

    def _take(self, pid: int, raw: bytes) -> None:
        try:
            report = read_report(raw)
        except BadReportError as error:
            self._refuse("unreadable", f"a report of process {pid} cannot be read: {error}")
            return
        roots = {slot.pid: number for number, slot in self._instances().items() if slot.pid}
        root = self._root(pid, report, roots)
        if root is None:
            self._refuse("a stranger's", f"process {pid} reports, and is below no worker")
            return
        instance = roots[root]
        if self._roots.get(instance) != root:
            self._roots[instance], self._inside[instance] = root, {}
            self.stuck.forget(instance)
        inside = self._inside[instance]
        now = time.monotonic()
        if report.bye:
            inside.pop(pid, None)
            self.stuck.ended(instance, pid)
        else:
            inside.setdefault(pid, Inside()).add(report, now)
            if report.loops is not None:  # another one is no sign of life of its main thread
                self.stuck.heard(instance, pid, busy_s(report), self._awake.now())
        for answer in report.answers:
            self.asks.answered(pid, answer)
        if report.blocked:
            self._blocks.setdefault(instance, Blocks()).add(pid, report.blocked, now)

    def _closed(self, pid: int) -> None:
        for instance in self._inside:
            self.stuck.ended(instance, pid)

    def _refuse(self, kind: str, why: str) -> None:
        self._refused[kind] += 1
        count = self._refused[kind]
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, 8th …: no flood of lines
            say(f"{why} ({count} such reports so far)")

    def _root(self, pid: int, report: Report, roots: Mapping[int, int]) -> int | None:
        """Give the worker that ``pid`` is, or descends from."""
        key = (pid, report.born)
        if self._owners.get(key) in roots:
            return self._owners[key]
        at: int | None = pid
        for _ in range(DEPTH):
            if at is None or at in roots:
                break
            at = _parent(at)
        if at is None or at not in roots:
            return None
        if len(self._owners) > 4 * STREAMS:
            self._owners.clear()
        self._owners[key] = at
        return at

    # ------------------------------------------------------------ sockets

    def _read_datagrams(self, datagrams: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                raw, ancillary, flags, _ = datagrams.recvmsg(
                    DATAGRAM_BYTES, socket.CMSG_SPACE(CREDENTIALS.size)
                )
            except BlockingIOError:
                return
            pid = _sender(ancillary)
            if pid and not flags & socket.MSG_TRUNC:
                self._take(pid, raw)


def _nobody(_pid: int, _line: bytes) -> bool:
    """Say that there is no way to a Node process."""
    return False


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(CREDENTIALS.unpack(data)[0])
    return 0


def _look(pid: int) -> Look | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            raw = file.read()
        state = raw[raw.rindex(b")") + 2 :][:1].decode("ascii", "replace")
        return None if state in "ZX" else Look(state, os.readlink(f"/proc/{pid}/exe"))
    except (OSError, ValueError):
        return None


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            raw = file.read()
    except OSError:
        return None
    parent = int(raw[raw.rindex(b")") + 2 :].split()[1])
    return parent if parent > 1 else None


def _bind(path: str, kind: int) -> socket.socket | None:
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.setblocking(False)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # the lock is ours, so whoever bound it is gone
        sock.bind(path)
    except OSError as error:
        say(f"cannot bind {path}: {error}; no probe can report")
        sock.close()
        return None
    return sock
