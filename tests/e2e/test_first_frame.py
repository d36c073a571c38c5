"""The first frame of the screen in a real pseudo-terminal: it stays until the screen has its own,
keys wait for it, and the terminal is restored whatever happens.
"""

import os
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

from monit_tui.first_frame.kept_view import KeptView
from monit_tui.first_frame.opening import frame_look
from monit_tui.model.kept_file import FILE
from monit_tui.palettes import THEMES, look_traits
from monit_tui.preferences.page import QUESTION
from support.command_line import MONIT, monit, script
from support.waiting import wait_until

COLUMNS, LINES = 120, 35
ENTER = b"\x1b[?1049h"
TAKEN = b"\x1b[?1000h"
"""What Textual sends first: it switches the mouse on."""

DARK, LIGHT = "1e1e/1e1e/2e2e", "ffff/ffff/ffff"
"""Colours of pages."""

METADATA = "script      "
"""What the pane of metadata says, and no first frame."""

PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p")
"""What pyte does not support and would print."""

SIXTEEN = {*pyte.graphics.FG_ANSI.values(), *pyte.graphics.FG_AIXTERM.values()} - {"default"}
"""The terminal's own colours, which no theme for a page uses."""

Cells = list[list[pyte.screens.Char]]


class Opened:
    """``monit`` in a terminal."""

    def __init__(
        self, *words: str, shell: bool = False, program: list[str] | None = None, **environ: str
    ) -> None:
        env = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environ}
        command = ["bash", "--norc", "-i"] if shell else program or [*MONIT, *words]
        self.child = pexpect.spawn(
            command[0], command[1:], env=env, dimensions=(LINES, COLUMNS), timeout=60
        )  # type: ignore[arg-type]
        self.before = termios.tcgetattr(self.child.fileno())
        self.raw = b""
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)

    def read(self) -> bool:
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

    def until(self, *texts: str) -> None:
        """Wait until all texts stand on the screen."""

        def shown() -> bool:
            running, text = self.read(), "\n".join(self.screen.display)
            return running and all(each in text for each in texts)

        wait_until(shown, what=f"{texts} on\n" + "\n".join(self.screen.display))

    def until_entered(self) -> None:
        """Wait until the first frame begins."""
        wait_until(lambda: self.read() and ENTER in self.raw, what="the first frame")

    def tell_page(self, colour: str) -> None:
        """Answer the question for the page, as terminals do."""
        self.child.send(f"\x1b]11;rgb:{colour}\x1b\\")

    def until_exit(self) -> int:
        wait_until(lambda: not self.read(), what="the screen is closed")
        self.child.wait()
        code = self.child.exitstatus
        return code if code is not None else -self.child.signalstatus

    def is_restored(self) -> bool:
        """Return whether modes, screen, cursor, wrapping and mouse are as they were before."""
        off = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?7h")
        modes = termios.tcgetattr(self.child.fileno())
        mouse = self.raw.rfind(b"\x1b[?1000l") >= self.raw.rfind(TAKEN)
        entered = self.raw.rpartition(ENTER)[2]
        return modes == self.before and mouse and all(one in entered for one in off)

    def until_dead(self) -> int:
        """Wait for the end without reading what was printed, and return the exit code."""
        wait_until(lambda: not self.child.isalive(), what="the end")
        return self.child.exitstatus


def cells_of(raw: bytes) -> Cells:
    """Return the cells of a terminal that was sent ``raw``."""
    screen = pyte.Screen(COLUMNS, LINES)
    pyte.ByteStream(screen).feed(PRIVATE.sub(b"", raw))
    return [[screen.buffer[y][x] for x in range(COLUMNS)] for y in range(LINES)]


@pytest.fixture(name="opened")
def _opened() -> Iterator[list[Opened]]:
    opened: list[Opened] = []
    yield opened
    for one in opened:
        one.child.close(force=True)


