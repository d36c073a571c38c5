"""The screen of this machine's apps, in the short way: its first frame is drawn, and then what it
needs is imported. `None` is returned, and nothing was written, where it takes the long way: an
option, a word that is no app, a host, no terminal.
"""

import sys
from collections.abc import Sequence

from monit_agent.cli.exit_codes import CommandError
from monit_agent.cli.keepers.apps import app_names, monit_home
from monit_agent.cli.render.terminal import is_dumb, is_interactive
from monit_agent.wire.paths import app_paths

READ_ONLY = "--read-only"


def quick_screen(words: Sequence[str]) -> int | None:
    """Show the screen until it is closed and return the exit code; None if that takes the long
    way."""
    targets = tuple(word for word in words if word != READ_ONLY)
    if is_dumb() or not (is_interactive() and sys.stderr.isatty()):
        return None
    try:
        home = monit_home()
        names = app_names(home)
    except CommandError:
        return None  # which the long way reports
    if not set(names).issuperset(targets):
        return None
    from monit_tui.first_frame.opening import open_early  # noqa: PLC0415 — only with a terminal

    read_only = READ_ONLY in words
    apps = [app_paths(home, name) for name in names]
    early = open_early(home, apps, targets, read_only=read_only)
    if early is None:
        return None
    try:
        from monit_tui.app import run  # noqa: PLC0415 — after the first frame

        return run(home, list(targets), read_only, end_at_once=True, early=early)
    finally:
        early.leave()
