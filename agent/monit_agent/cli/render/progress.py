"""The progress of a waiting command: one changing line on a terminal, lines elsewhere."""

import sys

from monit_agent.cli.render import output
from monit_agent.cli.render.terminal import is_dumb
from monit_agent.cli.render.visible import cut, visible


class ProgressLine:
    """Writes progress to stderr: over one line on a terminal, else each new text once."""

    def __init__(self, columns: int) -> None:
        self._live = sys.stderr.isatty() and not is_dumb()
        self._columns = columns
        self._last = ""

    def show(self, text: str) -> None:
        """Show the progress; an unchanged text is not repeated."""
        if text == self._last:
            return
        self._last = text
        if self._live:
            self._write(f"\r\x1b[K{cut(visible(text), max(1, self._columns - 1), '')}")
        else:
            output.write_message(visible(text))

    def clear(self) -> None:
        """Remove the line, before other text is written."""
        if self._live and self._last:
            self._write("\r\x1b[K")
        self._last = ""

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            self._live = False
