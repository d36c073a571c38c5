"""What must be set up in the terminal before Textual is imported. Standard library only."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Collection, Mapping, MutableMapping
from typing import NamedTuple, NoReturn

WATCH_EVERY_S = 1.0


class TerminalFeatures(NamedTuple):
    """What the environment variables reveal of the terminal."""

    over_ssh: bool = False
    mosh: bool = False
    utf8: bool = True


def read_features(environ: Mapping[str, str]) -> TerminalFeatures:
    """Return the terminal's traits, from the variables that ssh, mosh and the locale set."""
    mosh = "MOSH_CONNECTION" in environ or environ.get("MOSH") is not None
    over_ssh = mosh or "SSH_CONNECTION" in environ or "SSH_TTY" in environ
    return TerminalFeatures(over_ssh, mosh, _utf8(environ))


def _utf8(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal shows UTF-8, and the glyphs of the screen.

    The Linux console understands UTF-8, but its fonts have 512 glyphs, without ours. Containers
    often set no locale under a terminal that shows UTF-8, so without a locale only old terminals,
    known by their names, count as ASCII.
    """
    if environ.get("TERM", "").startswith("linux"):
        return False
    locale_name = next((environ[n] for n in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(n)), "")
    if not locale_name:
        return not environ.get("TERM", "").startswith("vt")
    charset = locale_name.partition(".")[2].partition("@")[0]
    if not charset:
        import locale  # noqa: PLC0415 - start-up time

        return (
            locale_name not in {"C", "POSIX"} and locale.getpreferredencoding().lower() == "utf-8"
        )
    return charset.lower().replace("-", "") == "utf8"


COLOURS = {"256color": 256, "kitty": 256}
"""Colours by the end of TERM; other terminals have sixteen."""


def colour_count(environ: Mapping[str, str]) -> int:
    """Return how many colours the terminal shows, found out as Rich does."""
    if environ.get("COLORTERM", "").strip().lower() in {"truecolor", "24bit"}:
        return 1 << 24
    return COLOURS.get(environ.get("TERM", "").strip().lower().rpartition("-")[2], 16)


def choose_theme(
    environ: Mapping[str, str], known: Collection[str], kept: str = ""
) -> tuple[str, str]:
    """Return the name of the theme, and what is wrong with the user's choice ("" if nothing is).

    ``MONIT_THEME`` chooses, else what was kept of an earlier run. Otherwise the colour of the page
    decides, where the environment tells it (``COLORFGBG``: konsole, rxvt and others); where
    nothing is known, the page keeps the terminal's own sixteen colours until the terminal answers
    the question for its page (``preferences/page.py``).
    """
    named = environ.get("MONIT_THEME", "")
    chosen = named or kept
    if chosen in known:
        return chosen, ""
    source = f"MONIT_THEME={named}" if named else f"theme {kept}"
    problem = f"{source}: no such theme; choose from {', '.join(known)}"
    ground = environ.get("COLORFGBG", "").rpartition(";")[2]
    if ground.isdigit():
        light = int(ground) in {7, 15}  # white and bright white
        return ("light" if light else "dark"), problem if chosen else ""
    return "terminal", problem if chosen else ""


def is_theme_chosen(environ: Mapping[str, str], known: Collection[str], kept: str = "") -> bool:
    """Return whether the user has chosen a theme: then the page does not matter."""
    return (environ.get("MONIT_THEME", "") or kept) in known


def prepare_textual(environ: MutableMapping[str, str]) -> None:
    """Set the variables that Textual reads while it is imported; what the user has set stays.

    Over ssh the kitty protocol stays off, because a lost connection would leave it on in the
    user's shell. Frames are limited to 30 a second and not fewer: changes come five times a
    second (``feed.py``) and logs within a budget of bytes, but a key is answered at once.
    """
    environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    if read_features(environ).over_ssh:
        environ.setdefault("TEXTUAL_DISABLE_KITTY_KEY", "1")
        environ.setdefault("TEXTUAL_FPS", "30")


def remove_size(environ: MutableMapping[str, str]) -> None:
    """Remove COLUMNS and LINES: an exported size would override the terminal's own."""
    environ.pop("COLUMNS", None)
    environ.pop("LINES", None)


def why_unusable(environ: Mapping[str, str]) -> str | None:
    """Return why no full screen can be drawn here and what to do; None when it can."""
    if not (os.isatty(0) and os.isatty(2)):
        return "monit: the screen needs a terminal; use `monit list` or `monit logs`"
    if environ.get("TERM", "") in {"", "dumb", "unknown"}:
        return (
            f"monit: TERM={environ.get('TERM', '')} cannot show a full screen; "
            "set TERM (usually xterm-256color), or use `monit list --watch` or `monit logs`"
        )
    return None


def exit_with_terminal() -> None:
    """Exit when the terminal is gone, whatever state this process is in.

    ``nohup`` and some wrappers leave SIGHUP ignored. Textual would then spin on a dead terminal:
    its own exit waits for a writer that cannot write.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    import threading  # noqa: PLC0415 - start-up time

    threading.Thread(target=_watch, name="terminal watch", daemon=True).start()


def _watch() -> None:
    while os.isatty(0):
        time.sleep(WATCH_EVERY_S)
    os._exit(129)  # as a shell reports SIGHUP


def end_process(code: int) -> NoReturn:
    """End this process now. Python would spend a tenth of a second on taking itself apart, while
    the user waits for the shell."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # closed, or its terminal is gone
            stream.flush()
    os._exit(code)


def print_line(text: str) -> None:
    """Write a line for the user below the closed screen."""
    sys.stderr.write(f"{text}\n")
