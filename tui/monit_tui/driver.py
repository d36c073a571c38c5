"""Textual's driver of a terminal, changed to leave it at once, to switch the mouse, and to ask for
the colour of the page."""

import contextlib
import os
import re
import selectors
import signal
import termios
import threading
import time
from codecs import getincrementaldecoder
from typing import Any

from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message
from textual.widgets import Input

from monit_tui.first_frame.early_screen import ENTER, EarlyScreen, answer_wait_s
from monit_tui.preferences.page import QUESTION, PageAnswer

LEAVE_S = 1.0
"""How long a terminal that takes no output may delay the end, twice."""


SMALL_BYTES = 512
"""A shorter frame reaches the terminal as a whole anyway: the marks around it are a fourth of what
a quiet screen sends."""

READ_BYTES = 4096
INPUT_S = 0.1
"""How often the end of the program is looked for, and an escape that no key follows."""

CURSOR_MOVE = re.compile(r"\x1b\[\d+;\d+H\Z")
"""Textual ends each frame with it, though the cursor is hidden."""


class PageTold(Message):
    """The terminal told the colour of its page."""

    def __init__(self, *, light: bool) -> None:
        super().__init__()
        self.light = light


class TerminalDriver(LinuxDriver):
    """Textual waits a fifth of a second for its input thread before it restores the terminal, and
    without end for a terminal that takes no output: a stopped one, or a line that hangs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leaving = False
        self._left = threading.Event()
        self._in_frame = False
        self._page = PageAnswer()
        self._early: EarlyScreen | None = getattr(self._app, "early_screen", None)
        """The first frame, if there was one."""
        self._is_entered = self._early is not None
        """Whether the first frame stands on the alternate screen."""
        self._typed = self._early.typed if self._early is not None else b""
        """What was typed before this reads keys."""
        self._asked_s = self._early.asked_s if self._early is not None else None
        self._page_told = threading.Event()

    def ask_page(self) -> None:
        """Ask the terminal for the colour of its page, once; `PageTold` follows if it answers."""
        early = self._early
        if early is not None and early.asked_s is not None:
            if early.is_light is not None:
                self._page_told.set()
                self.process_message(PageTold(light=early.is_light))
            return
        self._asked_s = time.monotonic()
        self.write(QUESTION)
        self.flush()

    def run_input_thread(self) -> None:
        """Read keys, the mouse and answers until the end. Textual's own would take the answer for
        keys, and stop at a byte that is not UTF-8."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            typed, self._typed = self._without_answer(decode(self._typed)), b""
            while not self.exit_event.is_set():
                if selector.select(0 if typed else INPUT_S):
                    typed += self._without_answer(decode(os.read(self.fileno, READ_BYTES)))
                for event in [*(parser.feed(typed) if typed else ()), *parser.tick()]:
                    self.process_message(event)
                typed = ""

    def _without_answer(self, typed: str) -> str:
        before = self._page.is_light
        rest = self._page.without(typed)
        if self._page.is_light is not None and self._page.is_light != before:
            self.process_message(PageTold(light=self._page.is_light))
            self._page_told.set()
        return rest

    def write(self, data: str) -> None:
        """Write a frame and the marks around it, which let the terminal show it at one time, at
        once; a small one without them. The cursor has a place only in a field: an input method
        shows there what is typed."""
        if data == ENTER and self._is_entered:
            return  # many terminals would clear the first frame
        if data in (SYNC_START, SYNC_END):
            self._in_frame = data == SYNC_START
            return
        move = CURSOR_MOVE.search(data)
        if move is not None and not isinstance(self._app.focused, Input):
            data = data[: move.start()]
        marked = self._in_frame and len(data) >= SMALL_BYTES
        super().write(f"{SYNC_START}{data}{SYNC_END}" if marked else data)

    def start_application_mode(self) -> None:
        """Enter the screen; what the first frame has entered stays, and is restored at the end."""
        if self._early is not None:
            self._early.defer_signals()
        super().start_application_mode()
        if self._is_entered and self._early is not None and self.attrs_before is not None:
            self.attrs_before = self._early.attributes
        self._is_entered = False

    def stop_application_mode(self) -> None:
        """Leave the screen, so that nothing of the first frame is left to restore."""
        super().stop_application_mode()
        if self._early is not None:
            self._early.hand_over()

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
        if self._asked_s is not None:
            self._page_told.wait(answer_wait_s(self._asked_s))  # or the answer reaches the shell
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