@pytest.fixture(name="shop")
def _shop(home: Path, tmp_path: Path) -> Path:
    """Return a home with an app that is online, one that is stopped, and one that failed."""
    quiet = script(tmp_path, "quiet.py", "import signal\nsignal.pause()\n")
    failing = script(tmp_path, "failing.py", "raise SystemExit(3)\n")
    monit("start", quiet, "--name", "online")
    monit("start", quiet, "--name", "resting")
    monit("stop", "resting")
    monit("start", failing, "--name", "broken", "--no-autorestart", "--wait-ready", code=1)
    return home


def stand_in(folder: Path, text: str) -> str:
    """Return a folder in which a program stands for Textual."""
    (folder / "textual").mkdir(parents=True)
    (folder / "textual" / "__init__.py").write_text(text)
    return os.pathsep.join([str(folder), *sys.path])


def test_the_list_stands_from_the_first_frame_on(shop: Path, opened: list[Opened]) -> None:
    """The rows of the first frame have the cells of the screen's own; in between no row vanishes,
    and the terminal is not told to enter, and so to clear, its alternate screen again."""
    screen = Opened()
    opened.append(screen)
    screen.until("online", "resting", "broken", METADATA)
    first, marker, rest = screen.raw.partition(TAKEN)
    assert marker
    before, after = cells_of(first), cells_of(screen.raw)
    texts = ["".join(cell.data for cell in line[:58]) for line in before]
    assert "Processes" in texts[1]
    still = [
        y for y, text in enumerate(texts) if y < 20 and ("resting" in text or "broken" in text)
    ]
    assert len(still) >= 2
    assert not any("old" in text for text in texts)
    for y in (1, 2, *still):
        assert before[y][:59] == after[y][:59]
    assert screen.raw.count(ENTER) == 1
    for end in range(0, len(rest), 500):
        shown = cells_of(first + marker + rest[:end])
        assert all(shown[y][3:12] == before[y][3:12] for y in still)
    screen.child.send("q")
    assert screen.until_exit() == 0


def test_keys_that_are_typed_before_the_screen_is_there_reach_it(
    shop: Path, opened: list[Opened]
) -> None:
    """They are carried out in their order, and the terminal does not show them."""
    screen = Opened()
    opened.append(screen)
    screen.until_entered()
    screen.child.send("jx")
    screen.until("Stop online")
    assert b"jx" not in screen.raw


PATIENT = """
import runpy, sys
from monit_tui.first_frame import opening
opening.PAGE_WITHIN_S = 600.0
sys.argv = ["monit"]
runpy.run_module("monit_agent", run_name="__main__")
"""


def test_keys_that_are_typed_while_the_page_is_unknown_reach_the_screen(
    shop: Path, opened: list[Opened]
) -> None:
    """So do those after the answer; the terminal is asked once, or two answers would come."""
    screen = Opened(program=[sys.executable, "-c", PATIENT])
    opened.append(screen)
    wait_until(lambda: screen.read() and QUESTION.encode() in screen.raw, what="the question")
    screen.child.send("j\x1b]11;rgb:ffff/ffff/ffff\x1b\\x")
    screen.until("Stop online")
    assert screen.raw.count(QUESTION.encode()) == 1


ASKS = """
from monit_tui.first_frame.early_screen import EarlyScreen
early = EarlyScreen()
early.hold()
light = early.ask_page(600.0)
early.leave()
print("answer:", light, early.typed)
"""


@pytest.mark.parametrize(("page", "light"), [(LIGHT, True), (DARK, False)])
def test_the_page_is_known_to_the_first_frame_and_keys_around_the_answer_are_kept(
    opened: list[Opened], page: str, light: bool
) -> None:
    """Its theme is that of the screen, and nothing of the answer is taken for a key."""
    program = Opened(program=[sys.executable, "-c", ASKS])
    opened.append(program)
    wait_until(lambda: program.read() and QUESTION.encode() in program.raw, what="the question")
    program.child.send(f"j\x1b]11;rgb:{page}\x1b\\x")
    program.until(f"answer: {light} b'jx'")
    theme = look_traits(
        colours=256, no_color=False, theme="light" if light else "dark", palettes=THEMES
    )
    assert frame_look({"TERM": "xterm-256color"}, KeptView(), light=light).traits == theme


def sixteen_of(raw: bytes) -> set[str]:
    """Return which of the sixteen colours a terminal shows that was sent ``raw``."""
    return {cell.fg for line in cells_of(raw) for cell in line} & SIXTEEN


