"""The log pane: history, then live lines, of one or more instances.

It receives bytes from the screen's timer and paints as its budget allows; keys paint at once.
Run it alone with a replayed scene: ``python -m monit_tui.widgets.log.standalone``.
"""

import os
from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Click, DescendantBlur, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from monit_agent.client.logs.error_rate import ErrorRate
from monit_agent.client.logs.filter import Matcher, parse_filter
from monit_agent.client.logs.logbook import Logbook
from monit_agent.client.source import LogChunk, Source
from monit_agent.client.view import Fleet
from monit_agent.wire.ids import InstanceId
from monit_tui.clock import Clock
from monit_tui.keys.bindings import bindings_of
from monit_tui.terminal import read_features
from monit_tui.theme import Look, make_look
from monit_tui.widgets.log import commands
from monit_tui.widgets.log.budget import LOCAL_BYTES_PER_S, SSH_BYTES_PER_S
from monit_tui.widgets.log.history import LogHistory
from monit_tui.widgets.log.moment import MomentSeeker
from monit_tui.widgets.log.pacer import PaintPacer
from monit_tui.widgets.log.prompt import LogPrompt
from monit_tui.widgets.log.render import choose_names
from monit_tui.widgets.log.searching import ErrorSeeker, FilterFiller, LogSearcher
from monit_tui.widgets.log.status import LogStatus, problem_of, state_of, why_empty
from monit_tui.widgets.log.view import LogView

MOTIONS = {
    "up": -1, "half_up": -1, "page_up": -1, "down": 1, "half_down": 1, "page_down": 1,
}  # fmt: skip
"""Commands that move through the log, and their direction."""


