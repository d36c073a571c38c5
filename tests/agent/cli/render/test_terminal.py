"""What is taken from the terminal and the environment, and the line that shows progress."""

import contextlib
import os
import pty
import select
import sys
from collections.abc import Iterator
from typing import TextIO

import pytest

from monit_agent.cli.render.progress import ProgressLine
from monit_agent.cli.render.terminal import TerminalTraits, stdout_terminal, terminal_size
from support.waiting import wait_until

PLAIN = TerminalTraits(is_tty=False, width=80, colour=False, unicode=False)
NAMES = ("LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "COLUMNS", "LINES", "TERM")


@pytest.fixture(name="settings", autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Begin without any variable that describes a terminal."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


class Terminal:
    """A pseudo-terminal whose other end is read by the test."""

    def __init__(self) -> None:
        self._reads, there = pty.openpty()
        self.file: TextIO = os.fdopen(there, "w", encoding="utf-8")

    def shown(self, expected: str) -> str:
        """Return what was written, when it is as long as what is expected."""
        received = b""
        while len(received) < len(expected) and select.select([self._reads], [], [], 10)[0]:
            received += os.read(self._reads, 65536)
        return received.decode()

    def hang_up(self) -> None:
        os.close(self._reads)
        self._reads = -1

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a line for a terminal that is gone
            self.file.close()
        if self._reads >= 0:
            self.hang_up()


@pytest.fixture(name="terminal")
def _terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.mark.parametrize(
    ("variables", "unicode"),
    [
        ({}, True),
        ({"LANG": "C"}, False),
        ({"LANG": "POSIX"}, False),
        ({"LANG": "en_GB.UTF-8"}, True),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),  # Python set LC_CTYPE itself
        ({"LANG": "C", "LC_CTYPE": "de_DE.UTF-8"}, True),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "C"}, False),
    ],
)
def test_boxes_follow_the_locale_that_the_user_chose(
    settings: pytest.MonkeyPatch, terminal: Terminal, variables: dict[str, str], unicode: bool
) -> None:
    """Python changes the locale ``C`` to UTF-8, so the variables decide."""
    for name, value in variables.items():
        settings.setenv(name, value)
    settings.setattr(sys, "stdout", terminal.file)
    assert stdout_terminal().unicode is unicode


@pytest.mark.parametrize(
    ("variables", "colour"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colours_are_for_terminals_that_show_them(
    settings: pytest.MonkeyPatch, terminal: Terminal, variables: dict[str, str], colour: bool
) -> None:
    """NO_COLOR and TERM decide; a pipe never gets any."""
    for name, value in variables.items():
        settings.setenv(name, value)
    settings.setattr(sys, "stdout", terminal.file)
    traits = stdout_terminal()
    assert (traits.is_tty, traits.colour) == (True, colour)
    with open(os.devnull, "w") as pipe:
        settings.setattr(sys, "stdout", pipe)
        assert not stdout_terminal().colour


def test_a_colour_is_ended_and_nothing_is_coloured_in_vain() -> None:
    """An empty text, no style, or a terminal without colours: the text as it is."""
    coloured = PLAIN._replace(colour=True)
    assert coloured.paint("x", "red") == "\x1b[31mx\x1b[0m"
    plain = [coloured.paint("", "red"), coloured.paint("x", ""), PLAIN.paint("x", "red")]
    assert plain == ["", "x", "x"]


@pytest.mark.parametrize("text", ["", "0", "-5", "x", "²", "1e3"])
def test_a_size_that_is_no_number_is_ignored(settings: pytest.MonkeyPatch, text: str) -> None:
    """COLUMNS and LINES count when they are positive numbers, each for itself."""
    before = terminal_size()
    settings.setenv("COLUMNS", text)
    settings.setenv("LINES", "33")
    assert terminal_size() == (before.columns, 33)
    settings.setenv("COLUMNS", "123")
    assert terminal_size() == (123, 33)


# ---------------------------------------------------------------- progress


def test_progress_is_one_line_on_a_terminal(
    settings: pytest.MonkeyPatch, terminal: Terminal
) -> None:
    """Each text replaces the last one, is cut to the width, and is removed at the end."""
    settings.setenv("TERM", "xterm")
    settings.setattr(sys, "stderr", terminal.file)
    line = ProgressLine(10)
    for text in ("starting web 0/2", "starting web 0/2", "a\nb\x1b[2J"):
        line.show(text)
    line.clear()
    line.clear()
    expected = "\r\x1b[Kstarting \r\x1b[Ka^Jb^[[2J\r\x1b[K"
    assert terminal.shown(expected) == expected


@pytest.mark.parametrize("term", ["dumb", ""])
def test_progress_is_lines_elsewhere(
    settings: pytest.MonkeyPatch, terminal: Terminal, term: str
) -> None:
    """Where no cursor can be moved, each new text comes once."""
    settings.setenv("TERM", term)
    settings.setattr(sys, "stderr", terminal.file)
    line = ProgressLine(10)
    for text in ("starting web 0/2", "starting web 0/2", "starting web 1/2"):
        line.show(text)
    line.clear()
    expected = "starting web 0/2\r\nstarting web 1/2\r\n"
    assert terminal.shown(expected) == expected


def test_a_terminal_that_is_gone_does_not_stop_the_command(
    settings: pytest.MonkeyPatch, terminal: Terminal
) -> None:
    """The command waits for its result all the same."""
    settings.setenv("TERM", "xterm")
    settings.setattr(sys, "stderr", terminal.file)
    line = ProgressLine(80)
    terminal.hang_up()

    def fails() -> bool:
        line.show("starting web 0/2")
        line.clear()
        return not line._live

    wait_until(fails)
