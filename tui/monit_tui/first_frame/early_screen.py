"""The terminal from the first frame until Textual takes it: its modes, and how it is given back.

Neither Textual nor what else takes long to import.
"""

import os
import select
import signal
import termios
import time
from types import FrameType
from typing import Any

from monit_tui.preferences.page import QUESTION, PageAnswer

TERMINAL, OUTPUT = 0, 2
"""Descriptors, as Textual uses them: keys come from stdin, frames go to stderr."""

ENTER = "\x1b[?1049h"
"""Shows the alternate screen. Many terminals clear it at that, so it must not be sent twice."""

_BEGIN = f"{ENTER}\x1b[?25l\x1b[?7l"
_END = b"\x1b[0m\x1b[?7h\x1b[?1049l\x1b[?25h"

_READ_BYTES = 4096

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_IFLAG, _LFLAG, _CC = 0, 3, 6
"""Places in what `termios.tcgetattr` returns."""

_INPUT_OFF = (
    termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR
)  # fmt: skip
_LINE_OFF = termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG


class EarlyScreen:
    """A frame in the alternate screen. Keys that are typed are not shown, and wait for the screen.

    `leave` restores the terminal, and so do SIGTERM and SIGINT, until `hand_over` was called.
    """

    def __init__(self) -> None:
        self.attributes: list[Any] = termios.tcgetattr(TERMINAL)
        """The terminal's modes as they were before."""
        self.typed = b""
        """What was typed before Textual reads."""
        self.is_light: bool | None = None
        """Whether the page is light; None while the terminal has not told its colour."""
        self._open = self._shown = False

    def hold(self) -> None:
        """Read each key as it is typed from here on, without echo."""
        self._open = True
        for number in _SIGNALS:
            signal.signal(number, self._exit)
        termios.tcsetattr(TERMINAL, termios.TCSANOW, _as_textual_sets(self.attributes))

    def ask_page(self, within_s: float) -> bool | None:
        """Ask the terminal for the colour of its page; return whether that is light, None without
        an answer in time. What is typed meanwhile is kept."""
        _write(QUESTION.encode())
        end, poll = time.monotonic() + within_s, select.poll()
        poll.register(TERMINAL, select.POLLIN)
        while (left_s := end - time.monotonic()) > 0 and poll.poll(left_s * 1000):
            data = os.read(TERMINAL, _READ_BYTES)
            if not data:
                break
            answer = PageAnswer()
            rest = answer.without((self.typed + data).decode("latin-1"))
            if answer.is_light is not None:
                self.typed, self.is_light = rest.encode("latin-1"), answer.is_light
                return answer.is_light
            self.typed += data
        return None

    def show(self, frame: str) -> None:
        """Show a frame."""
        self._shown = True
        _write(f"{_BEGIN}{frame}".encode())

    @property
    def is_open(self) -> bool:
        """Return whether the terminal still has to be restored here."""
        return self._open

    def hand_over(self) -> None:
        """Let somebody else restore the terminal: the screen was entered."""
        self._open = False

    def leave(self) -> None:
        """Restore the terminal, if nobody else does. What was typed is dropped, because it was
        meant for the screen."""
        if not self._open:
            return
        self._open = False
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        if self._shown:
            _write(_END)
        termios.tcsetattr(TERMINAL, termios.TCSAFLUSH, self.attributes)

    def _exit(self, number: int, _frame: FrameType | None) -> None:
        try:
            self.leave()
        finally:
            os._exit(128 + number)


def is_in_foreground() -> bool:
    """Return whether this process may change the terminal: a shell's job in the background would be
    stopped for it."""
    try:
        return os.tcgetpgrp(TERMINAL) == os.getpgrp()
    except OSError:
        return False


def _as_textual_sets(attributes: list[Any]) -> list[Any]:
    """Return the modes that Textual's driver sets: each key as it is typed, without echo."""
    changed = list(attributes)
    changed[_IFLAG] &= ~_INPUT_OFF
    changed[_LFLAG] &= ~_LINE_OFF
    changed[_CC] = [*changed[_CC]]
    changed[_CC][termios.VMIN] = 1
    return changed


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(OUTPUT, data) :]