def asking(opened: list[Opened], program: str) -> Opened:
    """Return a screen in full colour, in a terminal that answers later than a first frame waits."""
    screen = Opened(COLORTERM="truecolor", TERM_PROGRAM=program, COLORFGBG="", MONIT_THEME="")
    opened.append(screen)
    screen.until("resting", METADATA)
    return screen


def keep_dark_page(home: Path, opened: list[Opened]) -> Opened:
    """Return a screen that was opened first and closed, in a terminal with a dark page."""
    screen = asking(opened, "one")
    screen.tell_page(DARK)
    kept = home / FILE
    wait_until(lambda: screen.read() and kept.exists() and "dark" in kept.read_text(), what="kept")
    screen.child.send("q")
    assert screen.until_exit() == 0
    return screen


def test_a_terminal_with_a_known_page_shows_its_theme_from_the_first_frame_on(
    shop: Path, opened: list[Opened]
) -> None:
    """Before it answers, no cell has a colour that it loses then."""
    first_start = keep_dark_page(shop, opened)
    assert sixteen_of(first_start.raw.partition(TAKEN)[0])
    screen = asking(opened, "one")
    first, marker, rest = screen.raw.partition(TAKEN)
    for end in range(0, len(rest), 500):
        assert not sixteen_of(first + marker + rest[:end])
    screen.tell_page(DARK)
    screen.child.send("?")
    screen.until("Esc or q closes")
    screen.child.send("q")
    screen.until("resting", METADATA)
    before, after = cells_of(first), cells_of(screen.raw)
    texts = ["".join(cell.data for cell in line[:58]) for line in before]
    still = [y for y, text in enumerate(texts) if "resting" in text or "broken" in text]
    assert len(still) >= 2
    for y in (1, 2, *still):
        assert before[y][:58] == after[y][:58]
    assert not sixteen_of(screen.raw)


STARTS = """
from monit_agent.replay import scenes
from monit_tui.first_frame.early_screen import EarlyScreen
early = EarlyScreen()
early.hold()
early.ask_page(600.0)
early.show("")
from monit_tui.app import show
show(scenes.healthy(), early=early)
"""


def test_what_the_terminal_told_for_the_first_frame_counts_for_the_screen(
    opened: list[Opened],
) -> None:
    """It begins with the theme for the page, and does not ask for it again."""
    program = [sys.executable, "-c", STARTS]
    screen = Opened(program=program, COLORTERM="truecolor", COLORFGBG="", MONIT_THEME="")
    opened.append(screen)
    wait_until(lambda: screen.read() and QUESTION.encode() in screen.raw, what="the question")
    screen.tell_page(DARK)
    screen.until("online", "q quit")
    assert screen.raw.count(QUESTION.encode()) == 1
    assert not sixteen_of(screen.raw)
    assert any(cell.fg != "default" for line in cells_of(screen.raw) for cell in line)
    screen.child.send("q")
    assert screen.until_exit() == 0


def test_a_terminal_whose_page_has_changed_gets_the_theme_for_the_new_one(
    shop: Path, opened: list[Opened]
) -> None:
    """Its answer corrects what is shown and what is kept."""
    keep_dark_page(shop, opened)
    screen = asking(opened, "one")
    dark = cells_of(screen.raw)[1][1]
    screen.tell_page(LIGHT)
    wait_until(lambda: screen.read() and "light" in (shop / FILE).read_text(), what="light is kept")
    wait_until(lambda: screen.read() and cells_of(screen.raw)[1][1] != dark, what="it is shown")
    screen.child.send("q")
    assert screen.until_exit() == 0
    again = asking(opened, "one")
    first = cells_of(again.raw.partition(TAKEN)[0])
    assert first[1][1].fg != dark.fg
    assert not sixteen_of(again.raw)


def test_a_terminal_of_another_kind_starts_without_a_known_page(
    shop: Path, opened: list[Opened]
) -> None:
    """It gets its own sixteen colours until it answers, as at a first start."""
    keep_dark_page(shop, opened)
    assert sixteen_of(asking(opened, "other").raw.partition(TAKEN)[0])


