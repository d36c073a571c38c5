"""The screen as one Textual app: it composes, routes, and ends; all else is in its rooms."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from typing import ClassVar

from monit_tui import terminal

terminal.set_up(os.environ)  # Textual reads these variables while it is imported
gc.disable()  # importing frees nothing: looking for garbage would be a sixth of the start-up

# ruff: noqa: E402
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.command import Provider
from textual.screen import Screen

from monit_agent.client.source import Changes, Source
from monit_tui.actions import Action
from monit_tui.bindings import key_name
from monit_tui.clock import Clock
from monit_tui.feed import Feed
from monit_tui.registry import PLACE_NAMES, allowed
from monit_tui.screens.overview import OverviewScreen
from monit_tui.terminal import Terminal
from monit_tui.theme import THEME, Look, look

gc.enable()


EAGER_EVERY_S, EAGER_TIMES = 0.01, 12
"""How often, and how many times, the agents' first words are looked for: a tenth of a second
at most, then the screen shows what there is."""


def _trigger_commands() -> type[Provider]:
    """Give what offers the apps' own actions, when the palette is opened."""
    from monit_tui.palette import TriggerCommands  # noqa: PLC0415 - start-up time

    return TriggerCommands


class MonitApp(App[None]):
    """Shows a `Source`. Needs a fresh one, and does not close it."""

    TITLE = "monit"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = []
    COMMANDS = App.COMMANDS | {_trigger_commands}

    def __init__(
        self, source: Source, *, clock: Clock | None = None, read_only: bool = False,
        targets: tuple[str, ...] = (), at: Terminal | None = None,
    ) -> None:  # fmt: skip
        no_color = bool(os.environ.get("NO_COLOR"))
        super().__init__(ansi_color=True)  # said at once, NO_COLOR then means no colour, not grey
        self.at = at or Terminal()
        self.register_theme(THEME)
        self.theme = THEME.name
        self.clock = clock or Clock(source.wall, source.monotonic)
        self.source = source
        self.read_only = read_only
        self.look = self._choose_look(no_color=no_color)
        self.overview = OverviewScreen(
            source,
            self.look,
            self.clock,
            read_only=read_only,
            targets=targets,
            over_ssh=self.at.over_ssh,
        )
        self.feed = Feed(source, self.clock, self._deliver, over_ssh=self.at.over_ssh)

    def _choose_look(self, *, no_color: bool) -> Look:
        colours = {"truecolor": 1 << 24, "256": 256, "standard": 16}
        known = colours.get(self.console.color_system or "", 0)
        return look(utf8=self.at.utf8, colours=known, no_color=no_color)

    def get_default_screen(self) -> Screen[None]:
        """Begin with the overview, so that the first frame is the one with data."""
        return self.overview

    def on_mount(self) -> None:
        """Take in what is there before the first frame, then keep doing so."""
        if not self.is_headless:
            self._end_in_order_when_told()
        self.set_class(not self.at.utf8, "-ascii")
        self.feed.flush()
        self.set_interval(1 / self.feed.hz, self.feed.tick)
        self.overview.hold(held=True)
        self._await_first_words(EAGER_TIMES)

    def _end_in_order_when_told(self) -> None:
        """Put the terminal back also when somebody kills us."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.exit, None, 128 + number)

    def _await_first_words(self, times: int) -> None:
        """Hold the first frame back until the agents have answered, which they do while the
        screen is built: it is painted once, with data, and not four times until it has some."""
        apps = self.source.fleet.apps.values()
        ready = self.overview.is_mounted and all(app.link != "connecting" for app in apps)
        if ready or not times:
            self.overview.hold(held=False)
            return
        self.feed.flush()
        self.set_timer(EAGER_EVERY_S, lambda: self._await_first_words(times - 1))

    def _deliver(self, changes: Changes) -> None:
        if self.overview.is_mounted:
            self.overview.deliver(changes)

    def on_app_blur(self) -> None:
        """Nobody looks: slow down."""
        self.feed.blurred = True

    def on_app_focus(self) -> None:
        """Somebody looks again."""
        self.feed.blurred = False
        self.feed.wake()

    def on_key(self) -> None:
        """Somebody is here."""
        self.feed.wake()

    # ------------------------------------------------------------ palette

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:  # noqa: ARG002
        """Offer every action of the registry by its name."""
        for action in allowed(read_only=self.read_only):
            keys = " ".join(key_name(key) for key in action.keys)
            title = f"{action.label}  ({PLACE_NAMES[action.place]}: {keys})"
            yield SystemCommand(title, action.help, self._runner(action))

    def _runner(self, action: Action) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await self.run_action(action.handler, self.overview.target_of(action))

        return run

    # ------------------------------------------------------------ keys of everywhere

    def action_freeze(self) -> None:
        """Hold the display still, or let it go on."""
        frozen = not self.feed.frozen
        self.overview.freeze(frozen=frozen)
        self.feed.freeze(frozen=frozen)

    def action_leave(self) -> None:
        """Copy what is selected, else quit."""
        selected = self.screen.get_selected_text()
        if selected:
            self.copy_to_clipboard(selected)
            self.screen.clear_selection()
        else:
            self.exit()


def run(home: str, targets: list[str], read_only: bool = False) -> int:
    """Show the apps of ``home`` until the user leaves; give the exit code.

    ``targets`` limits the list, as on the command line. 2 when this terminal cannot show it.
    """
    refused = terminal.refusal(os.environ)
    if refused is not None:
        terminal.say(refused)
        return 2
    from monit_agent.client.live import LiveSource  # noqa: PLC0415 - only after the refusal

    return show(LiveSource(home), tuple(targets), read_only=read_only)


def show(source: Source, targets: tuple[str, ...] = (), *, read_only: bool = False) -> int:
    """Run the app on ``source``, close it afterwards, and say that the apps go on."""
    terminal.forget_size(os.environ)
    terminal.leave_with_the_terminal()
    at = terminal.describe(os.environ)
    app = MonitApp(source, read_only=read_only, targets=targets, at=at)
    try:
        app.run(mouse=not at.mosh)
    finally:
        apps = sum(one.link != "gone" for one in source.fleet.apps.values())
        source.close()
    if not app.return_code:
        goes_on = "app goes on" if apps == 1 else "apps go on"
        terminal.say(f"monit: viewer closed, {apps} {goes_on}")
    return app.return_code or 0