class LogPane(Widget, can_focus=True):
    """Shows the logs of some instances and is controlled by the actions of scope ``logs``."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("logs")
    DEFAULT_CSS = """
    LogPane { layout: vertical; height: 1fr; }
    LogPane > LogStatus { height: 1; }
    LogPane > LogView { height: 1fr; }
    """

    def __init__(
        self,
        source: Source,
        look: Look | None = None,
        clock: Clock | None = None,
        *,
        over_ssh: bool | None = None,
    ) -> None:
        super().__init__(id="logs")
        self.source = source
        self.book = Logbook()
        self.may_save = True
        """Whether files may be written."""
        self.who: tuple[InstanceId, ...] = ()
        """The instances whose logs are shown."""
        dressed = look or make_look(utf8=True, colours=256, no_color=False)
        self._now = (clock or Clock()).monotonic
        self.over_ssh = read_features(os.environ).over_ssh if over_ssh is None else over_ssh
        rate = SSH_BYTES_PER_S if self.over_ssh else LOCAL_BYTES_PER_S
        self.pacer = PaintPacer(self, self._now, rate, self._paint, self._flush)
        self.view = LogView(self.book, dressed, self.pacer.spent)
        self.status = LogStatus(dressed)
        self.history = LogHistory(source, self.book, self._now)
        self.moments = MomentSeeker(source, self.view, self._paint, self._post_line)
        """Finds the lines of a moment."""
        notice = partial(commands.show_notice, self)
        self.searcher = LogSearcher(source, self.view, self.moments, notice, self._paint)
        self.filler = FilterFiller(source, self.view, self._paint)
        self.error_rate = ErrorRate(source, self._show_errors)
        self.errors = ErrorSeeker(source, self.view, self.moments, notice)
        self.prompt = LogPrompt()
        self._chosen: tuple[InstanceId, ...] = ()
        self._title = ""
        self._all = False

    class LineReached(Message):
        """The user moved the cursor to a line of another moment; None: the log follows its end."""

        def __init__(self, at: float | None) -> None:
            super().__init__()
            self.at = at

    def compose(self) -> ComposeResult:
        """Compose status, lines and the field for a search or a filter."""
        yield self.status
        yield self.view
        yield self.prompt

    # ------------------------------------------------------------ the screen's side

    def show(self, chosen: tuple[InstanceId, ...], title: str) -> None:
        """Show the logs of these instances; lines that are already loaded appear at once."""
        self._title = title
        if chosen != self._chosen or not self.who:
            self._chosen, self._all = chosen, False
            self._watch(chosen)
        self._paint()

    def add_chunks(self, chunks: Iterable[LogChunk]) -> None:
        """Add log bytes, and paint them if the budget allows."""
        now = self._now()
        for chunk in chunks:
            self.book.add_chunk(chunk, now)
        self._flush()

    def fleet_changed(self) -> None:
        """Update the instances, forget those that are gone, and retry failed requests."""
        shown = frozenset(self.who)
        self.book.rings.keep_existing(
            lambda one: one in shown or self.source.fleet.instance(one) is not None
        )
        now = instances_of_apps(self.source.fleet, self._chosen)
        if self._all and now != self.who:
            self._watch(now)
        for name in list(self.history.problems):
            app = self.source.fleet.apps.get(name)
            if app is not None and app.link == "live":
                self.history.retry_refused(name, self.who)
        self._paint()

    # ------------------------------------------------------------ for the commands

    def action_log(self, name: str) -> None:
        """Run the command of a key, and paint at once; save nothing where that is not allowed."""
        if name == "save" and not self.may_save:
            return
        was_at_top = self.view.window.at_top and not self.view.window.follow
        before = self.moments.shown()
        self.moments.cancel()
        self.searcher.stay()
        self.errors.stay()
        commands.run_command(self, name)
        if name in MOTIONS:
            commands.load_near(self, MOTIONS[name], was_at_top=was_at_top)
        self._paint()
        if self.moments.shown() != before:
            self._post_line()

    def action_filter_by(self, text: str) -> None:
        """Show only lines that match a filter; "" shows all."""
        commands.set_filter(self, parse_filter(text, self.view.shown.filter))
        self._paint()

    def action_search_for(self, text: str) -> None:
        """Search the whole log."""
        matcher = Matcher(text)
        self.searcher.clear()
        self.view.set_search(matcher)
        self.searcher.start(matcher)
        self._paint()

    def toggle_all(self) -> None:
        """Show all instances of the apps, or only the selected ones."""
        self._all = not self._all
        self._watch(
            instances_of_apps(self.source.fleet, self._chosen) if self._all else self._chosen
        )

    def close_prompt(self) -> bool:
        """Close the field without searching or filtering; return whether it was open."""
        was_open = self.prompt.is_open
        self.prompt.display = False
        if was_open:
            self.screen.set_focus(self)
            if self.prompt.question == "search":
                commands.clear_search(self)
        return was_open

    def write_to_terminal(self, sequence: str) -> None:
        """Write an escape sequence that monit made directly to the terminal."""
        driver = self.app._driver  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if driver is not None and not self.app.is_headless:
            driver.write(sequence)  # Textual's copy has no limit, and is lost in tmux

    # ------------------------------------------------------------ events

    def on_input_changed(self, event: Input.Changed) -> None:
        """Highlight matches while a search is typed."""
        event.stop()
        if self.prompt.question == "search" and self.prompt.display:
            self.searcher.clear()
            self.view.set_search(Matcher(event.value) if event.value else None)
            self._paint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Start the search or apply the filter."""
        event.stop()
        self.prompt.display = False
        self.screen.set_focus(self)
        if self.prompt.question == "filter":
            self.action_filter_by(event.value)
        elif self.prompt.question == "moment":
            commands.go_to_moment(self, event.value)
        elif event.value:
            self.searcher.start(Matcher(event.value))
        self._paint()

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        """Close the field when another pane gets the focus."""
        if event.widget is self.prompt:
            self.prompt.display = False

    def on_focus(self) -> None:
        """Draw the cursor bright."""
        self.view.active = True
        self._paint()

    def on_blur(self) -> None:
        """Draw the cursor dim."""
        self.view.active = False
        self._paint()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Scroll with the wheel."""
        self._wheel(event, 3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Scroll with the wheel."""
        self._wheel(event, -3)

    def on_click(self, event: Click) -> None:
        """Move the cursor to the line under the mouse."""
        if event.widget is self.view:
            seq = self.view.seq_at(event.y)
            if seq is not None:
                self.moments.cancel()
                self.view.window.go_to(seq)
                self._paint()
                self._post_line()

    # ------------------------------------------------------------ inside

    def _watch(self, identities: tuple[InstanceId, ...]) -> None:
        self.who = identities
        self.source.follow_logs(identities)
        self.book.end_reading()
        self.book.select(identities)
        names, cells = choose_names(identities)
        self.view.set_layout(names=names, name_cells=cells)
        self.view.show_selection()
        self.history.request_last(identities)
        self.error_rate.show(self.book.selected_streams)
        self.filler.start()
        self.searcher.again()

    def _flush(self) -> None:
        """Add new rows to the view, and paint them now or as soon as the budget allows."""
        view = self.view
        self.error_rate.look()
        places = None if view.window.follow else view.window.row_places(self.book.merged)
        done = self.book.flush(self._now())
        self.view.add_flushed(done)
        if done.reshaped and places is not None:
            view.window.restore_places(self.book.merged, places)
        if self.view.found is not None:
            self.searcher.flushed()
        if done.reshaped:
            self.moments.flushed()
        if done.reshaped or done.grew or (done.appended and view.window.follow):
            self.pacer.soon(flood=done.appended >= view.window.height)
        elif self.is_mounted:
            self._show_status()
        self.pacer.wake_at(self.book.due_at)

    def _post_line(self) -> None:
        self.post_message(self.LineReached(self.moments.shown()))

    def _paint(self) -> None:
        if not self.view.window.follow:
            self.book.begin_reading()
        elif self.book.reading:
            self.book.end_reading()
            self.view.shown.refresh()
        if self.is_mounted:
            self.view.empty = why_empty(self.source.fleet, self.history, self.who)
            self.view.repaint()
            self._show_status()

    def _show_errors(self) -> None:
        if self.is_mounted:
            self._show_status()

    def _show_status(self) -> None:
        name = self._title + (" (all)" if self._all else "")
        opening = bool(self.who) and self.history.is_opening(self.who)
        loading = opening or self.filler.is_running
        problem = problem_of(self.source.fleet, self.history.problems, self.who)
        problem = problem or self.filler.problem
        search = self.searcher.state()
        state = state_of(self.view, search, self.error_rate, name, loading=loading, problem=problem)
        self.status.show_state(state)

    def _wheel(self, event: MouseScrollDown | MouseScrollUp, lines: int) -> None:
        event.stop()
        self.moments.cancel()
        self.view.window.scroll(lines)
        commands.load_near(self, lines, was_at_top=True)
        self._paint()


def instances_of_apps(fleet: Fleet, chosen: tuple[InstanceId, ...]) -> tuple[InstanceId, ...]:
    """Return all instances of the apps of ``chosen``, in the order of the apps."""
    apps = dict.fromkeys(one.app_id for one in chosen)
    return tuple(
        name.instance(number)
        for name in apps
        if name in fleet.apps
        for number in sorted(fleet.apps[name].instances)
    )
