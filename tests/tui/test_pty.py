"""The screen in a real pseudo-terminal."""

import fcntl
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

from monit_tui.keys.actions import REGISTRY
from monit_tui.keys.names import key_name
from monit_tui.preferences.page import QUESTION
from support.waiting import wait_until

COLUMNS, LINES = 120, 35
COMMAND = [sys.executable, "-m", "monit_tui", "--scene", "healthy"]
PLACES = os.pathsep.join(path for path in sys.path if path.endswith(("/agent", "/tui")))
ENVIRON = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONPATH": PLACES}
RECORDED = str(Path(__file__).parents[1] / "programs" / "recorded_screen.py")
PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]")
"""Modes that pyte does not support and would print."""


class Terminal:
    """A pseudo-terminal that runs the screen."""

    def __init__(
        self, *arguments: str, shell: bool = False, program: list[str] | None = None,
        cwd: str | None = None, **environ: str,
    ) -> None:  # fmt: skip
        env = {**ENVIRON, **environ}
        screen = [sys.executable, *program] if program else [*COMMAND, *arguments]
        command, *rest = ["bash", "--norc", "-i"] if shell else screen
        self.child = pexpect.spawn(
            command, rest, cwd=cwd, env=env, dimensions=(LINES, COLUMNS), timeout=20
        )  # type: ignore[arg-type]
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""

    def read_output(self) -> bool:
        """Read what was printed; return False at the end."""
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
            self.read_output()
            return any(text in line for line in self.screen.display)

        wait_until(shown, what=f"{text!r} on\n" + "\n".join(self.screen.display))

    def until_exit(self) -> int:
        """Wait for the exit; return the exit code, negative for a signal."""
        wait_until(lambda: not self.read_output(), what="the screen is closed")
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


def test_quitting_restores_the_terminal(terminals: list[Terminal]) -> None:
    """Key q restores screen, cursor, mouse and line modes, and says that the apps keep running."""
    terminal = Terminal()
    terminals.append(terminal)
    before = termios.tcgetattr(terminal.child.fileno())
    terminal.until("2/2 online")
    terminal.until("worker")
    terminal.child.send("q")
    assert terminal.until_exit() == 0
    after = termios.tcgetattr(terminal.child.fileno())
    assert after[:4] == before[:4]
    for off in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1003l"):
        assert off in terminal.raw.rpartition(b"\x1b[?1049h")[2]
    assert b"monit: screen closed, 3 apps keep running" in terminal.raw


def test_a_frame_does_not_move_the_hidden_cursor(terminals: list[Terminal]) -> None:
    """What is painted ends with text: no motion of the cursor follows, unless a field has it."""
    terminal = Terminal()
    terminals.append(terminal)
    terminal.until("2/2 online")
    terminal.child.send("j?")
    terminal.until("Esc or q closes")
    assert not re.search(rb"\x1b\[\d+;\d+H(\Z|\x1b\[\d+;\d+H)", terminal.raw)
    terminal.child.send("q/web")
    terminal.until("web")
    wait_until(
        lambda: terminal.read_output() and re.search(rb"\x1b\[\d+;\d+H\Z", terminal.raw),
        what="the cursor is in the field",
    )


@pytest.mark.parametrize(
    ("colour", "accent"), [("ffff/ffff/ffff", b"38;5;25m"), ("1e1e/1e1e/2e2e", b"38;5;75m")]
)
def test_the_theme_fits_the_page_that_the_terminal_tells(
    terminals: list[Terminal], colour: str, accent: bytes
) -> None:
    """A terminal that tells the colour of its page gets the theme for it, in full colour; keys
    right behind the answer count."""
    terminal = Terminal(COLORTERM="truecolor")
    terminals.append(terminal)
    wait_until(lambda: terminal.read_output() and QUESTION.encode() in terminal.raw, what="asked")
    terminal.until("2/2 online")
    before = terminal.raw.count(accent)
    terminal.child.send(f"\x1b]11;rgb:{colour}\x1b\\?")
    terminal.until("Esc or q closes")
    assert terminal.raw.count(accent) > before == 0


