"""The Textual app: it composes the screen, routes keys and data, and quits."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from types import FrameType
from typing import ClassVar

from monit_tui import terminal

terminal.prepare_textual(os.environ)  # Textual reads these variables while it is imported
gc.disable()  # importing frees nothing, and garbage collection would be a sixth of the start-up

# ruff: noqa: E402
import msgspec
from rich.console import RenderableType
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.command import Provider
from textual.driver import Driver
from textual.events import Event, Key
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.widgets import Input

from monit_agent.client.hosts.names import Host
from monit_agent.client.source import Changes, Source
from monit_agent.client.text.sanitize import printable
from monit_tui.clock import Clock
from monit_tui.commands.reading import BadCommandError, read_command
from monit_tui.commands.table import all_commands
from monit_tui.driver import PageTold, TerminalDriver
from monit_tui.early_keys import EarlyKeys
from monit_tui.feed import ChangeFeed
from monit_tui.first_frame.early_screen import EarlyScreen
from monit_tui.kept_view import ViewSaver, read_view, restore_view
from monit_tui.keys.actions import SCOPE_TITLES, KeyAction, allowed_actions
from monit_tui.keys.keymap import fill_keys
from monit_tui.keys.names import key_name
from monit_tui.model.confirmation import ASKED
from monit_tui.model.view_state import ViewState, load_state, save_state
from monit_tui.palettes import MANY_COLOURS, THEMES, Tone
from monit_tui.preferences.files import (
    Preferences,
    load_preferences,
    problems_text,
    without_files,
)
from monit_tui.preferences.page import expected_page, pages_with, terminal_kind, theme_of_page
from monit_tui.screens.overview import OverviewScreen
from monit_tui.terminal import TerminalFeatures
from monit_tui.text.clipboard import copy_text
from monit_tui.theme_switch import ThemeSwitch
from monit_tui.widgets.command_line import CommandLine
from monit_tui.widgets.lines import Lines

gc.enable()

EXIT_SIGNALS = (signal.SIGTERM, signal.SIGINT)

SAVE_EVERY_S = 0.5
"""Interval of looking whether the view was changed, which takes microseconds."""

EAGER_EVERY_S, EAGER_TIMES = 0.01, 12
"""Interval and number of polls for the agents' first answers: a tenth of a second at most, then
the screen shows what it has."""


def _ordered_commands() -> type[Provider]:
    """Return the provider of what keys and commands do, when the palette is opened."""
    from monit_tui.screens.palette import OrderedCommands  # noqa: PLC0415 - start-up time

    return OrderedCommands


def _trigger_commands() -> type[Provider]:
    """Return the provider of the apps' own actions, when the palette is opened."""
    from monit_tui.screens.palette import TriggerCommands  # noqa: PLC0415 - start-up time

    return TriggerCommands


