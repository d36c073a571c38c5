"""What the kernel knows about the end of a process: out of memory, a fault, a core file.

Each source may be closed to this user, or be that of another machine in a container; then nothing
is known. A process is found by its pid and by the time.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterable
from io import RawIOBase

from monit_agent.system.procfs import read_file

WITHIN_S = 15.0
"""The kernel's clock and the wall clock may differ by so much."""

RECORDS = 20_000
READ_S = 0.05
"""Bounds on reading the kernel's log, which has a few thousand records."""

CHARACTERS = 300

_KMSG = "/dev/kmsg"
_MEMORY_EVENTS = re.compile(rb"^oom_kill (\d+)$", re.MULTILINE)
_FAULTS = frozenset(
    (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP)
)


class KernelHints:
    """Looks for hints; remembers how many processes of this control group the kernel has killed
    for want of memory."""

    def __init__(self) -> None:
        self._oom_kills = _oom_kills()

    def hint(self, pid: int | None, number: int | None, at: float) -> str:
        """Return a sentence about process ``pid``, which was ended by signal ``number`` at wall
        time ``at``; "" when nothing is known."""
        before, self._oom_kills = self._oom_kills, _oom_kills()
        if number is None:
            return ""
        found = [] if pid is None else [_from_log(pid, at)]
        if number == signal.SIGKILL and not any(found) and None not in (before, self._oom_kills):
            more = (self._oom_kills or 0) > (before or 0)
            found.append("the kernel killed a process for want of memory" if more else "")
        if number in _FAULTS and pid is not None:
            found.append(_core_hint(pid))
        return "; ".join(text for text in found if text)[:CHARACTERS]


def _oom_kills() -> int | None:
    group = read_file("/proc/self/cgroup") or b""
    path = next((line[3:] for line in group.splitlines() if line.startswith(b"0::")), b"")
    raw = read_file(os.fsdecode(b"/sys/fs/cgroup" + path + b"/memory.events")) or b""
    found = _MEMORY_EVENTS.search(raw)
    return int(found[1]) if found else None


def _from_log(pid: int, at: float) -> str:
    age_us = (time.time() - at) * 1e6
    return newest_about(_records(), pid, time.monotonic() * 1e6 - age_us)


def newest_about(records: Iterable[bytes], pid: int, at_us: float) -> str:
    """Return the newest record of the kernel's log about the end of a process at ``at_us`` of the
    kernel's clock."""
    about = re.compile(rf"Killed process {pid} |\[{pid}\](?:: segfault| general| trap)".encode())
    hint = ""
    for record in records:
        head, _, text = record.partition(b";")
        fields = head.split(b",")
        if len(fields) < 3 or not fields[2].isdigit():
            continue
        is_near = abs(int(fields[2]) - at_us) <= WITHIN_S * 1e6
        if is_near and about.search(text):
            line, _, _ = text.partition(b"\n")
            hint = f"kernel: {line.decode('utf-8', 'replace')}"
    return hint


def _records() -> list[bytes]:
    """Return the records of the kernel's log; [] where it is not readable."""
    records: list[bytes] = []
    end = time.monotonic() + READ_S
    try:
        fd = os.open(_KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    with os.fdopen(fd, "rb", buffering=0) as file, contextlib.suppress(OSError):
        while len(records) < RECORDS and time.monotonic() < end:
            record = _next_record(file)
            if record is None:
                break
            records.append(record)
    return records


def _next_record(file: RawIOBase) -> bytes | None:
    """Return a record, b"" in the place of those that were overwritten meanwhile, None at the
    end."""
    try:
        return file.read(8192)
    except BrokenPipeError:
        return b""


def _core_hint(pid: int) -> str:
    """Return where a core file would be, as far as the kernel says."""
    pattern = (read_file("/proc/sys/kernel/core_pattern") or b"").strip()
    if b"systemd-coredump" in pattern:
        return f"see `coredumpctl info {pid}`"
    if pattern.startswith(b"|"):
        program = os.fsdecode(pattern[1:].split()[0]) if pattern[1:].split() else "a program"
        return f"a core dump goes to {os.path.basename(program)}"
    return ""