def test_a_screen_that_is_quit_before_it_is_there_restores_the_terminal(
    shop: Path, opened: list[Opened]
) -> None:
    """The key waits for the screen, which then closes as usual."""
    screen = Opened()
    opened.append(screen)
    screen.until_entered()
    screen.child.send("q")
    assert screen.until_exit() == 0
    assert screen.is_restored()
    assert b"apps keep running" in screen.raw


WAITS = "import time\nwhile True: time.sleep(60)\n"


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, "ctrl+c"]
)
def test_a_signal_during_the_first_frame_restores_the_terminal(
    shop: Path, opened: list[Opened], tmp_path: Path, number: signal.Signals | str
) -> None:
    """Also while Textual is imported, and also that of ctrl+c."""
    screen = Opened(PYTHONPATH=stand_in(tmp_path / "waits", WAITS))
    opened.append(screen)
    screen.until("resting", "q quit")
    if isinstance(number, str):
        screen.child.send("\x03")
        number = signal.SIGINT
    else:
        screen.child.kill(number)
    assert screen.until_exit() == 128 + number
    assert screen.is_restored()


def test_the_first_frame_is_not_stopped(shop: Path, opened: list[Opened], tmp_path: Path) -> None:
    """A stopped process would leave its modes to the shell, and could not be ended."""
    screen = Opened(PYTHONPATH=stand_in(tmp_path / "waits", WAITS))
    opened.append(screen)
    screen.until("resting", "q quit")
    screen.child.kill(signal.SIGTSTP)
    screen.child.kill(signal.SIGTERM)
    assert screen.until_exit() == 128 + signal.SIGTERM
    assert screen.is_restored()


SIGNALLED = """
import os, runpy, sys
from monit_tui.driver import TerminalDriver
start = TerminalDriver.start_application_mode
def start_and_signal(driver):
    start(driver)
    os.kill(os.getpid(), int(number))
number = sys.argv[1]
TerminalDriver.start_application_mode = start_and_signal
sys.argv = ["monit"]
runpy.run_module("monit_agent", run_name="__main__")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_textual_takes_the_terminal_restores_it(
    shop: Path, opened: list[Opened], number: signal.Signals
) -> None:
    """Textual has switched the mouse on, and handles no signal yet."""
    screen = Opened(program=[sys.executable, "-c", SIGNALLED, str(int(number))])
    opened.append(screen)
    assert screen.until_exit() == 128 + number
    assert TAKEN in screen.raw
    assert screen.is_restored()


SHOWS_MUCH = """
from monit_tui.first_frame.early_screen import EarlyScreen
early = EarlyScreen()
early.hold()
early.show("x" * 1_000_000)
early.leave()
"""


def test_a_signal_restores_a_terminal_that_takes_no_output(opened: list[Opened]) -> None:
    """What it has not taken of the frame is dropped."""
    program = Opened(program=[sys.executable, "-c", SHOWS_MUCH])
    opened.append(program)
    select.select([program.child.fileno()], [], [])
    program.child.kill(signal.SIGTERM)
    assert program.until_dead() == 128 + signal.SIGTERM
    wait_until(lambda: not program.read(), what="the last output")
    assert termios.tcgetattr(program.child.fileno()) == program.before
    assert b"\x1b[?1049l" in program.raw


def test_a_terminal_that_is_non_blocking_shows_the_first_frame(opened: list[Opened]) -> None:
    """Another program may have left it so, and it takes less than a frame at a time."""
    non_blocking = "import os\nos.set_blocking(2, False)\n"
    program = Opened(program=[sys.executable, "-c", non_blocking + SHOWS_MUCH])
    opened.append(program)
    assert program.until_exit() == 0
    assert program.raw.count(b"x") >= 1_000_000
    assert program.is_restored()


def test_an_import_that_fails_restores_the_terminal(
    shop: Path, opened: list[Opened], tmp_path: Path
) -> None:
    """Its error stands on the terminal's own screen."""
    screen = Opened(PYTHONPATH=stand_in(tmp_path / "fails", "raise ImportError('it is damaged')\n"))
    opened.append(screen)
    assert screen.until_exit() == 1
    assert screen.is_restored()
    assert b"it is damaged" in screen.raw.rpartition(b"\x1b[?1049l")[2]


