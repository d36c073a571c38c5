"""The log pane: history, then live lines, of one instance or many.

It takes bytes when the screen's timer brings them and paints as its budget allows; keys paint
at once. Run alone with a replayed scene: ``python -m monit_tui.widgets.log_alone``.
"""

import os
from collections.abc import Iterable
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.widget import Widget
from textual.widgets import Input

from monit_agent.client.logbook import Logbook
from monit_agent.client.logfilter import Matcher, parsed
from monit_agent.client.source import LogChunk, Source
from monit_agent.client.view import Fleet, Identity
from monit_tui.bindings import bind
from monit_tui.clock import Clock
from monit_tui.terminal import describe
from monit_tui.theme import Look, look
from monit_tui.widgets import log_commands
from monit_tui.widgets.log_actions import LOG_ACTIONS
from monit_tui.widgets.log_budget import LOCAL_BYTES_PER_S, SSH_BYTES_PER_S
from monit_tui.widgets.log_history import History
from monit_tui.widgets.log_pacer import Pacer
from monit_tui.widgets.log_render import names_of
from monit_tui.widgets.log_status import LogStatus, problem_of, state_of, why_empty
from monit_tui.widgets.log_view import LogView

Question = Literal["search", "filter"]
_HINTS: dict[Question, str] = {
    "search": "/ text or regular expression",
    "filter": "& regex   !without   -C 3 context   :err :out   :warn :error",
}