class MonitApp(App[None]):
    """Shows a `Source`. Needs a fresh one, and does not close it."""

    TITLE = "monit"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = []
    ENABLE_COMMAND_PALETTE = False
    """Textual's own key for it, which no keymap could change; the registry has one."""
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {
        _ordered_commands,
        _trigger_commands,
    }

    def __init__(
        self, source: Source, *, clock: Clock | None = None, read_only: bool = False,
        targets: tuple[str, ...] = (), at: TerminalFeatures | None = None,
        view: ViewState | None = None, problem: str = "",
        preferences: Preferences | None = None, save: Callable[[ViewState], str] | None = None,
        driver: type[Driver] = TerminalDriver, in_browser: bool = False,
        early: EarlyScreen | None = None,
    ) -> None:  # fmt: skip
        no_color = bool(os.environ.get("NO_COLOR"))
        # ansi_color first, so that NO_COLOR means no colour, not grey
        super().__init__(driver_class=driver, ansi_color=True)
        self.use_command_palette = True
        self.at = at or TerminalFeatures()
        self.early_screen = early
        """The first frame, if it is on the screen already; the driver takes it."""
        self._early_keys = EarlyKeys()
        self._view = view or ViewState()
        self.clock = clock or Clock(source.wall, source.monotonic)
        self.source = source
        self.read_only = read_only
        self._own = preferences or Preferences()
        self._problems = [problem, problems_text(self._own.problems)]
        self._in_browser = in_browser
        self.may_save = not (in_browser and read_only)
        """Whether files may be written on this machine."""
        if not self.may_save:
            self._own = without_files(self._own)
        self.key_actions = self._own.keymap.actions
        """All actions, with the user's keys."""
        self.themes = self._choose_theme(no_color=no_color)
        self.look = self.themes.look
        self._dress()
        self.themes.changed = self._dress
        self.overview = OverviewScreen(
            source,
            self.themes,
            self.clock,
            actions=self.key_actions,
            read_only=read_only,
            targets=targets,
            over_ssh=self.at.over_ssh,
        )
        self.overview.details.logs.may_save = self.may_save
        restore_view(self._view, self.overview.table, self.overview.details.logs.view)
        self.overview.actions.not_asked = frozenset(self._view.not_asked) & frozenset(ASKED)
        self._saver = ViewSaver(self.view_state, save) if save else None
        self.feed = ChangeFeed(
            source, self.clock, self._deliver,
            over_ssh=self.at.over_ssh, call_later=self.call_later,
        )  # fmt: skip

    def _choose_theme(self, *, no_color: bool) -> ThemeSwitch:
        colours = {"truecolor": 1 << 24, "256": 256, "standard": 16}
        known = colours.get(self.console.color_system or "", 0)
        every = (*THEMES, *self._own.palettes)
        theme, problem = terminal.choose_theme(os.environ, every, self._view.theme)
        chosen = terminal.is_theme_chosen(os.environ, every, self._view.theme)
        self._asks_page = not (chosen or no_color or known < MANY_COLOURS or self._in_browser)
        self._problems.append(problem)
        if self._asks_page and not self._view.theme:
            told = self.early_screen.is_light if self.early_screen is not None else None
            light = expected_page(os.environ, self._view.pages, told)
            theme = theme if light is None else theme_of_page(light=light)
        return ThemeSwitch(
            self._own.palettes, utf8=self.at.utf8, colours=known, no_color=no_color,
            name=theme, kept=self._view.theme, keeps=not self._in_browser,
        )  # fmt: skip

    def _dress(self) -> None:
        """Show the look of the theme in everything that is drawn."""
        self.page = self.look.ground
        self.register_theme(self.look.dialogs)
        self.theme = self.look.dialogs.name
        if not self.is_running:
            return
        self.overview.details.logs.view.set_layout()  # which forgets the rows that it has drawn
        for screen in self.screen_stack:
            for widget in screen.query(Lines):
                widget.dress()

    def get_default_screen(self) -> Screen[None]:
        """Start with the overview, so that the first frame has data."""
        return self.overview

    async def on_mount(self) -> None:
        """Poll before the first frame, then at a steady rate."""
        if not self.is_headless:
            self._exit_on_signals()
        if self._asks_page and isinstance(self._driver, TerminalDriver):
            self._driver.ask_page()
        self.set_keymap(self._own.keymap.for_textual)
        self.app_resume_signal.subscribe(self, self._repaint_resumed)
        self.set_class(not self.at.utf8, "-ascii")
        self.feed.flush()
        self.set_interval(1 / self.feed.hz, self.feed.tick)
        if self._saver is not None:
            self.set_interval(SAVE_EVERY_S, partial(self._saver.save_changes, self.notify))
        self.overview.pause_painting(paused=True)
        await self._await_first_answers(EAGER_TIMES)

    def _exit_on_signals(self) -> None:
        """Restore the terminal also after SIGTERM and SIGINT, even while the event loop waits for
        a terminal that takes no output."""
        loop = asyncio.get_running_loop()

        def leave(number: int, _frame: FrameType | None) -> None:
            if isinstance(self._driver, TerminalDriver):
                self._driver.leave(128 + number)
            loop.call_soon_threadsafe(self.exit, None, 128 + number)

        for number in EXIT_SIGNALS:
            signal.signal(number, leave)
        if self.early_screen is not None:
            self.early_screen.hand_over()

    async def _await_first_answers(self, times: int) -> None:
        """Delay the first frame until the agents have answered. They answer while the screen is
        built, so it is painted once, with data, instead of four times."""
        apps = self.source.fleet.apps.values()
        ready = self.overview.is_mounted and all(app.link != "connecting" for app in apps)
        if ready or not times:
            self.overview.pause_painting(paused=False)
            for event in self._early_keys.release():
                await self.on_event(event)
            gc.freeze()  # modules stay: looking through them would hold a key up for 50 ms
            problems = "; ".join(filter(None, self._problems))
            if problems:
                self.notify(printable(problems), severity="warning", markup=False)
            return
        self.feed.flush()
        self.set_timer(EAGER_EVERY_S, partial(self._await_first_answers, times - 1))

    def on_page_told(self, event: PageTold) -> None:
        """Show the theme that is made for the terminal's page, unless the user has chosen one, and
        keep the page for the next run."""
        if not self._asks_page:
            return
        pages = pages_with(self._view.pages, terminal_kind(os.environ), light=event.light)
        self._view = msgspec.structs.replace(self._view, pages=pages)
        if not self.themes.kept:
            self.themes.use(theme_of_page(light=event.light))

    def _deliver(self, changes: Changes) -> None:
        if self.overview.is_mounted:
            self.overview.deliver(changes)

    def on_app_blur(self) -> None:
        """Poll slowly while the terminal has no focus."""
        self.feed.blurred = True

    def on_app_focus(self) -> None:
        """Poll at the fastest rate again."""
        self.feed.blurred = False
        self.feed.restore_rate()
        self._restore_focus()

    def _restore_focus(self) -> None:
        """Focus the pane that had the focus last, if nothing has it: in a browser the screen begins
        without it."""
        overview = self.overview
        if self.screen is overview and overview.is_mounted and overview.focused is None:
            overview.set_focus(overview.panes[overview.pane].body)

    async def on_event(self, event: Event) -> None:
        """Carry a key's action out before the next key is looked at.

        Textual passes a key through the queues of the focused widget and its parents first, so of
        keys that arrive together the later ones went to the pane that had the focus before. Text
        that is typed into a field goes there as usual.
        """
        if isinstance(event, Key) and self._early_keys.keep(event):
            return
        if isinstance(event, Key) and not event.is_forwarded and self.screen_stack:
            self.app_focus = True
            self.overview.table.holds_cursor = True
            self._restore_focus()
            self.feed.restore_rate()
            in_field = isinstance(self.focused, Input)
            for priority in (True, False)[: 1 if in_field else 2]:
                if await self._check_bindings(event.key, priority=priority):
                    return
        await super().on_event(event)

    def on_key(self) -> None:
        """Poll at the fastest rate while keys are pressed."""
        self.feed.restore_rate()

    # ------------------------------------------------------------ commands and palette

    def action_command_line(self, line: str = "") -> None:
        """Open the field for a command."""
        from monit_tui.commands.runner import values_of  # noqa: PLC0415 - start-up time

        known = all_commands(self.key_actions, read_only=self.read_only)
        self.overview.notice.hide()
        self.overview.footer.display = False
        self.overview.command_line.open(known, partial(values_of, self.overview), line)

    async def on_command_line_entered(self, event: CommandLine.Entered) -> None:
        """Carry a command out, or say what is wrong with it."""
        from monit_tui.commands.runner import run_command  # noqa: PLC0415 - start-up time

        try:
            typed = read_command(event.line, self.overview.command_line.known)
            if typed is None:
                return
            action = typed.command.action
            if action is None:
                run_command(self.overview, typed)
            else:
                await self.run_action(action.handler, self.overview.target_of(action))
        except BadCommandError as error:
            self.notify(printable(str(error)), severity="error", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:  # noqa: ARG002
        """Yield every action of the registry by its name, those of the pane with the focus first,
        then those that work everywhere; after them the commands that take words, and the themes."""
        actions = self.key_actions
        now = self.overview.key_scope
        allowed = allowed_actions(read_only=self.read_only, actions=actions)
        for action in sorted(allowed, key=lambda one: (one.scope != now, one.scope != "global")):
            keys = " ".join(key_name(key) for key in action.keys)
            title = f"{action.label}  ({SCOPE_TITLES[action.scope]}: {keys})"
            yield SystemCommand(title, fill_keys(action.help, actions), self._runner(action))
        for command in dict.fromkeys(all_commands((), read_only=self.read_only).values()):
            if command.arguments:
                begin = partial(self.action_command_line, f"{command.name} ")
                words = command.usage.translate({ord("["): None, ord("]"): None})  # no markup
                yield SystemCommand(f":{words}", command.help, begin)
        for name, text in self.themes.themes.items():
            yield SystemCommand(f"theme {name}", text, partial(self.themes.keep, name))

    def _runner(self, action: KeyAction) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await self.run_action(action.handler, self.overview.target_of(action))

        return run

    # ------------------------------------------------------------ global keys

    def notify(
        self, message: str, *, title: str = "", severity: SeverityLevel = "information",
        timeout: float | None = None, markup: bool = True,
    ) -> None:  # fmt: skip
        """Show a notice in place of the footer."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)
        tones: dict[SeverityLevel, Tone] = {"error": "bad", "warning": "warn"}
        self.overview.show_bar(message, tones.get(severity, "plain"))

    def action_freeze(self) -> None:
        """Freeze the display, or resume."""
        frozen = not self.feed.frozen
        self.overview.freeze(frozen=frozen)
        self.feed.freeze(frozen=frozen)

    async def action_leave(self) -> None:
        """Copy the selected text, else quit."""
        selected = self.screen.get_selected_text()
        if selected:
            where = await copy_text(selected, os.environ, self.write_to_terminal)
            self.overview.show_notice(f"copied {where}")
            self.screen.clear_selection()
        else:
            self.exit()

    def _repaint_resumed(self, _app: App[object]) -> None:
        self.action_repaint()

    def action_repaint(self) -> None:
        """Clear the terminal and paint everything, whatever another program wrote over it."""
        self.write_to_terminal("\x1b[0m\x1b[2J")
        self.screen.refresh()

    def action_mouse(self) -> None:
        """Leave the mouse to the terminal, so that it selects text, or take it again."""
        driver = self._driver
        if not isinstance(driver, TerminalDriver):
            return
        driver.switch_mouse(on=not driver.has_mouse)
        self.overview.show_notice(
            "The mouse belongs to monit again."
            if driver.has_mouse
            else "The mouse belongs to the terminal: it selects text. {mouse} gives it back."
        )

    def write_to_terminal(self, sequence: str) -> None:
        """Write an escape sequence that monit made directly to the terminal."""
        driver = self._driver
        if driver is not None and not self.is_headless:
            driver.write(sequence)

    def view_state(self) -> ViewState:
        """Return what the user chose of the view."""
        not_asked = tuple(sorted(self.overview.actions.not_asked))
        before = msgspec.structs.replace(self._view, theme=self.themes.kept, not_asked=not_asked)
        return read_view(before, self.overview.table, self.overview.details.logs.view)

    def exit(
        self, result: None = None, return_code: int = 0, message: RenderableType | None = None
    ) -> None:
        """Close the screen, without waiting for anything."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.leave(return_code)
        super().exit(result, return_code, message)


def run(
    home: str, targets: list[str], read_only: bool = False, end_at_once: bool = False,
    hosts: tuple[Host, ...] = (), *, apps_stay: bool = True, early: EarlyScreen | None = None,
) -> int:  # fmt: skip
    """Show the apps of ``home``, or of ``hosts``, until the user quits; return the exit code.

    ``targets`` limits the list, as on the command line. 2 when this terminal cannot show it.
    With ``end_at_once`` the process ends too, without taking itself apart. With ``apps_stay`` the
    last line says that the apps keep running. ``early`` is the first frame, if it is shown already.
    """
    problem = terminal.why_unusable(os.environ)
    if problem is not None:
        terminal.print_line(problem)
        return 2
    view, problem = load_state(home)
    source = open_source(home, hosts)
    code, last = show(
        source, tuple(targets), read_only=read_only, view=view, problem=problem,
        save=partial(save_state, home), apps_stay=apps_stay, early=early,
    )  # fmt: skip
    problem = save_state(home, last)
    if problem:
        terminal.print_line(f"monit: {problem}")
    return terminal.end_process(code) if end_at_once else code


def open_source(home: str, hosts: tuple[Host, ...]) -> Source:
    """Return the apps of ``home``, or of ``hosts``. Imported only when the screen can be shown."""
    if hosts:
        from monit_agent.client.hosts.fleet_source import FleetSource  # noqa: PLC0415

        return FleetSource(home, hosts)
    from monit_agent.client.live.live_source import LiveSource  # noqa: PLC0415

    return LiveSource(home)


def show(
    source: Source, targets: tuple[str, ...] = (), *, read_only: bool = False,
    view: ViewState | None = None, problem: str = "",
    save: Callable[[ViewState], str] | None = None, apps_stay: bool = True,
    early: EarlyScreen | None = None,
) -> tuple[int, ViewState]:  # fmt: skip
    """Run the screen on ``source``, close it afterwards, and print how many apps keep running, if
    ``apps_stay``.

    ``problem`` is shown at the start; ``save`` saves the view each time the user has changed it,
    and returns what went wrong. Return the exit code, and the view as the user left it.
    """
    terminal.remove_size(os.environ)
    terminal.exit_with_terminal()
    at = terminal.read_features(os.environ)
    own = load_preferences(os.environ)
    app = MonitApp(
        source, read_only=read_only, targets=targets, at=at, view=view, problem=problem,
        preferences=own, save=save, early=early,
    )  # fmt: skip
    handlers = {number: signal.getsignal(number) for number in EXIT_SIGNALS}
    try:
        app.run(mouse=not at.mosh)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        apps = sum(one.link != "gone" for one in source.fleet.apps.values())
        source.close()
    for text in own.problems:  # the notice at the start may have been too short for them
        terminal.print_line(f"monit: {printable(text)}")
    if apps_stay and not app.return_code:
        kept = "1 app keeps running" if apps == 1 else f"{apps} apps keep running"
        terminal.print_line(f"monit: screen closed, {kept}")
    return app.return_code or 0, app.view_state()
