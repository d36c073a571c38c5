"""The main screen: six panes, placed by `model/layout.py`, and the focus between them."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.events import DescendantFocus
from textual.widget import Widget
from textual.widgets import Input

from monit_agent.client.source import Changes, Source
from monit_tui.clock import Clock
from monit_tui.compositor import TightCompositor
from monit_tui.keys.actions import REGISTRY, KeyAction, KeyScope, footer_actions
from monit_tui.keys.bindings import bindings_of
from monit_tui.model.confirmation import Verb
from monit_tui.model.layout import (
    PANES,
    TALL,
    PaneName,
    ScreenLayout,
    ScreenRegion,
    has_footer,
    has_header,
    kept_rows,
    lay_out,
)
from monit_tui.model.machine import read_machine
from monit_tui.model.processes.rows import nearest_row
from monit_tui.palettes import Tone
from monit_tui.screens.dialogs import ScreenWithDialogs
from monit_tui.theme_switch import ThemeSwitch
from monit_tui.widgets.charts.metrics_pane import MetricsPane
from monit_tui.widgets.command_line import CommandLine
from monit_tui.widgets.details import DetailPanes
from monit_tui.widgets.footer_bar import FooterBar
from monit_tui.widgets.header_bar import HeaderBar
from monit_tui.widgets.log.pane import LogPane
from monit_tui.widgets.notice_bar import NoticeBar
from monit_tui.widgets.pane import Divider, Pane, PaneTitle
from monit_tui.widgets.processes.table import ProcessTable
from monit_tui.widgets.timeline import HINT as EVENTS_HINT
from monit_tui.widgets.timeline import TimelinePane

PANE_SCOPES: dict[PaneName, KeyScope] = {
    "processes": "list", "logs": "logs", "metrics": "metrics", "events": "events",
}  # fmt: skip
"""Panes with keys of their own; the other panes have only the global ones."""

LIST_HINT = "filter: name, state, pid, @namespace; !word excludes"


class OverviewScreen(ScreenWithDialogs):
    """Composes the panes and routes changes and keys to them."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("global")
    AUTO_FOCUS = "ProcessTable"

    def __init__(
        self, source: Source, themes: ThemeSwitch, clock: Clock, *,
        read_only: bool = False, targets: tuple[str, ...] = (), over_ssh: bool = False,
        actions: tuple[KeyAction, ...] = REGISTRY,
    ) -> None:  # fmt: skip
        look = themes.look
        super().__init__(source, look, actions)
        self.themes = themes
        self._tight = self._compositor = TightCompositor()
        self._clock, self.read_only = clock, read_only
        chip = "  ".join([*(["read-only"] if read_only else []), *targets])
        self.header = HeaderBar(source.fleet, look, clock, read_machine, chip)
        self.footer = FooterBar(look)
        self.notice = NoticeBar(look)
        self.command_line = CommandLine(look)
        self.table = ProcessTable(source, look, clock, targets)
        self.details = DetailPanes(source, look, clock, self.table.last_errors, over_ssh=over_ssh)
        bodies: dict[PaneName, Widget] = {"processes": self.table, **self.details.bodies}
        self.panes = {name: Pane(name, bodies[name], look) for name in PANES}
        self.recent: tuple[PaneName, ...] = PANES
        self.zoomed: PaneName | None = None
        self._divider = Divider(look)
        self._painted_at = float("-inf")
        self._undoable = False
        self._filters_events = False
        self.list_rows: int | None = None
        """For how many rows the list has room; None: as many as fit."""

    def compose(self) -> ComposeResult:
        """Lay out header, panes, footer and the field for the filter."""
        yield self.header
        with Container(id="stage"):
            yield from self.panes.values()
            yield self._divider
        yield Input(
            id="filter",
            placeholder=LIST_HINT,
            compact=True,
        )
        yield self.command_line
        yield self.command_line.hint
        yield self.footer
        yield self.notice

    def on_mount(self) -> None:
        """Show the data that has arrived."""
        self.query_one("#filter").display = self.notice.display = False
        self.place_panes()
        self.table.update_rows()

    # ------------------------------------------------------------ data

    def pause_painting(self, *, paused: bool) -> None:
        """Pause painting, or resume it and paint everything."""
        self._tight.paused = self.details.follows_at_once = paused
        if not paused:
            self.refresh()

    def deliver(self, changes: Changes) -> None:
        """Pass changes to the panes. Rows are painted when an app changed, else once a second,
        which is enough for numbers and ages."""
        for app, event in changes.events:
            self.actions.show_event(app, event)
        now = self._clock.monotonic()
        due = now - self._painted_at >= 0.95  # below 1: the timer may be late
        if changes.apps or due:
            self._painted_at = now
            self.header.repaint()
            self.table.update_rows()
            _fit_list(self)
            if self._undoable != self.actions.can_undo(self.table.cursor):
                self.update_titles()
        self.details.deliver(changes, due=due)

    def show_bar(self, text: str, tone: Tone) -> None:
        """Show a notice in place of the footer."""
        if self.is_mounted:
            self.notice.show(text, tone, self.app.size)

    def freeze(self, *, frozen: bool) -> None:
        """Freeze the display and show that in the header, or resume."""
        self.header.frozen = self.with_keys("FROZEN, {freeze} resumes") if frozen else ""
        self.table.freeze(frozen=frozen)
        self.header.repaint()
        self.table.repaint()

    # ------------------------------------------------------------ panes

    @property
    def pane(self) -> PaneName:
        """Return the pane that has the focus, or the last one that had it."""
        return self.recent[0]

    @property
    def key_scope(self) -> KeyScope:
        """Return the scope of the keys that work now."""
        return PANE_SCOPES.get(self.pane, "global")

    def place_panes(self) -> None:
        """Place the panes for the present size."""
        width, height = self.app.size
        self.header.display = has_header(height)
        self.footer.display = has_footer(height)
        room = height - self.header.display - self.footer.display
        now = lay_out(width, room, self.recent, self.zoomed, self.list_rows)
        for pane in self.panes.values():
            self._place(pane, now)
        self._divider.display = now.divider is not None
        if now.divider is not None:
            self._divider.crossings = now.crossings
            _put(self._divider, now.divider)
            self._divider.repaint()
        self.update_titles()

    def _place(self, pane: Pane, now: ScreenLayout) -> None:
        slot = now.slot_of(pane.pane_name)
        pane.display = slot is not None
        if slot is not None:
            _put(pane, slot.region)
            pane.title_line.show(tabs=slot.tabs)

    def update_titles(self) -> None:
        """Update titles and footer to the pane with the focus."""
        for pane in self.panes.values():
            name = pane.pane_name
            shows = self.table if name == "processes" else self.details
            pane.title_line.show(focused=name == self.pane, info=shows.title_info(name))
        actions = footer_actions(self.key_scope, read_only=self.read_only, actions=self.key_actions)
        self._undoable = self.actions.can_undo(self.table.cursor)
        if not self._undoable:
            actions = tuple(action for action in actions if action.id != "list.undo")
        self.footer.show(actions)

    def show_pane(self, name: PaneName) -> None:
        """Show a pane and move the focus to it."""
        self._use(name)
        if self.zoomed is not None:
            self.zoomed = name
        self.place_panes()
        self.set_focus(self.panes[name].body)  # at once: the next key belongs to it

    def _use(self, name: PaneName) -> None:
        self.recent = (name, *(other for other in self.recent if other != name))

    def target_of(self, action: KeyAction) -> Widget:
        """Return the widget that handles an action of the registry."""
        bodies: dict[KeyScope, Widget] = {
            "global": self, "list": self.table,
            "logs": self.panes["logs"].body, "metrics": self.panes["metrics"].body,
            "events": self.details.events,
        }  # fmt: skip
        return bodies[action.scope]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Disable the actions that change apps when the screen is read-only."""
        return not (self.read_only and action in {"act", "scale", "undo", "profile"})

    # ------------------------------------------------------------ messages

    def on_resize(self) -> None:
        """Place the panes, and a notice, for the new size."""
        self.notice.place(self.app.size)
        self.place_panes()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Remember which pane has the focus."""
        for pane in self.panes.values():
            if pane in event.widget.ancestors_with_self and pane.pane_name != self.pane:
                self._use(pane.pane_name)
                self.update_titles()

    def on_process_table_cursor_moved(self, event: ProcessTable.CursorMoved) -> None:
        """Show the row in the other panes once the cursor rests."""
        self.details.follow(event.key, self.table.identities(), self.update_titles)

    def on_process_table_rows_changed(self) -> None:
        """Show the order in the title, and the logs of the selected rows."""
        _fit_list(self)
        self.panes["processes"].title_line.show(info=self.table.title_info("processes"))
        self.details.follow(self.table.cursor, self.table.identities(), self.update_titles)

    def on_metrics_pane_times_changed(self) -> None:
        """Show the times in the title."""
        self.update_titles()

    def on_metrics_pane_moment_chosen(self, event: MetricsPane.MomentChosen) -> None:
        """Show the moment in the log; at once, and in front, if that is what the user wants."""
        if event.go:
            self.show_pane("logs")
            self.details.moment.show_in_log(event.at)
        else:
            self.details.moment.choose(event.at, "metrics")

    def on_log_pane_line_reached(self, event: LogPane.LineReached) -> None:
        """Show the moment of the log's cursor in the charts."""
        self.details.moment.choose(event.at, "logs")

    def on_timeline_pane_narrowed(self) -> None:
        """Show apps and filter of the timeline in its title."""
        self.update_titles()

    def on_timeline_pane_event_chosen(self, event: TimelinePane.EventChosen) -> None:
        """Show the moment of an event in the log and the charts of its app."""
        key = nearest_row(self.table.rows, event.app_id, event.event.instance)
        if key is None:
            self.show_notice(f"{event.app_id} is not in the list; its filter hides it")
            return
        self.table.move_to(self.table.rows.index(key))
        self.details.show_now(key, self.table.identities(), self.update_titles)
        self.show_pane("logs")
        self.details.moment.show_everywhere(event.event.at)

    async def on_footer_bar_clicked(self, event: FooterBar.Clicked) -> None:
        """Do what the footer's label says, as its key does."""
        action = event.action
        await self.app.run_action(action.handler, self.target_of(action))

    def on_pane_title_tab_chosen(self, event: PaneTitle.TabChosen) -> None:
        """Show the pane whose tab was clicked."""
        self.show_pane(event.pane)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the user types."""
        if event.input.id != "filter":  # the log pane has its own field
            return
        if self._filters_events:
            self.details.events.set_filter(event.value)
        else:
            self.table.set_arrangement(self.table.arrangement._replace(filter=event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and return to its pane."""
        if event.input.id == "filter":
            self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter").display = False
        self.footer.display = True
        self.show_pane("events" if self._filters_events else "processes")

    def on_command_line_entered(self) -> None:
        """Show the footer again; the app carries the command out."""
        self.footer.display = True

    # ------------------------------------------------------------ keys

    def action_show(self, pane: PaneName) -> None:
        """Go to a pane."""
        self.show_pane(pane)

    def action_pane(self, step: int) -> None:
        """Go to the next or the previous pane."""
        self.show_pane(PANES[(PANES.index(self.pane) + step) % len(PANES)])

    def action_zoom(self) -> None:
        """Zoom the pane to the whole screen, or restore it."""
        self.zoomed = None if self.zoomed else self.pane
        self.place_panes()

    def action_escape(self) -> None:
        """Act on the pane with the focus: clear filter or selection of the list, else unzoom, else
        go to the list; never quit."""
        in_list = self.pane == "processes"
        if self._filters_events and self.query_one("#filter").display:
            self.details.events.set_filter("")
            self._close_filter()
        elif in_list and (self.query_one("#filter").display or self.table.arrangement.filter):
            self.query_one("#filter", Input).value = ""
            self.table.set_arrangement(self.table.arrangement._replace(filter=""))
            self._close_filter()
        elif in_list and self.table.picked:
            self.table.action_pick_only()
        elif self.zoomed:
            self.action_zoom()
        elif self.pane != "processes":
            self.show_pane("processes")

    def action_back(self) -> None:
        """Unzoom, else go to the list, else quit."""
        if self.zoomed:
            self.action_zoom()
        elif self.pane != "processes":
            self.show_pane("processes")
        else:
            self.app.exit()

    def action_filter(self) -> None:
        """Open the field for the filter in place of the footer."""
        field = self.query_one("#filter", Input)
        self._filters_events = self.pane == "events"
        now = self.details.events.filter if self._filters_events else self.table.arrangement.filter
        with field.prevent(Input.Changed):
            field.value = now
        field.placeholder = EVENTS_HINT if self._filters_events else LIST_HINT
        field.display, self.footer.display = True, False
        self.set_focus(field)

    def action_act(self, verb: Verb) -> None:
        """Carry ``verb`` out on the selected rows, or on the row under the cursor."""
        self.actions.carry_out(verb, self.table.target_rows())

    def action_scale(self) -> None:
        """Scale the app under the cursor."""
        if self.table.cursor is not None:
            self.actions.scale_app(self.table.cursor)

    def action_undo(self) -> None:
        """Cancel the reload of the app under the cursor, else undo the last stop."""
        self.actions.undo(self.table.cursor)

    def action_crashes(self) -> None:
        """Show the last exits of the row under the cursor."""
        if self.table.cursor is not None:
            self.show_crashes(self.table.cursor.owner)

    def action_profile(self) -> None:
        """Profile the worker of the row under the cursor."""
        if self.table.cursor is not None:
            self.profile_worker(self.table.cursor)

    def action_sort_menu(self) -> None:
        """Ask for the column to sort by."""
        how = self.table.arrangement
        self.ask_sort_column(
            how.sort,
            lambda column: self.table.set_arrangement(how._replace(sort=column, reverse=False)),
        )

    def action_columns(self) -> None:
        """Choose the columns of the list."""
        table = self.table
        self.choose_columns(table.hidden_columns, table.column_order, table.set_columns)

    def action_theme(self) -> None:
        """Choose the theme."""
        self.choose_theme(self.themes)

    def action_help(self) -> None:
        """Show all keys."""
        self.show_help(self.key_scope, self.look, read_only=self.read_only)


def _fit_list(screen: OverviewScreen) -> None:
    """Leave the rows that the list does not need to the charts, where there are many."""
    table, height = screen.table, screen.app.size.height
    table.is_tall = height >= TALL + 2
    needed = table.painter.lines_needed(table.rows, height) if table.is_tall else None
    rows = None if needed is None else kept_rows(needed, screen.list_rows)
    if rows != screen.list_rows:
        screen.list_rows = rows
        screen.place_panes()


def _put(widget: Widget, region: ScreenRegion) -> None:
    styles = widget.styles
    styles.offset = (region.x, region.y)
    styles.width, styles.height = region.width, region.height