def test_a_screen_that_is_suspended_and_resumed_is_entered_again(
    shop: Path, opened: list[Opened]
) -> None:
    """The first frame stands in for one entry alone."""
    screen = Opened(shell=True, PS1="shell> ")
    opened.append(screen)
    screen.until("shell>")
    screen.child.sendline(" ".join(MONIT))
    screen.until(METADATA)
    screen.child.send("\x1a")
    screen.until("Stopped")
    screen.child.sendline("fg")
    wait_until(lambda: screen.read() and screen.raw.count(ENTER) == 2, what="it is entered again")
    screen.until("resting", METADATA)
    screen.child.send("q")
    screen.until("apps keep running")
    screen.child.sendline("exit")
    assert screen.until_exit() == 0


@pytest.mark.parametrize("words", [("--read-only",), ("resting",), ("screen", "resting")])
def test_words_of_the_command_line_count_in_the_first_frame(
    shop: Path, opened: list[Opened], tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Only the apps that were named have rows, and a read-only screen shows no keys that act."""
    screen = Opened(*words, PYTHONPATH=stand_in(tmp_path / "waits", WAITS))
    opened.append(screen)
    screen.until("resting", "q quit", words[-1].removeprefix("--"))
    text = "\n".join(screen.screen.display)
    assert ("broken" in text) == ("resting" not in words)
    assert ("restart" in text) == ("--read-only" not in words)


def test_the_first_frame_imports_neither_textual_nor_what_takes_as_long() -> None:
    """What draws it loads no library but Rich's table of widths."""
    code = (
        "import sys, monit_agent.cli.quick_screen, monit_tui.first_frame.opening\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
        "print(*sorted(name for name in sys.modules if name.startswith('rich.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages, rich = (set(line.split()) for line in done.stdout.splitlines())
    slow = {"textual", "msgspec", "zmq", "click", "asyncio", "json", "inspect", "tomllib", "socket"}
    assert not packages & slow
    assert all(name.startswith(("rich.cells", "rich._")) for name in rich), rich


LEAVES = """
from monit_tui.first_frame import early_screen
early_screen.ANSWER_WITHIN_S = early_screen.END_DELAY_S = 600.0
early = early_screen.EarlyScreen()
early.hold()
early.ask_page(0.0)
early.show("")
early.leave()
print("left", flush=True)
print("line:", ascii(input()))
"""

QUITS = """
import runpy, sys
from monit_tui import driver
from monit_tui.first_frame import early_screen
early_screen.ANSWER_WITHIN_S = early_screen.END_DELAY_S = driver.LEAVE_S = 600.0
sys.argv = ["monit"]
runpy.run_module("monit_agent", run_name="__main__")
"""


def test_an_answer_that_comes_while_the_first_frame_is_left_is_no_input(
    opened: list[Opened],
) -> None:
    """The shell that follows does not read it."""
    program = Opened(program=[sys.executable, "-c", LEAVES])
    opened.append(program)
    wait_until(lambda: program.read() and b"\x1b[?1049l" in program.raw, what="it is left")
    program.tell_page(DARK)
    program.until("left")
    program.child.send("end\r")
    program.until("line: 'end'")


def test_an_answer_that_comes_after_the_key_that_quits_is_no_input(
    shop: Path, opened: list[Opened]
) -> None:
    """The shell that follows does not read it."""
    then = 'echo left; read -r line; printf "line: %q.\\n" "$line"'
    program = ["bash", "-c", f'"$0" -c "$1"; {then}', sys.executable, QUITS]
    screen = Opened(program=program)
    opened.append(screen)
    wait_until(lambda: screen.read() and QUESTION.encode() in screen.raw, what="the question")
    screen.child.send("q")
    wait_until(lambda: screen.read() and b"\x1b[?1000l" in screen.raw, what="it is left")
    screen.tell_page(DARK)
    screen.until("left")
    screen.child.send("end\r")
    screen.until("line: end.")
