"""Questions that another process asks for the keeper."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.workers.lookups import Lookups, UnansweredError
from support.keeper_loop import run_until
from support.waiting import wait_until


class AskedServer:
    """A server that answers a question when its FIFO is written to, and what was noted of it."""

    def __init__(self, loop: Loop, folder: Path) -> None:
        self.loop = loop
        self.folder = folder
        self.pids: set[int] = set()
        self.answers = 0
        self.lookups = Lookups(loop, self.pids, self._answered)

    def _answered(self) -> None:
        self.answers += 1

    def look_up(self, *names: str) -> list[str]:
        """Return the answers, as a start that has several questions."""
        return [
            self.lookups.look_up("the server", name, (self.folder / name).read_text, 0.0)
            for name in names
        ]

    def is_unanswered(self, name: str) -> bool:
        """Return whether there is no answer to a question."""
        try:
            self.look_up(name)
        except UnansweredError:
            return True
        return False

    def answer(self, name: str, text: str) -> None:
        """Answer, and run the loop until the answer is there."""
        before = self.answers
        (self.folder / name).write_text(text)
        run_until(self.loop, lambda: self.answers > before, what="an answer")


@pytest.fixture(name="server")
def _server(loop: Loop, tmp_path: Path) -> Iterator[AskedServer]:
    server = AskedServer(loop, tmp_path)
    for name in ("one", "two"):
        os.mkfifo(tmp_path / name)
    yield server
    for pid in server.pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_start_with_two_slow_answers_gets_both(server: AskedServer) -> None:
    """The first is kept until the second has come; a start that used them asks again later."""
    with pytest.raises(UnansweredError, match="waiting for the server"):
        server.look_up("one", "two")
    server.answer("one", "1")
    with pytest.raises(UnansweredError):
        server.look_up("one", "two")
    server.answer("two", "2")
    assert server.look_up("one", "two") == ["1", "2"]
    assert server.look_up("one", "two") == ["1", "2"], "the other instances start with the same"
    server.lookups.used()
    wait_until(lambda: server.is_unanswered("one"), what="it asks again")


def test_there_is_one_process_for_each_server(server: AskedServer) -> None:
    """However many questions there are while it is silent."""
    for name in ("one", "two", "one"):
        with pytest.raises(UnansweredError):
            server.look_up(name)
    assert len(server.pids) == 1


def _fail() -> None:
    raise KeyError("nobody")


def _break_off() -> None:
    for fd in range(3, 256):
        with contextlib.suppress(OSError):
            os.write(fd, b'[{"a"')
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("look", "why"),
    [
        (_fail, "KeyError: 'nobody'"),
        (object, "TypeError"),
        (_break_off, "the process that asks was killed"),
    ],
    ids=["raises", "answers nonsense", "breaks off"],
)
def test_an_answer_that_cannot_come_is_an_error(
    server: AskedServer, capfd: pytest.CaptureFixture[str], look: Callable[[], Any], why: str
) -> None:
    """It says why, and so does the keeper's log."""
    with pytest.raises(OSError, match=why) as error:
        server.lookups.look_up("the server", "who", look, 60.0)
    assert not isinstance(error.value, UnansweredError)
    assert f"no answer from the server: {why}" in capfd.readouterr().err
