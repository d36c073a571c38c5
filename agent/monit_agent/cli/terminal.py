"""What the terminal behind stdout can show."""

import os
import sys
from typing import NamedTuple

STYLES = {
    "green": "32",
    "red": "31",
    "yellow": "33",
    "cyan": "36",
    "magenta": "35",
    "blue": "34",
    "dim": "2",
    "bold": "1",
}


class Terminal(NamedTuple):
    """What may be written to a stream."""

    is_tty: bool
    width: int
    """Columns; meaningful on a terminal only."""
    colour: bool
    unicode: bool

    def paint(self, text: str, style: str) -> str:
        """Wrap ``text`` in the colour called ``style`` ("" is none), where colours are shown."""
        if not style or not self.colour or not text:
            return text
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m"


def of_stdout() -> Terminal:
    """Look at stdout and the environment: NO_COLOR, TERM, COLUMNS, the encoding."""
    is_tty = sys.stdout.isatty()
    return Terminal(
        is_tty=is_tty,
        width=size().columns,
        colour=is_tty and not is_dumb() and not os.environ.get("NO_COLOR"),
        unicode=_speaks_unicode(),
    )


def _speaks_unicode() -> bool:
    """Whether the user's locale is not plain ASCII.

    Python takes ``C`` for UTF-8 and says so in LC_CTYPE, so LANG tells what was meant.
    """
    lang = os.environ.get("LANG", "")
    chosen = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE", "")
    if chosen in ("", "C.UTF-8"):
        chosen = lang or chosen
    return chosen not in ("C", "POSIX") and "utf" in (sys.stdout.encoding or "").lower()


def size() -> os.terminal_size:
    """Give columns and lines: COLUMNS and LINES, else the terminal's own, else 80 by 24.

    As `shutil.get_terminal_size`, whose module costs 4 ms to import.
    """
    columns, lines = (_positive(os.environ.get(name, "")) for name in ("COLUMNS", "LINES"))
    try:
        own = os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1)
    except (OSError, ValueError):
        own = os.terminal_size((80, 24))
    return os.terminal_size((columns or own.columns or 80, lines or own.lines or 24))


def _positive(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def is_dumb() -> bool:
    """Whether the terminal cannot move its cursor."""
    return os.environ.get("TERM", "") in ("", "dumb", "unknown")


def has_screen() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()