def test_a_byte_that_is_not_utf8_is_no_end(terminals: list[Terminal]) -> None:
    """A byte of another encoding, typed or pasted, does nothing; the next key works."""
    terminal = Terminal()
    terminals.append(terminal)
    terminal.until("2/2 online")
    os.write(terminal.child.fileno(), b"\xe4?")
    terminal.until("Esc or q closes")


def test_a_theme_that_was_chosen_needs_no_answer(terminals: list[Terminal]) -> None:
    """With a theme of the user's choice the terminal is not asked."""
    terminal = Terminal(COLORTERM="truecolor", MONIT_THEME="terminal")
    terminals.append(terminal)
    terminal.until("2/2 online")
    assert QUESTION.encode() not in terminal.raw


def _waiting(fd: int) -> int:
    """Return how many bytes nobody has read from a terminal yet."""
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_terminal_that_takes_no_output_does_not_keep_the_screen(number: signal.Signals) -> None:
    """A stopped terminal, or a line that hangs: the screen ends when it gets a signal, and leaves
    the line modes as they were."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("4H", 200, 600, 0, 0))
    before = termios.tcgetattr(side)
    screen = subprocess.Popen(
        COMMAND, env=ENVIRON, stdin=side, stdout=side, stderr=side, start_new_session=True
    )
    try:
        wait_until(lambda: _waiting(main) > 4000, what="the first frame begins")
        screen.send_signal(number)
        assert screen.wait(20) == 128 + number
        assert termios.tcgetattr(side)[:4] == before[:4]
    finally:
        screen.kill()
        screen.wait()
        os.close(main)
        os.close(side)


def test_keys_of_a_terminal_work(terminals: list[Terminal]) -> None:
    """Arrows, letters, Esc and ctrl+c work as a terminal sends them."""
    terminal = Terminal()
    terminals.append(terminal)
    terminal.until("2/2 online")
    terminal.child.send("\x1b[B\x1b[B")
    terminal.until("Metadata  5 Timeline  6 Blocked ─ api/1")
    terminal.child.send("x")
    terminal.until("Stop api/1?")
    terminal.child.send("\x1b")
    wait_until(
        lambda: (
            terminal.read_output()
            and not any("Stop api/1?" in line for line in terminal.screen.display)
        ),
        what="the dialog is gone",
    )
    terminal.child.send("\x03")
    assert terminal.until_exit() == 0


def test_the_screen_can_be_suspended(terminals: list[Terminal]) -> None:
    """ctrl+z returns to the shell, and fg to a whole screen whose keys work."""
    terminal = Terminal(shell=True, PS1="shell> ")
    terminals.append(terminal)
    terminal.until("shell>")
    terminal.child.sendline(" ".join(map(shlex.quote, COMMAND)))
    terminal.until("2/2 online")
    terminal.until("Metadata")
    terminal.child.send("\x1a")
    terminal.until("Stopped")
    terminal.child.sendline("clear; echo $((40 + 2))")
    terminal.until("42")
    terminal.screen.reset()
    terminal.child.sendline("fg")
    for text in ("2/2 online", "Metadata", "q quit"):
        terminal.until(text)
    terminal.child.send("q")
    terminal.until("apps keep running")
    terminal.child.sendline("exit")
    assert terminal.until_exit() == 0


def test_a_damaged_screen_can_be_repaired(terminals: list[Terminal]) -> None:
    """ctrl+l paints everything that another program has overwritten."""
    terminal = Terminal()
    terminals.append(terminal)
    terminal.until("2/2 online")
    terminal.until("Metadata")
    terminal.screen.reset()
    terminal.child.send("\x0c")
    for text in ("2/2 online", "Metadata", "q quit"):
        terminal.until(text)
    terminal.child.send("q")
    assert terminal.until_exit() == 0


def test_exported_sizes_are_ignored(terminals: list[Terminal]) -> None:
    """The screen has the size of the terminal, whatever COLUMNS and LINES are."""
    terminal = Terminal(COLUMNS="60", LINES="10")
    terminals.append(terminal)
    terminal.until("Metadata  5 Timeline  6 Blocked ─ api")
    terminal.child.send("q")
    assert terminal.until_exit() == 0


def test_sighup_ends_it(terminals: list[Terminal]) -> None:
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
    assert terminal.until_exit() == -signal.SIGHUP
    assert time.monotonic() - sent < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_restore_the_terminal(terminals: list[Terminal], number: signal.Signals) -> None:
    """SIGTERM and SIGINT restore the terminal and give the exit code of the signal."""
    terminal = Terminal()
    terminals.append(terminal)
    before = termios.tcgetattr(terminal.child.fileno())
    terminal.until("2/2 online")
    os.kill(terminal.child.pid, number)
    assert terminal.until_exit() == 128 + number
    assert termios.tcgetattr(terminal.child.fileno())[:4] == before[:4]
    assert b"\x1b[?1049l" in terminal.raw.rpartition(b"\x1b[?1049h")[2]


def test_it_exits_when_the_terminal_is_gone() -> None:
    """A closed terminal ends the screen also without SIGHUP (not the session's terminal)."""
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

            wait_until(shown, what="a row")
            os.close(ours)
            assert child.wait(timeout=20) == 129
        finally:
            child.kill()


def test_over_ssh_the_kitty_protocol_stays_off(terminals: list[Terminal]) -> None:
    """Over ssh the screen does not switch the kitty protocol on, which a lost connection keeps."""
    terminal = Terminal(SSH_CONNECTION="1.2.3.4 5 6.7.8.9 22")
    terminals.append(terminal)
    terminal.until("2/2 online")
    assert not re.search(rb"\x1b\[>\d+u", terminal.raw)
    terminal.child.send("q")
    assert terminal.until_exit() == 0


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": ""}], ids=["dumb", "none"])
def test_a_dumb_terminal_is_refused_with_a_hint(
    terminals: list[Terminal], environ: dict[str, str]
) -> None:
    """A terminal without a full screen gets an error with other commands, and exit code 2."""
    terminal = Terminal(**environ)
    terminals.append(terminal)
    assert terminal.until_exit() == 2
    assert b"monit list" in terminal.raw
    assert b"\x1b" not in terminal.raw


def test_charts_and_log_show_one_moment(terminals: list[Terminal]) -> None:
    """In a terminal, e points at the last event in the charts, and Enter shows its log."""
    terminal = Terminal("--scene", "incident")
    terminals.append(terminal)
    terminal.until("3/3 online")
    terminal.child.send("\x1b[B\x1b[B\x1b[B")
    terminal.until("6 Blocked ─ web")
    terminal.child.send("3--")  # in one piece: each key belongs to the pane it comes to
    terminal.until("web, 1 h")
    terminal.child.send("e")
    terminal.until("web, 1 h until")
    terminal.until("paused")
    terminal.child.send("\r")
    terminal.until("13:52:4")
    terminal.child.send("3")
    terminal.until("━ 3 Metrics")
    terminal.child.send("\x1b[F")
    terminal.until("follow")
    wait_until(
        lambda: (
            terminal.read_output()
            and not any("1 h until" in line for line in terminal.screen.display)
        ),
        what="the charts show now",
    )


def test_an_event_leads_to_its_log(terminals: list[Terminal]) -> None:
    """In a terminal, a filter narrows the timeline, and Enter on an event shows its log."""
    terminal = Terminal("--scene", "incident")
    terminals.append(terminal)
    terminal.until("3/3 online")
    terminal.child.send("5")
    terminal.until("5 Timeline")
    terminal.until("all apps")
    terminal.until("reload done")
    terminal.child.send("/")
    terminal.until("filter: app, kind")
    terminal.child.send("sigkill\r")
    terminal.until("all apps, /sigkill")
    terminal.child.send("k")
    terminal.child.send("\r")
    terminal.until("13:49:4")
    terminal.until("paused")


def test_keys_that_arrive_together_work_one_after_another(terminals: list[Terminal]) -> None:
    """Keys of one piece act as if they were typed slowly: a pane, its field, the text in it."""
    terminal = Terminal()
    terminals.append(terminal)
    terminal.until("2/2 online")
    terminal.until("Metadata")
    terminal.child.send("2/GET")
    terminal.until("GET")
    terminal.child.send("\r")
    terminal.until("/GET")
    terminal.child.send("1/apix")
    terminal.until("apix")
    terminal.until("No row matches")
    terminal.child.send(f"{ESCAPE}1")
    terminal.until("2/2 online")
    terminal.child.send("q")
    assert terminal.until_exit() == 0


SENT = {
    "enter": "\r", "escape": "\x1b", "tab": "\t", "space": " ", "up": "\x1b[A", "down": "\x1b[B",
    "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F", "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~", "shift+tab": "\x1b[Z", "shift+left": "\x1b[1;2D", "f1": "\x1bOP",
    "f3": "\x1bOR", "f4": "\x1bOS", "f6": "\x1b[17~", "f9": "\x1b[20~",
    "shift+right": "\x1b[1;2C", "f10": "\x1b[21~",
}  # fmt: skip
"""What a terminal sends for a key; of the other keys, their character."""


ESCAPE = "\x1b[27u"
"""Esc as kitty sends it: what follows it at once is not taken for Alt."""


def sent_for(key: str) -> str:
    if key in SENT:
        return SENT[key]
    if key.startswith("ctrl+"):
        return chr(ord(key[-1]) & 31)
    shown = key_name(key)
    assert len(shown) == 1, f"{key}: add what a terminal sends for it to SENT"
    return shown


PANE_KEYS = {"list": "1", "logs": "2", "metrics": "3", "events": "5", "global": "1"}
ENDS = frozenset({"leave", "back", "suspend"})
"""Actions that close the screen or leave it; they have tests of their own."""


OWNERS = {
    "list": "ProcessTable", "logs": "LogPane", "metrics": "MetricsPane", "events": "TimelinePane",
    "global": "OverviewScreen",
}  # fmt: skip
"""The widget that gets the keys of a scope."""


@pytest.mark.parametrize("scope", PANE_KEYS)
def test_every_key_of_the_help_does_what_help_says(
    terminals: list[Terminal], tmp_path: Path, scope: str
) -> None:
    """Each key of the registry, sent as a terminal does in the pane in which it works, reaches the
    action of its row, and the screen answers afterwards."""
    record = tmp_path / "actions"
    record.touch()
    terminal = Terminal(program=[RECORDED, str(record), "incident"], cwd=str(tmp_path))
    terminals.append(terminal)
    terminal.until("3/3 online")
    terminal.until("Metadata")
    pressed = 0

    def send(keys: str, line: str, what: str) -> None:
        """Send keys, and wait until an action is carried out; "" is any."""
        before = sum(line in each for each in record.read_text().splitlines())
        terminal.child.send(keys)
        wait_until(
            lambda: (
                terminal.read_output()
                and sum(line in each for each in record.read_text().splitlines()) > before
            ),
            what=what,
        )

    for action in REGISTRY:
        line = f"{OWNERS[scope]} {action.handler}"
        for key in action.keys if action.scope == scope and action.id not in ENDS else ():
            send(PANE_KEYS[scope] + sent_for(key), line, f"{action.id} is carried out for {key}")
            for _ in range(
                3
            ):  # close what it opened; text that follows in one piece is for a field
                send(ESCAPE, "", f"Esc is answered after {action.id}")
            pressed += 1
    assert pressed >= sum(action.scope == scope for action in REGISTRY) - len(ENDS)

    def answers() -> bool:
        terminal.child.send(f"{ESCAPE}2")
        return terminal.read_output() and any("━ 2 Logs" in row for row in terminal.screen.display)

    wait_until(answers, what="the logs have the focus")
    terminal.child.send(f"{ESCAPE}1")
    terminal.until("━ 1 Processes")
    terminal.child.send("\x03")
    assert terminal.until_exit() == 0
    assert b"Traceback" not in terminal.raw


LEAVING = [key for action in REGISTRY if action.id in {"leave", "back"} for key in action.keys]


@pytest.mark.parametrize("key", LEAVING)
def test_every_key_that_leaves_closes_the_screen(terminals: list[Terminal], key: str) -> None:
    """Each key that help names for it closes the screen, with exit code 0."""
    terminal = Terminal()
    terminals.append(terminal)
    terminal.until("2/2 online")
    terminal.child.send(sent_for(key))
    assert terminal.until_exit() == 0


def test_the_mouse_is_left_to_the_terminal_and_taken_again(terminals: list[Terminal]) -> None:
    """M switches the reports of the mouse off, and on again."""
    terminal = Terminal()
    terminals.append(terminal)
    terminal.until("2/2 online")
    for key, sequence, text in (
        ("M", b"\x1b[?1003l", "belongs to the terminal"),
        ("M", b"\x1b[?1003h", "belongs to monit again"),
    ):
        place = len(terminal.raw)
        terminal.child.send(key)
        terminal.until(text)
        assert sequence in terminal.raw[place:]
        assert sum(text in row for row in terminal.screen.display) == 1  # no toast beside it
    terminal.child.send("q")
    assert terminal.until_exit() == 0


PLAIN = {"LC_ALL": "C", "LANG": "C"}
COLOURS = re.compile(rb"\x1b\[[0-9;]*(?:[34]8;[25];|\b(?:3[0-7]|4[0-7]|9[0-7]|10[0-7])\b)[0-9;]*m")
MANY = re.compile(rb"\x1b\[[0-9;]*[34]8;[25];")


@pytest.mark.parametrize(
    ("environ", "ascii_only", "many", "some"),
    [
        ({"TERM": "linux"}, True, False, True),
        ({"TERM": "xterm"}, False, False, True),
        ({"TERM": "screen"}, False, False, True),
        ({"TERM": "tmux"}, False, False, True),
        ({"TERM": "vt100", **PLAIN}, True, False, True),
        ({"TERM": "xterm-256color"}, False, True, True),
        ({"TERM": "tmux-256color", **PLAIN}, True, True, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False, False, False),
        ({"TERM": "linux", "NO_COLOR": "1"}, True, False, False),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_every_terminal_gets_what_it_can_show(
    terminals: list[Terminal], environ: dict[str, str], ascii_only: bool, many: bool, some: bool
) -> None:
    """Terminals get the glyphs and the number of colours that they have, and everything of the
    screen is there: states as words, titles, the footer."""
    terminal = Terminal("--scene", "trouble", **{"COLORTERM": "", "LC_ALL": "C.UTF-8", **environ})
    terminals.append(terminal)
    for text in ("errored", "crashing", "1 Processes", "CPU", "q quit"):
        terminal.until(text)
    terminal.child.send("x")
    terminal.until("Cancel (n)")
    terminal.child.send(ESCAPE)
    shown = "".join(terminal.screen.display)
    assert shown.isascii() is ascii_only
    assert bool(MANY.search(terminal.raw)) is many
    assert bool(COLOURS.search(terminal.raw)) is some
    terminal.child.send("\x03")
    assert terminal.until_exit() == 0


def test_only_large_frames_are_marked(terminals: list[Terminal]) -> None:
    """A terminal that can show a frame at one time gets marks around those that do not come in one
    piece anyway; the small changes of a quiet screen come without."""
    terminal = Terminal()
    terminals.append(terminal)
    terminal.until("2/2 online")
    terminal.child.send("\x1b[?2026;2$y")
    terminal.child.send("?")
    terminal.until("closes this help")
    terminal.child.send("q")
    terminal.until("2/2 online")
    terminal.child.send("p")
    terminal.until("FROZEN")
    marked = re.findall(rb"\x1b\[\?2026h(.*?)\x1b\[\?2026l", terminal.raw, re.DOTALL)
    assert any(b"closes this help" in frame for frame in marked)
    assert min(map(len, marked)) >= 512
    assert terminal.raw.count(b"\x1b[?2026h") == len(marked)
    assert not any(b"FROZEN" in frame for frame in marked)
