"""Textual's driver of a terminal, changed to leave it at once, and to switch the mouse."""

import contextlib
import os
import signal
import termios
import threading
from typing import Any

from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.drivers.linux_driver import LinuxDriver

LEAVE_S = 1.0
"""How long a terminal that takes no output may delay the end, twice."""


SMALL_BYTES = 512
"""A shorter frame reaches the terminal as a whole anyway: the marks around it are a fourth of what
a quiet screen sends."""


class TerminalDriver(LinuxDriver):
    """Textual waits a fifth of a second for its input thread before it restores the terminal, and
    without end for a terminal that takes no output: a stopped one, or a line that hangs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leaving = False
        self._left = threading.Event()
        self._in_frame = False

    def write(self, data: str) -> None:
        """Write a frame and the marks around it, which let the terminal show it at one time, at
        once; a small one without them."""
        if data in (SYNC_START, SYNC_END):
            self._in_frame = data == SYNC_START
            return
        marked = self._in_frame and len(data) >= SMALL_BYTES
        super().write(f"{SYNC_START}{data}{SYNC_END}" if marked else data)

    def leave(self, code: int) -> None:
        """Close the screen for good soon; the process ends with ``code`` if that is impossible."""
        if not self._leaving:
            self._leaving = True
            threading.Thread(target=self._leave_anyway, args=(code,), daemon=True).start()

    def close(self) -> None:
        """Write what is left."""
        super().close()
        self._left.set()

    def _leave_anyway(self, code: int) -> None:
        if self._left.wait(LEAVE_S):
            return
        with contextlib.suppress(termios.error):
            termios.tcflush(self.fileno, termios.TCOFLUSH)  # so that the last bytes have room
        if self._left.wait(LEAVE_S):
            return
        with contextlib.suppress(termios.error):
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        os._exit(code)

    def disable_input(self) -> None:
        """Disable further input; before the end, without waiting for the thread that reads it."""
        if not self._leaving:
            super().disable_input()
            return
        if self.exit_event.is_set():
            return
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        self._disable_mouse_support()
        self.exit_event.set()
        try:
            termios.tcflush(self.fileno, termios.TCIFLUSH)  # no mouse event reaches the shell
        except termios.error:
            return  # the terminal is gone

    @property
    def has_mouse(self) -> bool:
        """Return whether the terminal reports the mouse."""
        return self._mouse

    def switch_mouse(self, *, on: bool) -> None:
        """Let the terminal report the mouse, or leave the mouse to the terminal."""
        if on:
            self._mouse = True
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()
            self._mouse = False
