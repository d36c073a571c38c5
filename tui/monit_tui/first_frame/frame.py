"""The first frame: header, list, the titles of the other panes, and footer, as the screen draws
them from the same data. What else the panes show comes with the frame that follows.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from monit_agent.client.view import Fleet
from monit_agent.wire.ids import InstanceId
from monit_tui.clock import Clock
from monit_tui.first_frame.escapes import Colours, TraitParts, line_bytes, traits_of
from monit_tui.keys.actions import REGISTRY, KeyAction, footer_actions
from monit_tui.keys.keymap import fill_keys
from monit_tui.model.charts.time_axis import DEFAULT_SPAN_S, span_text
from monit_tui.model.footer_line import footer_line
from monit_tui.model.header_line import HeaderTexts, header_parts
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
from monit_tui.model.machine import MachineFigures
from monit_tui.model.processes.rows import Arrangement, arrange_rows, row_facts, row_name
from monit_tui.model.title_line import PaneTitleText, divider_glyphs, title_line
from monit_tui.palettes import Glyphs, LookTraits, TextTraits, ToneParts, legible_tone
from monit_tui.widgets.processes.columns import COLUMN_NAMES
from monit_tui.widgets.processes.list_lines import (
    ListSource,
    ListState,
    arrangement_text,
    draw_list,
    fold_limit,
)
from monit_tui.widgets.processes.painter import RowPainter


class FrameLook(NamedTuple):
    """Glyphs, traits of text, and the colours that the terminal shows."""

    glyphs: Glyphs
    traits: LookTraits
    colours: Colours


class FrameView(NamedTuple):
    """What the user chose of the view."""

    arrangement: Arrangement = Arrangement()
    hidden_columns: frozenset[str] = frozenset()
    column_order: tuple[str, ...] = COLUMN_NAMES
    actions: tuple[KeyAction, ...] = REGISTRY
    """All actions, with the user's keys."""
    read_only: bool = False
    chip: str = ""
    """What the header says of the command line."""


class FrameData(NamedTuple):
    """What is shown."""

    fleet: Fleet
    machine: MachineFigures
    clock: Clock
    error_of: Callable[[InstanceId], str] = lambda _: ""
    """The line in which an instance's last worker named its error. The first frame of a live home
    has none: they would have to be fetched."""


