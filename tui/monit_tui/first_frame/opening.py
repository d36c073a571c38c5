"""Draws the first frame of the screen, where all that it needs is known at once.

The agents' listing, which `monit list` shows too, has what the list shows. Textual takes several
times as long to import as this takes in all.
"""

import os
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from monit_agent.client.listing import NoListingError, request_apps
from monit_agent.client.view import AppView, Fleet
from monit_agent.wire.paths import AppPaths
from monit_tui import terminal
from monit_tui.clock import Clock
from monit_tui.first_frame.early_screen import EarlyScreen, is_in_foreground
from monit_tui.first_frame.escapes import Colours
from monit_tui.first_frame.frame import FirstFrame, FrameData, FrameLook, FrameView
from monit_tui.first_frame.kept_view import KeptView, read_kept_view
from monit_tui.keys.keymap import load_keymap
from monit_tui.model.machine import read_machine
from monit_tui.palettes import ASCII, MANY_COLOURS, THEMES, Glyphs, Palette, look_traits
from monit_tui.preferences.folder import config_folder
from monit_tui.preferences.page import expected_page, theme_of_page

ANSWER_WITHIN_S = 0.15
"""How long the agents may take. A frame that comes later than this is hardly earlier than that of
the whole screen."""

PAGE_WITHIN_S = 0.02
"""How long the terminal may take to tell the colour of its page. On this machine it answers within
a few milliseconds; the screen asks again."""

OF_TEXTUAL = ("TEXTUAL_COLOR_SYSTEM", "TEXTUAL_ALLOW_SIGNALS", "TEXTUAL_FILTERS")
"""Variables of Textual that change colours or keys in ways that only Textual knows."""


def open_early(
    home: str, apps: Sequence[AppPaths], targets: tuple[str, ...], *, read_only: bool
) -> EarlyScreen | None:
    """Show the first frame of these apps, those of ``home``; None where that is impossible, and
    nothing was shown."""
    size = _size()
    if size is None or any(map(os.environ.get, OF_TEXTUAL)) or not is_in_foreground():
        return None
    fleet = _fleet(apps)
    if fleet is None:
        return None
    kept = read_kept_view(home)
    keymap = load_keymap(config_folder(os.environ))
    view = FrameView(
        kept.arrangement._replace(targets=targets), kept.hidden_columns, kept.column_order,
        keymap.actions, read_only, "  ".join([*(["read-only"] if read_only else []), *targets]),
    )  # fmt: skip
    data = FrameData(fleet, read_machine(), Clock())
    try:
        early = EarlyScreen()
        with ExitStack() as undo:
            undo.callback(early.leave)
            early.hold()
            light = early.ask_page(PAGE_WITHIN_S) if asks_page(os.environ, kept) else None
            look = frame_look(os.environ, kept, light=light)
            early.show(FirstFrame(data, look, view, size).text())
            undo.pop_all()
    except (OSError, termios.error):
        return None  # the terminal is gone, which the screen finds out too
    return early


def _size() -> tuple[int, int] | None:
    """Return columns and lines of the terminal, None if it does not know them."""
    try:
        size = os.get_terminal_size(1)
    except OSError:
        return None
    return (size.columns, size.lines) if size.columns and size.lines else None


def _fleet(apps: Sequence[AppPaths]) -> Fleet | None:
    """Return the apps as their agents list them; None if one does not."""
    fleet = Fleet()
    try:
        for app in request_apps(apps, ANSWER_WITHIN_S):
            fleet.apps[app.id] = app
            keep_samples(app, time.monotonic())
    except NoListingError:
        return None
    return fleet


def keep_samples(app: AppView, now: float) -> None:
    """Make the samples of an app the first of their history, as a snapshot does; ``now`` is
    monotonic."""
    for view in app.instances.values():
        if view.sample is not None:
            view.read_at = now
            view.history.append(view.sample)


def asks_page(environ: Mapping[str, str], kept: KeptView) -> bool:
    """Return whether the colour of the page decides the theme, and the terminal has to tell it."""
    if environ.get("NO_COLOR") or terminal.colour_count(environ) < MANY_COLOURS or kept.theme:
        return False
    return not terminal.is_theme_chosen(environ, _palettes(environ, kept.theme), kept.theme)


def frame_look(
    environ: Mapping[str, str], kept: KeptView, *, light: bool | None = None
) -> FrameLook:
    """Return the look that the screen will have. ``light`` is what the terminal told of its page,
    if it was asked; without it, the page is taken for what it was in an earlier run."""
    palettes = _palettes(environ, kept.theme)
    theme, _ = terminal.choose_theme(environ, palettes, kept.theme)
    if asks_page(environ, kept):
        expected = expected_page(environ, kept.pages, light)
        theme = theme if expected is None else theme_of_page(light=expected)
    count, none = terminal.colour_count(environ), bool(environ.get("NO_COLOR"))
    traits = look_traits(colours=count, no_color=none, theme=theme, palettes=palettes)
    glyphs = Glyphs() if terminal.read_features(environ).utf8 else ASCII
    return FrameLook(glyphs, traits, Colours(count, "NO_COLOR" in environ))


def _palettes(environ: Mapping[str, str], kept: str) -> Mapping[str, Palette]:
    """Return the themes to choose from; those of the user are read only if one of them is meant."""
    chosen = environ.get("MONIT_THEME", "") or kept
    if not chosen or chosen in THEMES:
        return THEMES
    from monit_tui.preferences.themes import load_themes  # noqa: PLC0415 - start-up time

    return {**THEMES, **load_themes(config_folder(environ)).palettes}
