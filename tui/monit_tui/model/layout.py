"""Where the panes are for each size of the terminal. Pure: sizes in, regions out."""

from typing import Literal, NamedTuple

PaneName = Literal["processes", "logs", "metrics", "metadata", "events", "blocked"]

PANES: tuple[PaneName, ...] = ("processes", "logs", "metrics", "metadata", "events", "blocked")
"""In the order of the keys 1 to 6 and of Tab."""

TITLES: dict[PaneName, str] = {
    "processes": "Processes",
    "logs": "Logs",
    "metrics": "Metrics",
    "metadata": "Metadata",
    "events": "Timeline",
    "blocked": "Blocked",
}

WIDE = 120
"""Columns from which four panes are shown, as in pm2 monit."""
NARROW = 80
"""Columns below which one pane is shown at a time."""
LOW = 20
"""Rows below which one pane is shown at a time."""


def has_header(height: int) -> bool:
    """Return whether a terminal of so many lines has room for the header."""
    return height >= 6


def has_footer(height: int) -> bool:
    """Return whether a terminal of so many lines has room for the footer."""
    return height >= 4


LIST_ROWS = 10
"""Fewest rows of the list beside another pane; title and column titles come on top."""
TALL = 40
"""Rows from which the charts get those that the list does not need."""
LIST_STEP = 6
"""The list grows and shrinks by so many rows, so that the panes do not jump with every app."""


class ScreenRegion(NamedTuple):
    """A rectangle of cells."""

    x: int
    y: int
    width: int
    height: int


class PaneSlot(NamedTuple):
    """A region of the screen: the pane that it shows, and the panes of its tabs."""

    region: ScreenRegion
    shown: PaneName
    tabs: tuple[PaneName, ...]


class ScreenLayout(NamedTuple):
    """The whole screen between header and footer."""

    slots: tuple[PaneSlot, ...]
    divider: ScreenRegion | None = None
    crossings: tuple[int, int] = (-1, -1)
    """Rows of the divider at which the title lines of the lower panes meet it: left and right."""

    def slot_of(self, pane: PaneName) -> PaneSlot | None:
        """Return the slot that shows ``pane``; None when it is hidden."""
        return next((slot for slot in self.slots if slot.shown == pane), None)


def lay_out(
    width: int, height: int, recent: tuple[PaneName, ...], zoomed: PaneName | None = None,
    list_rows: int | None = None,
) -> ScreenLayout:  # fmt: skip
    """Return the places of the panes on ``width`` by ``height`` cells.

    ``recent`` has all panes, the one used last first; it decides which tab is shown.
    ``list_rows`` is how many rows of the list there are; None: more than there is room for.
    """
    everywhere = ScreenRegion(0, 0, max(0, width), max(0, height))
    if zoomed is not None:
        return ScreenLayout((PaneSlot(everywhere, zoomed, (zoomed,)),))
    if width < NARROW or height < LOW - 2:
        return ScreenLayout((PaneSlot(everywhere, recent[0], PANES),))
    if width < WIDE:
        return _two(width, height, recent)
    return _four(width, height, recent, list_rows)


def kept_rows(needed: int, kept: int | None) -> int:
    """Return for how many rows of the list there is room, given how many are needed now and for how
    many there was room: it grows at once, and shrinks when two steps are free."""
    room = -(-needed // LIST_STEP) * LIST_STEP
    return kept if kept is not None and room <= kept < room + 2 * LIST_STEP else room


def _two(width: int, height: int, recent: tuple[PaneName, ...]) -> ScreenLayout:
    above = max(LIST_ROWS + 2, height * 9 // 20)
    tabs = PANES[1:]
    return ScreenLayout((
        PaneSlot(ScreenRegion(0, 0, width, above), "processes", ("processes",)),
        PaneSlot(ScreenRegion(0, above, width, height - above), _latest(recent, tabs), tabs),
    ))  # fmt: skip


def _four(
    width: int, height: int, recent: tuple[PaneName, ...], list_rows: int | None
) -> ScreenLayout:
    left = min(max(58, width * 46 // 100), 110)
    right = width - left - 1
    below = min(max(8, height * 2 // 5), 18)
    above = at_left = height - below
    if height >= TALL and list_rows is not None:
        at_left = max(LIST_ROWS + 2, min(above, list_rows + 2))
    details: tuple[PaneName, ...] = ("metadata", "events", "blocked")
    return ScreenLayout(
        (
            PaneSlot(ScreenRegion(0, 0, left, at_left), "processes", ("processes",)),
            PaneSlot(ScreenRegion(left + 1, 0, right, above), "logs", ("logs",)),
            PaneSlot(ScreenRegion(0, at_left, left, height - at_left), "metrics", ("metrics",)),
            PaneSlot(
                ScreenRegion(left + 1, above, right, below), _latest(recent, details), details
            ),
        ),
        divider=ScreenRegion(left, 0, 1, height),
        crossings=(at_left, above),
    )


def _latest(recent: tuple[PaneName, ...], tabs: tuple[PaneName, ...]) -> PaneName:
    return next(pane for pane in recent if pane in tabs)
