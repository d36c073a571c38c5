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
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from monit_agent.client.logbook import Flushed, Logbook
from monit_agent.client.logfilter import Matcher, parsed
from monit_agent.client.logrows import Row
from monit_agent.client.source import LogChunk, Source
from monit_agent.client.view import Identity
from monit_tui.bindings import bind
from monit_tui.clock import Clock
from monit_tui.terminal import describe
from monit_tui.theme import Look, look
from monit_tui.widgets import log_commands
from monit_tui.widgets.log_actions import LOG_ACTIONS
from monit_tui.widgets.log_budget import LOCAL_BYTES_PER_S, SSH_BYTES_PER_S, PaintBudget
from monit_tui.widgets.log_history import History
from monit_tui.widgets.log_render import Names, who
from monit_tui.widgets.log_status import LogStatus, State
from monit_tui.widgets.log_view import LogView

Question = Literal["search", "filter"]
_HINTS: dict[Question, str] = {
    "search": "/ text or regular expression",
    "filter": "& regex   !without   -C 3 context   :err :out   :warn :error",
}
NAME_CELLS = 16
"""Most cells that the name of an instance takes in each row."""


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
        self.budget = PaintBudget(rate, self._now())
        self.view = LogView(self.book, dressed, self._spent)
        self.status = LogStatus(dressed)
        self.history = History(source, self.book, self._now)
        self._prompt = Input(compact=True)
        self._question: Question = "search"
        self._chosen: tuple[Identity, ...] = ()
        self._title = ""
        self._all = False
        self._owed: Timer | None = None
        self._unfinished: Timer | None = None

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
        if self._all and self._everybody() != self.who:
            self._watch(self._everybody())
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

    def row_here(self) -> Row | None:
        """Give the row under the cursor: while following, the last one."""
        view = self.view
        if not len(view.shown):
            return None
        last = len(view.shown) - 1
        index = last if view.window.follow else min(view.shown.index(view.window.cursor), last)
        return self.book.merged.row(view.shown.seq(index))

    def toggle_all(self) -> None:
        """Show all instances of the apps, or only those that were chosen."""
        self._all = not self._all
        self._watch(self._everybody() if self._all else self._chosen)

    def ask(self, question: Question) -> None:
        """Open the field for a search or a filter."""
        self._question = question
        self._prompt.placeholder = _HINTS[question]
        self._prompt.value = ""
        self._prompt.display = True
        self._prompt.focus()

    def tell(self, text: str, *, bad: bool = False) -> None:
        """Say something to the reader."""
        self.notify(text, severity="error" if bad else "information", markup=False)

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
        self._close_prompt()
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
        self._name_rows()
        self.view.begin()
        self.history.open(identities)

    def _name_rows(self) -> None:
        apps = {one.app for one in self.who}
        names: Names = "none" if len(self.who) < 2 else "number" if len(apps) == 1 else "full"
        cells = 0
        if names != "none":
            cells = min(NAME_CELLS, max(len(who(one, names)) for one in self.who))
        self.view.dress(names=names, name_cells=cells)

    def _everybody(self) -> tuple[Identity, ...]:
        fleet = self.source.fleet
        apps = dict.fromkeys(one.app for one in self._chosen)
        return tuple(
            Identity(name, number)
            for name in apps
            if name in fleet.apps
            for number in sorted(fleet.apps[name].instances)
        )

    def _flush(self) -> None:
        """Bring what came into the view, and paint it now or as soon as the budget allows."""
        view = self.view
        places = None if view.window.follow else view.window.places(self.book.merged)
        done = self.book.flush(self._now())
        self._take_in(done)
        if done.reshaped and places is not None:
            view.window.restore(self.book.merged, places)
        if done.reshaped or done.grew or (done.appended and view.window.follow):
            self._paint_soon(flood=done.appended >= view.window.height)
        elif self.is_mounted:
            self._say()
        self._wake_for_unfinished()

    def _take_in(self, done: Flushed) -> None:
        shown = self.view.shown
        if done.reshaped or (done.grew and shown.filter.by_line):
            shown.refresh()
        else:
            shown.update()

    def _paint_soon(self, *, flood: bool) -> None:
        wait = self.budget.wait_s(self._now(), flood=flood)
        if wait <= 0:
            self._paint()
        elif self._owed is None and self.is_mounted:
            self._owed = self.set_timer(wait, self._paint_owed)

    def _paint_owed(self) -> None:
        self._owed = None
        self._paint()

    def _paint(self) -> None:
        if not self.view.window.follow:
            self.book.hold()
        elif self.book.reading:
            self.book.let_go()
            self.view.shown.refresh()
        if self.is_mounted:
            self.view.empty = self._why_empty()
            self.view.repaint()
            self._say()

    def _say(self) -> None:
        window, shown = self.view.window, self.view.shown
        total = max(1, len(shown))
        percent = None if window.follow else round(100 * (shown.index(window.cursor) + 1) / total)
        anchor = window.anchor
        selected = (
            0 if anchor is None else abs(shown.index(anchor) - shown.index(window.cursor)) + 1
        )
        self.status.say(
            State(
                self._title + (" (all)" if self._all else ""),
                window.follow,
                window.unseen + self.book.unkept,
                percent,
                shown.filter,
                self.view.matcher,
                selected,
                loading=bool(self.who) and self.history.opening(self.who),
                problem=self._problem(),
            )
        )

    def _problem(self) -> str:
        fleet = self.source.fleet
        for name in dict.fromkeys(one.app for one in self.who):
            app = fleet.apps.get(name)
            if app is None:
                return f"{name} is gone"
            if app.link in ("stale", "gone"):
                return app.problem or f"no agent of {name} answers"
            if name in self.history.problems:
                return self.history.problems[name]
        return ""

    def _why_empty(self) -> str:
        if not self.who:
            return "no instance is chosen"
        if self.history.opening(self.who):
            return "no lines yet"
        problem = self._problem()
        if problem:
            return problem
        if len(self.who) == 1:
            return f"{self.who[0].app}/{self.who[0].instance} has printed nothing"
        return f"these {len(self.who)} instances have printed nothing"

    def _wake_for_unfinished(self) -> None:
        due = self.book.due_at
        if due is None or self._unfinished is not None or not self.is_mounted:
            return

        def show() -> None:
            self._unfinished = None
            self._flush()

        self._unfinished = self.set_timer(max(0.01, due - self._now()), show)

    def _wheel(self, event: MouseScrollDown | MouseScrollUp, lines: int) -> None:
        event.stop()
        self.view.window.scroll(lines)
        if lines < 0 and self.view.window.at_top:
            self.history.older(self.book.selected_streams())
        self._paint()

    def _close_prompt(self) -> None:
        self._prompt.display = False
        self.focus()

    def _spent(self, count: int) -> None:
        self.budget.spend(count, self._now())