class FirstFrame:
    """Draws one frame of a fleet."""

    def __init__(
        self, data: FrameData, look: FrameLook, view: FrameView, size: tuple[int, int]
    ) -> None:
        self._fleet, self._machine, self._clock, error_of = data
        self._look, self._view = look, view
        self._width, self._height = size
        self._below = int(has_header(self._height))
        """The first line below the header."""
        self._sent: list[str] = []
        with_keys = partial(fill_keys, actions=view.actions)
        self._painter = RowPainter(
            data.fleet, look.glyphs, data.clock, with_keys, error_of=error_of
        )
        facts = partial(row_facts, data.fleet, now=data.clock.now(), flat=view.arrangement.flat)
        self._source = ListSource(data.fleet, look.glyphs, facts, _none_above, with_keys)

    def text(self) -> str:
        """Return the sequences that draw the frame on an empty screen."""
        ground = self._look.traits.ground
        if ground.ground:  # the theme paints the page
            for y in range(self._height):
                self._write(0, y, [], self._width, ground)
        tall = self._height >= TALL + 2
        layout, state = self._lay_out(is_tall=tall)
        if self._below:
            self._write_header()
        for slot in layout.slots:
            info = self._title_info(slot.shown, state)
            self._write_title(slot.region, PaneTitleText(
                slot.shown, slot.tabs, info, focused=slot.shown == "processes"
            ))  # fmt: skip
            if slot.shown == "processes":
                self._write_list(slot.region, state)
        if layout.divider is not None:
            self._write_divider(layout.divider, layout.crossings)
        if has_footer(self._height):
            self._write_footer(state)
        return "".join(self._sent)

    def _lay_out(self, *, is_tall: bool) -> tuple[ScreenLayout, ListState]:
        """Return the places of the panes, and the rows: on a tall screen each depends on the
        other."""
        room = self._height - self._below - has_footer(self._height)
        plan = partial(lay_out, self._width, room, PANES, None)
        layout = plan(None)
        first = layout.slot_of("processes")
        pane_height = first.region.height - 1 if first is not None else 0
        how = self._view.arrangement._replace(fold_over=fold_limit(pane_height, is_tall=is_tall))
        rows = arrange_rows(self._fleet, how, self._clock.now())
        state = ListState(
            rows, rows[0] if rows else None, how,
            hidden_columns=self._view.hidden_columns, column_order=self._view.column_order,
        )  # fmt: skip
        needed = self._painter.lines_needed(rows, self._height) if is_tall else None
        return (layout if needed is None else plan(kept_rows(needed, None))), state

    def _title_info(self, pane: PaneName, state: ListState) -> str:
        if pane == "processes":
            return arrangement_text(state.arrangement)
        name = row_name(state.cursor) if state.cursor is not None else ""
        if pane == "metrics":
            return ", ".join(filter(None, (name, span_text(DEFAULT_SPAN_S))))
        return name if pane == "metadata" else ""

    def _write_header(self) -> None:
        look, texts = self._look, HeaderTexts(self._machine, self._view.chip)
        parts = header_parts(self._fleet, self._clock.now(), texts, look.glyphs, self._width)
        self._write_bar(0, parts)

    def _write_footer(self, state: ListState) -> None:
        actions = footer_actions("list", read_only=self._view.read_only, actions=self._view.actions)
        app = self._fleet.apps.get(state.cursor.app) if state.cursor is not None else None
        reloading = app is not None and app.rollout is not None and app.rollout.under_way
        shown = tuple(action for action in actions if reloading or action.id != "list.undo")
        self._write_bar(self._height - 1, footer_line(shown, self._width).parts)

    def _write_bar(self, y: int, parts: ToneParts) -> None:
        traits = self._look.traits
        self._write(0, y, traits_of(parts, traits.bars, traits.raised), self._width, traits.raised)

    def _write_title(self, region: ScreenRegion, title: PaneTitleText) -> None:
        if region.width and region.height:
            parts = title_line(title, self._view.actions, self._look.glyphs, region.width).parts
            self._write_page(region.x, region.y, parts, region.width)

    def _write_list(self, region: ScreenRegion, state: ListState) -> None:
        width, height = region.width, region.height - 1
        if not width or height <= 0:
            return
        drawn = draw_list(self._source, self._painter, state, (width, height), self._clock.now())
        for y, line in enumerate(drawn.lines[:height], region.y + 1):
            if line.on_bar:
                self._write_cursor_row(region.x, y, line.parts, width)
            else:
                self._write_page(region.x, y, line.parts, width)

    def _write_cursor_row(self, x: int, y: int, parts: ToneParts, width: int) -> None:
        traits = self._look.traits
        bar = traits.bar.over(traits.ground)
        shown = [
            (text, traits.bars[legible_tone(tone)].over(bar) if traits.bar.ground else bar)
            for text, tone in parts
        ]
        self._write(x, y + self._below, shown, width, bar)

    def _write_divider(self, region: ScreenRegion, crossings: tuple[int, int]) -> None:
        joints = divider_glyphs(crossings, region.height, self._look.glyphs)
        for y, glyph in enumerate(joints, region.y):
            self._write_page(region.x, y, [(glyph, "muted")], region.width)

    def _write_page(self, x: int, y: int, parts: ToneParts, width: int) -> None:
        traits = self._look.traits
        shown = traits_of(parts, traits.page, traits.ground)
        self._write(x, y + self._below, shown, width, traits.ground)

    def _write(self, x: int, y: int, parts: TraitParts, width: int, fill: TextTraits) -> None:
        self._sent.append(line_bytes((x, y), parts, width, fill, self._look.colours))


def _none_above(_top: int) -> int:
    """Return how many problems stand above the first row: it is in view."""
    return 0