class LogPane(Widget, can_focus=True):
    """Shows the logs of some instances and is steered by `LOG_ACTIONS`."""

    BINDINGS: ClassVar[list[BindingType]] = bind(LOG_ACTIONS)
    DEFAULT_CSS = """
    LogPane { layout: vertical; height: 1fr; }
    LogPane > LogStatus { height: 1; }
    LogPane > LogView { height: 1fr; }
    LogPane > Input { height: 1; border: none; padding: 0 1; display: none;
                      background: ansi_default; }
    """

    def __init__(
        self,
        source: Source,
        look_now: Look | None = None,
        clock: Clock | None = None,
        *,
        over_ssh: bool | None = None,
    ) -> None:
        super().__init__(id="logs")
        self.source = source
        self.book = Logbook()
        self.who: tuple[Identity, ...] = ()
        """Whose logs are shown now."""
        dressed = look_now or look(utf8=True, colours=256, no_color=False)
        self._now = (clock or Clock()).monotonic
        self.over_ssh = describe(os.environ).over_ssh if over_ssh is None else over_ssh
        rate = SSH_BYTES_PER_S if self.over_ssh else LOCAL_BYTES_PER_S
        self.pacer = Pacer(self, self._now, rate, self._paint, self._flush)
        self.view = LogView(self.book, dressed, self.pacer.spent)
        self.status = LogStatus(dressed)
        self.history = History(source, self.book, self._now)
        self._prompt = Input(compact=True)
        self._question: Question = "search"
        self._chosen: tuple[Identity, ...] = ()
        self._title = ""
        self._all = False

    def compose(self) -> ComposeResult:
        """Stack status, lines and the field for questions."""
        yield self.status
        yield self.view
        yield self._prompt

    # ------------------------------------------------------------ the screen's side

    def show(self, chosen: tuple[Identity, ...], title: str) -> None:
        """Show the logs of these instances; what was known of them is there at once."""
        self._title = title
        if chosen != self._chosen or not self.who:
            self._chosen, self._all = chosen, False
            self._watch(chosen)
        self._paint()

    def take(self, chunks: Iterable[LogChunk]) -> None:
        """Take in log bytes and paint them if it is time."""
        now = self._now()
        for chunk in chunks:
            self.book.take(chunk, now)
        self._flush()

    def fleet_changed(self) -> None:
        """Instances may have come or gone."""
        now = everybody(self.source.fleet, self._chosen)
        if self._all and now != self.who:
            self._watch(now)
        for name in list(self.history.problems):
            app = self.source.fleet.apps.get(name)
            if app is not None and app.link == "live":
                self.history.retry(name, self.who)
        self._paint()

    # ------------------------------------------------------------ for the commands

    def action_log(self, name: str) -> None:
        """Do what a key stands for, and paint at once."""
        held = self.view.window.at_top and not self.view.window.follow
        log_commands.run(self, name)
        if held and name in ("up", "half_up", "page_up", "first") and self.view.window.at_top:
            self.history.older(self.book.selected_streams())
        self._paint()

    def toggle_all(self) -> None:
        """Show all instances of the apps, or only those that were chosen."""
        self._all = not self._all
        self._watch(everybody(self.source.fleet, self._chosen) if self._all else self._chosen)

    def ask(self, question: Question) -> None:
        """Open the field for a search or a filter."""
        self._question = question
        self._prompt.placeholder = _HINTS[question]
        self._prompt.value = ""
        self._prompt.display = True
        self._prompt.focus()

    def write_to_terminal(self, sequence: str) -> None:
        """Send a sequence of our own making past the screen."""
        driver = self.app._driver  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if driver is not None:  # Textual's own way to copy has no limit and knows no tmux
            driver.write(sequence)

    # ------------------------------------------------------------ events

    def on_input_changed(self, event: Input.Changed) -> None:
        """Light up matches while a search is typed."""
        event.stop()
        if self._question == "search":
            self.view.look_for(Matcher(event.value) if event.value else None)
            self._paint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search or filter for what was typed."""
        event.stop()
        self._prompt.display = False
        self.focus()
        if self._question == "filter":
            self.view.sift(parsed(event.value, self.view.shown.filter))
        elif event.value:
            log_commands.seek_match(self, -1)
        self._paint()

    def on_focus(self) -> None:
        """Show the cursor strongly."""
        self.view.active = True
        self._paint()

    def on_blur(self) -> None:
        """Show the cursor weakly."""
        self.view.active = False
        self._paint()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Scroll with the wheel."""
        self._wheel(event, 3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Scroll with the wheel."""
        self._wheel(event, -3)

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse is."""
        if event.widget is self.view:
            seq = self.view.seq_at(event.y)
            if seq is not None:
                self.view.window.go(seq)
                self._paint()

    # ------------------------------------------------------------ inside

    def _watch(self, identities: tuple[Identity, ...]) -> None:
        self.who = identities
        self.source.follow_logs(identities)
        self.book.let_go()
        self.book.select(identities)
        names, cells = names_of(identities)
        self.view.dress(names=names, name_cells=cells)
        self.view.begin()
        self.history.open(identities)

    def _flush(self) -> None:
        """Bring what came into the view, and paint it now or as soon as the budget allows."""
        view = self.view
        places = None if view.window.follow else view.window.places(self.book.merged)
        done = self.book.flush(self._now())
        self.view.took(done)
        if done.reshaped and places is not None:
            view.window.restore(self.book.merged, places)
        if done.reshaped or done.grew or (done.appended and view.window.follow):
            self.pacer.soon(flood=done.appended >= view.window.height)
        elif self.is_mounted:
            self._say()
        self.pacer.wake_at(self.book.due_at)

    def _paint(self) -> None:
        if not self.view.window.follow:
            self.book.hold()
        elif self.book.reading:
            self.book.let_go()
            self.view.shown.refresh()
        if self.is_mounted:
            self.view.empty = why_empty(self.source.fleet, self.history, self.who)
            self.view.repaint()
            self._say()

    def _say(self) -> None:
        name = self._title + (" (all)" if self._all else "")
        loading = bool(self.who) and self.history.opening(self.who)
        problem = problem_of(self.source.fleet, self.history.problems, self.who)
        self.status.say(state_of(self.view, name, loading=loading, problem=problem))

    def _wheel(self, event: MouseScrollDown | MouseScrollUp, lines: int) -> None:
        event.stop()
        self.view.window.scroll(lines)
        if lines < 0 and self.view.window.at_top:
            self.history.older(self.book.selected_streams())
        self._paint()


def everybody(fleet: Fleet, chosen: tuple[Identity, ...]) -> tuple[Identity, ...]:
    """Give all instances of the apps of ``chosen``, in the order of the apps."""
    apps = dict.fromkeys(one.app for one in chosen)
    return tuple(
        Identity(name, number)
        for name in apps
        if name in fleet.apps
        for number in sorted(fleet.apps[name].instances)
    )
