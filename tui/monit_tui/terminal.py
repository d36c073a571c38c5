"""What must be right about the terminal before Textual is imported. Standard library only."""

import locale
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from typing import NamedTuple

WATCH_EVERY_S = 1.0


class Terminal(NamedTuple):
    """What the environment says of the terminal at the other end."""

    over_ssh: bool = False
    mosh: bool = False
    utf8: bool = True


def describe(environ: Mapping[str, str]) -> Terminal:
    """Read it from the variables that ssh, mosh and the locale set."""
    mosh = "MOSH_CONNECTION" in environ or environ.get("MOSH") is not None
    over_ssh = mosh or "SSH_CONNECTION" in environ or "SSH_TTY" in environ
    return Terminal(over_ssh, mosh, _utf8(environ))


def _utf8(environ: Mapping[str, str]) -> bool:
    """Containers often set no locale at all under a terminal that knows UTF-8 well, so only
    what is said counts; the Linux console and old terminals are known by their names."""
    said = next((environ[n] for n in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(n)), "")
    if not said:
        return not environ.get("TERM", "").startswith(("linux", "vt"))
    charset = said.partition(".")[2].partition("@")[0]
    if not charset:
        return said not in {"C", "POSIX"} and locale.getpreferredencoding().lower() == "utf-8"
    return charset.lower().replace("-", "") == "utf8"


def set_up(environ: MutableMapping[str, str]) -> None:
    """Tell Textual, which reads these while it is imported; what the user set stays.

    Over ssh the kitty protocol stays off, because a lost connection would leave it on in the
    user's shell. Frames are not held back further than to 30 a second: news comes five times a
    second (``feed.py``) and logs within a budget of bytes, while a key wants its answer at once.
    """
    environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    if describe(environ).over_ssh:
        environ.setdefault("TEXTUAL_DISABLE_KITTY_KEY", "1")
        environ.setdefault("TEXTUAL_FPS", "30")


def forget_size(environ: MutableMapping[str, str]) -> None:
    """Let the terminal say its size: an exported COLUMNS would fix it for good."""
    environ.pop("COLUMNS", None)
    environ.pop("LINES", None)


def refusal(environ: Mapping[str, str]) -> str | None:
    """Say why no full screen can be drawn here and what to do; None when it can."""
    if not (os.isatty(0) and os.isatty(2)):
        return "monit: the screen needs a terminal; try: monit list, monit logs"
    if environ.get("TERM", "") in {"", "dumb", "unknown"}:
        return (
            f"monit: TERM={environ.get('TERM', '')} cannot show a full screen; "
            "set TERM (xterm-256color fits most), or try: monit list --watch, monit logs"
        )
    return None


def leave_with_the_terminal() -> None:
    """End this process when the terminal is gone, whatever state it is in.

    ``nohup`` and some wrappers leave SIGHUP ignored; Textual would then spin on a dead
    terminal, and its own way out waits for a writer that cannot write.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    threading.Thread(target=_watch, name="terminal watch", daemon=True).start()


def _watch() -> None:
    while os.isatty(0):
        time.sleep(WATCH_EVERY_S)
    os._exit(129)  # as a shell reports SIGHUP


def say(text: str) -> None:
    """Write a line for the user below the closed screen."""
    sys.stderr.write(f"{text}\n")
