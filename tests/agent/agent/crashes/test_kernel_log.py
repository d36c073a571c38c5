"""What the kernel's log says about the end of a process."""

import os
import signal
import time

import pytest

from monit_agent.agent.crashes.kernel_log import KernelHints, newest_about

RECORDS = [
    b"6,1,10000000,-;Linux version 6.1",
    b"4,2,20000000,-;Out of memory: Killed process 41 (python3) total-vm:9kB\n SUBSYSTEM=x\n",
    b"6,3,21000000,-;python3[42]: segfault at 0 ip 00007f sp 00007f error 4 in libc.so",
    b"6,4,22000000,-;traps: a.out[43] general protection fault ip:1 sp:2 error:0",
    b"4,5,23000000,c;Memory cgroup out of memory: Killed process 44 (node) total-vm:1kB",
    b"no record", b"", b"6,x,y;Killed process 45 (a)",
]  # fmt: skip


@pytest.mark.parametrize(
    ("pid", "says"),
    [
        (41, "kernel: Out of memory: Killed process 41 (python3) total-vm:9kB"),
        (42, "kernel: python3[42]: segfault at 0 ip 00007f sp 00007f error 4 in libc.so"),
        (43, "kernel: traps: a.out[43] general protection fault ip:1 sp:2 error:0"),
        (44, "kernel: Memory cgroup out of memory: Killed process 44 (node) total-vm:1kB"),
        (4, ""),
        (45, ""),
    ],
)
def test_a_process_is_found_by_its_pid(pid: int, says: str) -> None:
    """Killed for want of memory, or by a fault; another pid is another process."""
    assert newest_about(RECORDS, pid, 21_000_000) == says


def test_an_old_record_is_of_another_process() -> None:
    """Pids are used again: only what happened at that time counts."""
    assert newest_about(RECORDS, 41, 90_000_000) == ""


def test_without_a_signal_there_is_no_hint() -> None:
    """A worker that exits by itself needs no kernel; a kill by somebody has no record here."""
    hints = KernelHints()
    assert hints.hint(os.getpid(), None, time.time()) == ""
    assert "kernel: " not in hints.hint(2**22 + 1, signal.SIGKILL, time.time())
