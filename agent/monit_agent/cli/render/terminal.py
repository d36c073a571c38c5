"""What the terminal behind stdout can show."""

import os
import sys

from monit_agent.typed import NamedTuple

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


class TerminalTraits(NamedTuple):
    """The abilities of a terminal or a pipe."""

    is_tty: bool
    width: int
    """Columns; meaningful on a terminal only."""
    colour: bool
    unicode: bool

    def paint(self, text: str, style: str) -> str:
        """Return ``text`` in the colour called ``style`` ("" is none), where colours are shown."""
        if not style or not self.colour or not text:
            return text
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m"


def stdout_terminal() -> TerminalTraits:
    """Return what stdout can show, from NO_COLOR, TERM, COLUMNS and the encoding."""
    is_tty = sys.stdout.isatty()
    return TerminalTraits(
        is_tty=is_tty,
        width=terminal_size().columns,
        colour=is_tty and not is_dumb() and not os.environ.get("NO_COLOR"),
        unicode=_is_unicode(),
    )


def _is_unicode() -> bool:
    """Return whether the user's locale is not plain ASCII.

    In the locale ``C``, Python sets LC_CTYPE to UTF-8, so LANG shows what the user chose.
    """
    lang = os.environ.get("LANG", "")
    chosen = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE", "")
    if chosen in ("", "C.UTF-8"):
        chosen = lang or chosen
    return chosen not in ("C", "POSIX") and "utf" in (sys.stdout.encoding or "").lower()


def terminal_size() -> os.terminal_size:
    """Return columns and lines: COLUMNS and LINES, else those of the terminal, else 80 by 24.

    Like `shutil.get_terminal_size`, whose module takes 4 ms to import.
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
    """Return whether the terminal cannot move its cursor."""
    return os.environ.get("TERM", "") in ("", "dumb", "unknown")


def is_interactive() -> bool:
    """Return whether stdin and stdout are terminals."""
    return sys.stdin.isatty() and sys.stdout.isatty()
