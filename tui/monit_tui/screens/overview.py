"""The main screen: five panes placed by `monit_tui.panes`, and how the focus goes between them."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.events import DescendantFocus
from textual.geometry import Region
from textual.widget import Widget
from textual.widgets import Input

from monit_agent.client.source import Changes, Source
from monit_tui.actions import Action, Place
from monit_tui.asking import Verb
from monit_tui.bindings import bindings
from monit_tui.clock import Clock
from monit_tui.compositor import TightCompositor
from monit_tui.machine import look_at_machine
from monit_tui.panes import PANES, PaneName, Plan, plan
from monit_tui.registry import offered
from monit_tui.screens.talking import Talking
from monit_tui.theme import Look
from monit_tui.widgets.details import Details
from monit_tui.widgets.footer_bar import FooterBar
from monit_tui.widgets.header_bar import HeaderBar
from monit_tui.widgets.pane import Divider, Pane, PaneTitle
from monit_tui.widgets.process_table import ProcessTable

PLACES: dict[PaneName, Place] = {"processes": "list", "logs": "logs", "metrics": "metrics"}
"""Whose keys the footer shows; the other panes have only the common ones."""


class OverviewScreen(Talking):
    """Composes the panes and routes changes and keys to them."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("global")
    AUTO_FOCUS = "ProcessTable"

    def __init__(
        self, source: Source, look: Look, clock: Clock, *,
        read_only: bool = False, targets: tuple[str, ...] = (), over_ssh: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(source, look)
        self._tight = self._compositor = TightCompositor()
        self._clock, self.read_only = clock, read_only
        chip = "  ".join([*(["read-only"] if read_only else []), *targets])
        self.header = HeaderBar(source.fleet, look, clock, look_at_machine, chip)
        self.footer = FooterBar(look)
        self.table = ProcessTable(source.fleet, look, clock, targets)
        self.details = Details(source, look, clock, over_ssh=over_ssh)
        bodies: dict[PaneName, Widget] = {"processes": self.table, **self.details.bodies}
        self.panes = {name: Pane(name, bodies[name], look) for name in PANES}
        self.recent: tuple[PaneName, ...] = PANES
        self.zoomed: PaneName | None = None
        self._divider = Divider(look)
        self._painted_at = float("-inf")
        self._undoable = False

    def compose(self) -> ComposeResult:
        """Lay out header, panes, footer and the field for the filter."""
        yield self.header
        with Container(id="stage"):
            yield from self.panes.values()
            yield self._divider
        yield Input(id="filter", placeholder="name, state, pid, @namespace, !word", compact=True)
        yield self.footer

    def on_mount(self) -> None:
        """Show what is there already."""
        self.query_one("#filter").display = False
        self.place_panes()
        self.table.rearrange()

    # ------------------------------------------------------------ data

    def hold(self, *, held: bool) -> None:
        """Paint nothing for now, or from now on all at once."""
        self._tight.held = held
        if not held:
            self.refresh()

    def deliver(self, changes: Changes) -> None:
        """Hand on what came. Rows are painted when an app changed, else once a second: numbers
        and ages need no more."""
        for app, happening in changes.happened:
            self.acting.happened(app, happening)
        now = self._clock.monotonic()
        due = now - self._painted_at >= 0.95  # the timer is never quite on time
        if changes.apps or due:
            self._painted_at = now
            self.header.repaint()
            self.table.rearrange()
            if self._undoable != self.acting.can_undo(self.table.cursor):
                self.tell_focus()
        self.details.deliver(changes, due=due)

    def freeze(self, *, frozen: bool) -> None:
        """Hold the display still, and say so."""
        self.header.frozen = frozen
        self.table.freeze(frozen=frozen)
        self.header.repaint()
        self.table.repaint()

    # ------------------------------------------------------------ panes

    @property
    def pane(self) -> PaneName:
        """Give the pane that has the focus, or had it last."""
        return self.recent[0]

    @property
    def place(self) -> Place:
        """Give whose keys count."""
        return PLACES.get(self.pane, "global")

    def place_panes(self) -> None:
        """Put the panes where they belong for this size."""
        width, height = self.app.size
        self.header.display = height >= 6
        self.footer.display = height >= 4
        room = height - self.header.display - self.footer.display
        now = plan(width, room, self.recent, self.zoomed)
        for pane in self.panes.values():
            self._place(pane, now)
        self._divider.display = now.divider is not None
        if now.divider is not None:
            self._divider.crossing = now.crossing
            _put(self._divider, now.divider)
            self._divider.repaint()
        self.tell_focus()

    def _place(self, pane: Pane, now: Plan) -> None:
        slot = now.slot_of(pane.pane_name)
        pane.display = slot is not None
        if slot is not None:
            _put(pane, slot.region)
            pane.title_line.show(tabs=slot.tabs)

    def tell_focus(self) -> None:
        """Let titles and footer say where the focus is."""
        for pane in self.panes.values():
            name = pane.pane_name
            shows = self.table if name == "processes" else self.details
            pane.title_line.show(focused=name == self.pane, info=shows.title_info(name))
        actions = offered(self.place, read_only=self.read_only)
        self._undoable = self.acting.can_undo(self.table.cursor)
        if not self._undoable:
            actions = tuple(action for action in actions if action.id != "list.undo")
        self.footer.show(actions)

    def show_pane(self, name: PaneName) -> None:
        """Bring a pane to the front and give it the focus."""
        self._use(name)
        if self.zoomed is not None:
            self.zoomed = name
        self.place_panes()
        self.panes[name].body.focus()

    def _use(self, name: PaneName) -> None:
        self.recent = (name, *(other for other in self.recent if other != name))

    def target_of(self, action: Action) -> Widget:
        """Give the widget that an action of the registry belongs to."""
        bodies: dict[Place, Widget] = {
            "global": self, "list": self.table,
            "logs": self.panes["logs"].body, "metrics": self.panes["metrics"].body,
        }  # fmt: skip
        return bodies[action.place]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Take away what acts when only looking is allowed."""
        return not (self.read_only and action in {"act", "scale", "undo"})

    # ------------------------------------------------------------ messages

    def on_resize(self) -> None:
        """Place the panes anew."""
        self.place_panes()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Remember which pane is in use."""
        for pane in self.panes.values():
            if pane in event.widget.ancestors_with_self and pane.pane_name != self.pane:
                self._use(pane.pane_name)
                self.tell_focus()

    def on_process_table_moved(self, event: ProcessTable.Moved) -> None:
        """Let the other panes follow once the cursor rests."""
        self.details.follow(event.key, self.table.identities(), self.tell_focus)

    def on_process_table_rearranged(self) -> None:
        """Say in the title how the list is arranged; a selection changes whose logs are shown."""
        self.panes["processes"].title_line.show(info=self.table.title_info("processes"))
        self.details.follow(self.table.cursor, self.table.identities(), self.tell_focus)

    def on_metrics_pane_spanned(self) -> None:
        """Say which time is shown."""
        self.tell_focus()

    def on_pane_title_chosen(self, event: PaneTitle.Chosen) -> None:
        """Show the pane whose tab was clicked."""
        self.show_pane(event.pane)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        if event.input.id != "filter":  # the log pane has a field of its own
            return
        self.table.change(self.table.how._replace(filter=event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and go back to the list."""
        if event.input.id == "filter":
            self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter").display = False
        self.footer.display = True
        self.show_pane("processes")

    # ------------------------------------------------------------ keys

    def action_show(self, pane: PaneName) -> None:
        """Go to a pane."""
        self.show_pane(pane)

    def action_pane(self, step: int) -> None:
        """Go to the next or the previous pane."""
        self.show_pane(PANES[(PANES.index(self.pane) + step) % len(PANES)])

    def action_zoom(self) -> None:
        """Give the pane the whole screen, or take it back."""
        self.zoomed = None if self.zoomed else self.pane
        self.place_panes()

    def action_escape(self) -> None:
        """Clear, else leave zoom, else go back to the list; never quit."""
        if self.query_one("#filter").display or self.table.how.filter:
            self.query_one("#filter", Input).value = ""
            self.table.change(self.table.how._replace(filter=""))
            self._close_filter()
        elif self.pane == "processes" and self.table.picked:
            self.table.action_pick_none()
        elif self.zoomed:
            self.action_zoom()
        elif self.pane != "processes":
            self.show_pane("processes")

    def action_back(self) -> None:
        """Leave zoom, else go back to the list, else quit."""
        if self.zoomed:
            self.action_zoom()
        elif self.pane != "processes":
            self.show_pane("processes")
        else:
            self.app.exit()

    def action_filter(self) -> None:
        """Open the field for the filter where the footer is."""
        field = self.query_one("#filter", Input)
        field.display, self.footer.display = True, False
        field.focus()

    def action_act(self, verb: Verb) -> None:
        """Do something to the chosen rows."""
        self.acting.act(verb, self.table.chosen())

    def action_scale(self) -> None:
        """Scale the app under the cursor."""
        if self.table.cursor is not None:
            self.acting.scale(self.table.cursor)

    def action_undo(self) -> None:
        """Call off what is under way in the app under the cursor."""
        if self.table.cursor is not None:
            self.acting.undo(self.table.cursor)

    def action_sort_menu(self) -> None:
        """Choose what to sort by."""
        how = self.table.how
        self.choose_sort(
            how.sort, lambda column: self.table.change(how._replace(sort=column, reverse=False))
        )

    def action_help(self) -> None:
        """Show all keys."""
        self.show_help(self.place, self.look, read_only=self.read_only)


def _put(widget: Widget, region: Region) -> None:
    styles = widget.styles
    styles.offset = (region.x, region.y)
    styles.width, styles.height = region.width, region.height
