"""The sockets that probes report to, and whose report it is.

Datagrams for Python; a stream for Node, which has no Unix datagrams. Who sent something is what
the kernel says (SO_PASSCRED, SO_PEERCRED), never what the report claims: it counts only when
the sender is in the process tree of one of the app's workers.
"""

import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from monit_agent.observe.awake import Awake
from monit_agent.observe.blocks import Blocks
from monit_agent.observe.family import put_inside
from monit_agent.observe.loop import Loop
from monit_agent.observe.probes import Figures, Inside, busy_s, put_into
from monit_agent.observe.probewords import BadReportError, Report, read_report
from monit_agent.observe.stuck import Look, Stuck
from monit_agent.observe.trouble import say
from monit_agent.wire.limits import PROBE_STALE_S
from monit_agent.wire.messages import InstanceRecord, Sample
from monit_agent.wire.places import AppPlaces

DATAGRAM_BYTES = 256 * 1024
"""More than Linux lets a Unix datagram have by default."""

LINE_BYTES = 64 * 1024
"""Longest line that a Node process may send before its connection is closed."""

AT_ONCE = 256
"""Reports read before the loop serves somebody else."""

STREAMS = 1024
DEPTH = 64
"""Node processes that may be connected, and generations between a process and its worker."""

_CREDENTIALS = struct.Struct("3i")


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
        self._streams: dict[int, tuple[socket.socket, int, bytearray]] = {}
        self._refused = {"unreadable": 0, "a stranger's": 0}
        datagrams = _bind(places.probe, socket.SOCK_DGRAM)
        if datagrams:
            datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            loop.watch(datagrams.fileno(), lambda _events: self._read_datagrams(datagrams))
        listener = _bind(places.node_probe, socket.SOCK_STREAM)
        if listener:
            listener.listen(64)
            loop.watch(listener.fileno(), lambda _events: self._accept(listener))

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
        found: dict[int, Figures] = {}
        for pid, each in inside.items():
            figures = each.figures(now)
            if figures is not None:
                found[pid] = figures
        return put_inside(put_into(sample, list(found.values())), found)

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
            self.stuck.heard(instance, pid, busy_s(report), self._awake.now())
        if report.blocked:
            self._blocks.setdefault(instance, Blocks()).add(pid, report.blocked, now)

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
                    DATAGRAM_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size)
                )
            except BlockingIOError:
                return
            pid = _sender(ancillary)
            if pid and not flags & socket.MSG_TRUNC:
                self._take(pid, raw)

    def _accept(self, listener: socket.socket) -> None:
        try:
            stream, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        if len(self._streams) >= STREAMS:
            stream.close()
            return
        raw = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        stream.setblocking(False)
        fd = stream.fileno()
        self._streams[fd] = (stream, _CREDENTIALS.unpack(raw)[0], bytearray())
        self._loop.watch(fd, lambda _events: self._read_stream(fd))

    def _read_stream(self, fd: int) -> None:
        stream, pid, buffer = self._streams[fd]
        try:
            part = stream.recv(LINE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        buffer += part
        *lines, rest = buffer.split(b"\n")
        for line in lines:
            self._take(pid, bytes(line))
        buffer[:] = rest
        if not part or len(buffer) > LINE_BYTES:
            self._loop.unwatch(fd)
            del self._streams[fd]
            stream.close()
            for instance in self._inside:
                self.stuck.ended(instance, pid)


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(_CREDENTIALS.unpack(data)[0])
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
