"""The screen in a real pseudo-terminal, as a person meets it."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pexpect
import pyte
import pytest

from waiting import wait_until

COLUMNS, LINES = 120, 35
COMMAND = [sys.executable, "-m", "monit_tui", "--scene", "healthy"]
PLACES = os.pathsep.join(path for path in sys.path if path.endswith(("/agent", "/tui")))
ENVIRON = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONPATH": PLACES}
PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]")
"""Modes that pyte does not know and would print."""


class Terminal:
    """A terminal with the screen in it."""

    def __init__(self, *arguments: str, **environ: str) -> None:
        env = {**ENVIRON, **environ}
        command, *rest = [*COMMAND, *arguments]
        self.child = pexpect.spawn(command, rest, env=env, dimensions=(LINES, COLUMNS), timeout=20)  # type: ignore[arg-type]
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""

    def take(self) -> bool:
        """Take in what was printed; False at the end."""
        try:
            data = self.child.read_nonblocking(65536, timeout=0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(PRIVATE.sub(b"", data))
        return True

    def until(self, text: str) -> None:
        def shown() -> bool:
            self.take()
            return any(text in line for line in self.screen.display)

        wait_until(shown, deadline_s=20, what=f"{text!r} on\n" + "\n".join(self.screen.display))

    def until_gone(self) -> int:
        """Wait for the end; give the exit code, negative for a signal."""
        wait_until(lambda: not self.take(), deadline_s=20, what="the screen is closed")
        self.child.wait()
        return (
            self.child.exitstatus if self.child.exitstatus is not None else -self.child.signalstatus
        )


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        one.child.close(force=True)


def test_it_starts_shows_rows_and_leaves_the_terminal_as_it_was(terminals: list[Terminal]) -> None:
    """Rows with data, then q: old screen, cursor, mouse and line modes back, and a word."""
    terminal = Terminal()
    terminals.append(terminal)
    before = termios.tcgetattr(terminal.child.fileno())
    terminal.until("2/2 online")
    terminal.until("worker")
    terminal.child.send("q")
    assert terminal.until_gone() == 0
    after = termios.tcgetattr(terminal.child.fileno())
    assert after[:4] == before[:4]
    for off in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1003l"):
        assert off in terminal.raw.rpartition(b"\x1b[?1049h")[2]
    assert b"monit: viewer closed, 3 apps go on" in terminal.raw


def test_keys_work_over_the_wire(terminals: list[Terminal]) -> None:
    """Arrows, letters and Esc arrive as they do from a real terminal."""
    terminal = Terminal()
    terminals.append(terminal)
    terminal.until("2/2 online")
    terminal.child.send("\x1b[B\x1b[B")
    terminal.until("Metadata  5 Events  6 Blocked ─ api/1")
    terminal.child.send("x")
    terminal.until("Stop api/1?")
    terminal.child.send("\x1b")
    wait_until(
        lambda: (
            terminal.take() and not any("Stop api/1?" in line for line in terminal.screen.display)
        ),
        what="the dialog is gone",
    )
    terminal.child.send("\x03")
    assert terminal.until_gone() == 0


def test_an_exported_width_does_not_count(terminals: list[Terminal]) -> None:
    """The terminal knows its size better than a variable that somebody once exported."""
    terminal = Terminal(COLUMNS="60", LINES="10")
    terminals.append(terminal)
    terminal.until("Metadata  5 Events  6 Blocked ─ api")
    terminal.child.send("q")
    assert terminal.until_gone() == 0


def test_a_hang_up_ends_it(terminals: list[Terminal]) -> None:
    """SIGHUP ends the screen at once, also when it was started with SIGHUP ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        terminal = Terminal()
    finally:
        signal.signal(signal.SIGHUP, before)
    terminals.append(terminal)
    terminal.until("2/2 online")
    sent = time.monotonic()
    os.kill(terminal.child.pid, signal.SIGHUP)
    assert terminal.until_gone() == -signal.SIGHUP
    assert time.monotonic() - sent < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_told_to_end_puts_the_terminal_back(
    terminals: list[Terminal], number: signal.Signals
) -> None:
    """`kill` of the viewer leaves a usable shell behind, and an exit code that says why."""
    terminal = Terminal()
    terminals.append(terminal)
    before = termios.tcgetattr(terminal.child.fileno())
    terminal.until("2/2 online")
    os.kill(terminal.child.pid, number)
    assert terminal.until_gone() == 128 + number
    assert termios.tcgetattr(terminal.child.fileno())[:4] == before[:4]
    assert b"\x1b[?1049l" in terminal.raw.rpartition(b"\x1b[?1049h")[2]


def test_it_leaves_when_the_terminal_is_gone() -> None:
    """Where no SIGHUP comes (not the session's terminal), a dead terminal ends it all the same."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    with subprocess.Popen(
        COMMAND, stdin=theirs, stdout=theirs, stderr=theirs, env=ENVIRON, start_new_session=True
    ) as child:
        try:
            os.close(theirs)
            seen = bytearray()

            def shown() -> bool:
                seen.extend(os.read(ours, 65536))
                return b"online" in seen

            wait_until(shown, deadline_s=20, what="a row")
            os.close(ours)
            assert child.wait(timeout=20) == 129
        finally:
            child.kill()


def test_over_ssh_the_kitty_protocol_stays_off(terminals: list[Terminal]) -> None:
    """A lost connection must not leave a mode on that makes the shell unreadable."""
    terminal = Terminal(SSH_CONNECTION="1.2.3.4 5 6.7.8.9 22")
    terminals.append(terminal)
    terminal.until("2/2 online")
    assert not re.search(rb"\x1b\[>\d+u", terminal.raw)
    terminal.child.send("q")
    assert terminal.until_gone() == 0


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": ""}], ids=["dumb", "none"])
def test_a_dumb_terminal_is_refused_with_a_hint(
    terminals: list[Terminal], environ: dict[str, str]
) -> None:
    """No screenful of escape sequences, but what to do instead; exit code 2."""
    terminal = Terminal(**environ)
    terminals.append(terminal)
    assert terminal.until_gone() == 2
    assert b"monit list" in terminal.raw
    assert b"\x1b" not in terminal.raw
