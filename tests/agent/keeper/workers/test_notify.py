"""``notify.sock``: which messages count, and from whom they are."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.workers.notify import Notify
from support.keeper_loop import run_until


class Notices:
    """A notify socket and what it reported, in order."""

    def __init__(self, loop: Loop, path: str) -> None:
        self.loop = loop
        self.path = path
        self.seen: list[tuple[object, ...]] = []
        self.notify = Notify(
            loop,
            path,
            lambda pid: self.seen.append(("ready", pid)),
            lambda pid, main: self.seen.append(("main", pid, main)),
        )

    def send(self, *messages: bytes) -> list[tuple[object, ...]]:
        """Send messages and a last one that counts; return what was reported before that."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as worker:
            for message in (*messages, b"MAINPID=1"):
                worker.sendto(message, self.path)
        last = ("main", os.getpid(), 1)
        run_until(self.loop, lambda: last in self.seen, what="the last message was read")
        return self.seen[: self.seen.index(last)]


@pytest.fixture(name="notices")
def _notices(loop: Loop, short_folder: Path) -> Iterator[Notices]:
    notices = Notices(loop, str(short_folder / "notify.sock"))
    yield notices
    notices.notify.file.close()


def test_the_sender_comes_from_the_kernel(notices: Notices) -> None:
    """A worker cannot report for another one."""
    assert notices.send(b"READY=1") == [("ready", os.getpid())]


def test_a_main_process_is_announced_before_it_is_ready(notices: Notices) -> None:
    """In one message, whatever the order of the lines: the report counts for the new process."""
    seen = notices.send(b"READY=1\nSTATUS=serving\nMAINPID=42\n")
    assert seen == [("main", os.getpid(), 42), ("ready", os.getpid())]


@pytest.mark.parametrize(
    "message",
    [b"", b"READY=0", b"READY=10", b"X_READY=1", b"ready=1", b"STATUS=READY=1", b"READY=1\0",
     b"MAINPID=", b"MAINPID=-1", b"MAINPID=1x", b"\xff" * 100, b"x" * 8192],
)  # fmt: skip
def test_other_messages_are_ignored(notices: Notices, message: bytes) -> None:
    """And those after them are read."""
    assert notices.send(message) == []
