"""What a person sees while a command waits: one line that changes, or lines in a file."""

import sys

from monit_agent.cli import output
from monit_agent.cli.terminal import is_dumb
from monit_agent.cli.visible import cut, visible


class Progress:
    """Progress on stderr. On a terminal one line is written over; elsewhere nothing twice."""

    def __init__(self, columns: int) -> None:
        self._live = sys.stderr.isatty() and not is_dumb()
        self._columns = columns
        self._last = ""

    def show(self, text: str) -> None:
        """Show where things are; the same text again is not repeated."""
        if text == self._last:
            return
        self._last = text
        if self._live:
            self._write(f"\r\x1b[K{cut(visible(text), max(1, self._columns - 1), '')}")
        else:
            output.say(visible(text))

    def clear(self) -> None:
        """Take the line away, before something lasting is written."""
        if self._live and self._last:
            self._write("\r\x1b[K")
        self._last = ""

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            self._live = False
