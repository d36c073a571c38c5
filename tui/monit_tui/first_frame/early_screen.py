"""The terminal from the first frame until Textual takes it: its modes, and how it is given back.

Neither Textual nor what else takes long to import.
"""

import os
import select
import signal
import termios
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from monit_tui.preferences.page import QUESTION, PageAnswer

TERMINAL, OUTPUT = 0, 2
"""Descriptors, as Textual uses them: keys come from stdin, frames go to stderr."""

ENTER = "\x1b[?1049h"
"""Shows the alternate screen. Many terminals clear it at that, so it must not be sent twice."""

_BEGIN = f"{ENTER}\x1b[?25l\x1b[?7l"
_END = (
    b"\x1b[0m\x1b[?7h\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1004l\x1b[?2004l\x1b[<u"
    b"\x1b[?1049l\x1b[?25h"
)
"""Also ends what Textual begins: reports of mouse, focus and pasted text, and its keys."""

END_WITHIN_S = 1.0
"""How long a terminal that takes no output may delay the end."""

ANSWER_WITHIN_S = 1.0
"""How long after the question an answer for the page is waited for at the end, where it would reach
the shell: a slow line takes up to this."""

END_DELAY_S = 0.2
"""How long that may delay the end. Some terminals never answer."""

_READ_BYTES = 4096

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)

_IFLAG, _LFLAG, _CC = 0, 3, 6
"""Places in what `termios.tcgetattr` returns."""

_INPUT_OFF = (
    termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR
)  # fmt: skip
_LINE_OFF = termios.ECHO | termios.ICANON | termios.IEXTEN


class EarlyScreen:
    """A frame in the alternate screen. Keys that are typed are not shown, and wait for the screen.

    `leave` restores the terminal, and so do signals that end the process, until `hand_over` was
    called. Until then SIGTSTP is ignored: a stopped process could not restore anything.
    """

    def __init__(self) -> None:
        self.attributes: list[Any] = termios.tcgetattr(TERMINAL)
        """The terminal's modes as they were before."""
        self.typed = b""
        """What was typed before Textual reads."""
        self.is_light: bool | None = None
        """Whether the page is light; None while the terminal has not told its colour."""
        self.asked_s: float | None = None
        """When the terminal was asked for the colour of its page, monotonic."""
        self._open = self._shown = False
        self._on_stop: Any = signal.SIG_DFL
        self._is_deferring = False
        self._deferred = 0

    def hold(self) -> None:
        """Read each key as it is typed from here on, without echo."""
        self._open = True
        for number in _SIGNALS:
            signal.signal(number, self._exit)
        self._on_stop = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        termios.tcsetattr(TERMINAL, termios.TCSANOW, _changed(self.attributes))

    def ask_page(self, within_s: float) -> bool | None:
        """Ask the terminal for the colour of its page; return whether that is light, None without
        an answer in time. What is typed meanwhile is kept."""
        self.asked_s = time.monotonic()
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
                self.typed, self.is_light = (rest + answer.held).encode("latin-1"), answer.is_light
                return answer.is_light
            self.typed += data
        return None

    def show(self, frame: str) -> None:
        """Show a frame."""
        self._shown = True
        _write(f"{_BEGIN}{frame}".encode())

    def defer_signals(self) -> None:
        """Let signals wait for `hand_over`: a thread of Textual's writes from here on, also after
        what restores the terminal here."""
        self._is_deferring = True

    def hand_over(self) -> None:
        """Let somebody else restore the terminal, also when a signal ends the process."""
        self._open = False
        for number in _SIGNALS:
            if signal.getsignal(number) == self._exit:
                signal.signal(number, signal.SIG_DFL)
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_IGN:
            signal.signal(signal.SIGTSTP, self._on_stop)
        if self._deferred:
            number, self._deferred = self._deferred, 0
            signal.raise_signal(number)

    def leave(self) -> None:
        """Restore the terminal, if nobody else does. What was typed is dropped, because it was
        meant for the screen. A terminal that is gone, or that takes no output, is no error."""
        if not self._open:
            return
        if self._shown:
            with suppress(OSError):
                _write(_END, END_WITHIN_S)
        with suppress(OSError, termios.error):
            self._drop_answer()
        with suppress(termios.error):
            termios.tcsetattr(TERMINAL, termios.TCSANOW, self.attributes)
            termios.tcflush(TERMINAL, termios.TCIFLUSH)
        self.hand_over()

    def _drop_answer(self) -> None:
        """Read and drop what comes until the terminal has told its page."""
        answer = PageAnswer()
        answer.without(self.typed.decode("latin-1"))
        if self.asked_s is None or self.is_light is not None:
            return
        modes = _changed(self.attributes)
        modes[_CC][termios.VMIN] = 0  # no read waits, though Textual's thread may read meanwhile
        termios.tcsetattr(TERMINAL, termios.TCSANOW, modes)
        poll = select.poll()
        poll.register(TERMINAL, select.POLLIN)
        while answer.is_light is None and poll.poll(answer_wait_s(self.asked_s) * 1000):
            data = os.read(TERMINAL, _READ_BYTES)
            if not data:
                return
            answer.without(data.decode("latin-1"))

    def _exit(self, number: int, _frame: FrameType | None) -> None:
        if self._is_deferring:
            self._deferred = number
            return
        try:
            with suppress(termios.error):
                termios.tcflush(OUTPUT, termios.TCOFLUSH)  # so that the last bytes have room
            self.leave()
        finally:
            os._exit(128 + number)


def answer_wait_s(asked_s: float) -> float:
    """Return how long the end may wait for an answer, in seconds."""
    return max(0.0, min(asked_s + ANSWER_WITHIN_S - time.monotonic(), END_DELAY_S))


def is_in_foreground() -> bool:
    """Return whether this process may change the terminal: a shell's job in the background would be
    stopped for it."""
    try:
        return os.tcgetpgrp(TERMINAL) == os.getpgrp()
    except OSError:
        return False


def _changed(attributes: list[Any]) -> list[Any]:
    """Return the modes that Textual's driver sets: each key as it is typed, without echo. Only
    ctrl+c sends a signal still: nothing else ends the program while it cannot read keys."""
    changed = list(attributes)
    changed[_IFLAG] &= ~_INPUT_OFF
    changed[_LFLAG] = changed[_LFLAG] & ~_LINE_OFF | termios.ISIG
    changed[_CC] = [*changed[_CC]]
    changed[_CC][termios.VMIN] = 1
    none = bytes([os.fpathconf(TERMINAL, "PC_VDISABLE")])
    changed[_CC][termios.VSUSP] = changed[_CC][termios.VQUIT] = none
    return changed


def _write(data: bytes, within_s: float | None = None) -> None:
    """Write all of it, also where another program has made the terminal non-blocking. Raise
    TimeoutError if it takes nothing for ``within_s``."""
    poll = select.poll()
    poll.register(OUTPUT, select.POLLOUT)
    while data:
        if not poll.poll(None if within_s is None else within_s * 1000):
            raise TimeoutError("the terminal takes no output")
        with suppress(BlockingIOError):
            data = data[os.write(OUTPUT, data) :]
