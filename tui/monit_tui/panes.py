"""Where the panes stand for a size of the terminal. Pure: sizes in, regions out."""

from typing import Literal, NamedTuple

from textual.geometry import Region

PaneName = Literal["processes", "logs", "metrics", "metadata", "events", "blocked"]

PANES: tuple[PaneName, ...] = ("processes", "logs", "metrics", "metadata", "events", "blocked")
"""In the order of the keys 1 to 6 and of Tab."""

TITLES: dict[PaneName, str] = {
    "processes": "Processes",
    "logs": "Logs",
    "metrics": "Metrics",
    "metadata": "Metadata",
    "events": "Events",
    "blocked": "Blocked",
}

WIDE = 120
"""Columns from which four panes stand side by side, as in pm2 monit."""
NARROW = 80
"""Columns below which one pane is shown at a time."""
LOW = 20
"""Rows below which one pane is shown at a time."""


class Slot(NamedTuple):
    """A place on the screen: the pane that is shown in it, and those its tabs lead to."""

    region: Region
    shown: PaneName
    tabs: tuple[PaneName, ...]


class Plan(NamedTuple):
    """The whole screen between header and footer."""

    slots: tuple[Slot, ...]
    divider: Region | None = None
    crossing: int | None = None
    """Row of the divider at which the title lines of the lower panes meet it."""

    def slot_of(self, pane: PaneName) -> Slot | None:
        """Give the slot that shows ``pane`` now."""
        return next((slot for slot in self.slots if slot.shown == pane), None)


def plan(
    width: int, height: int, recent: tuple[PaneName, ...], zoomed: PaneName | None = None
) -> Plan:
    """Place the panes on ``width`` by ``height`` cells.

    ``recent`` has all panes, the one used last first: it decides which tab is on top.
    """
    everywhere = Region(0, 0, max(0, width), max(0, height))
    if zoomed is not None:
        return Plan((Slot(everywhere, zoomed, (zoomed,)),))
    if width < NARROW or height < LOW - 2:
        return Plan((Slot(everywhere, recent[0], PANES),))
    if width < WIDE:
        return _two(width, height, recent)
    return _four(width, height, recent)


def _two(width: int, height: int, recent: tuple[PaneName, ...]) -> Plan:
    above = max(6, height * 9 // 20)
    tabs = PANES[1:]
    return Plan((
        Slot(Region(0, 0, width, above), "processes", ("processes",)),
        Slot(Region(0, above, width, height - above), _latest(recent, tabs), tabs),
    ))  # fmt: skip


def _four(width: int, height: int, recent: tuple[PaneName, ...]) -> Plan:
    left = min(max(58, width * 45 // 100), 96)
    right = width - left - 1
    below = min(max(8, height * 2 // 5), 18)
    above = height - below
    details: tuple[PaneName, ...] = ("metadata", "events", "blocked")
    return Plan(
        (
            Slot(Region(0, 0, left, above), "processes", ("processes",)),
            Slot(Region(left + 1, 0, right, above), "logs", ("logs",)),
            Slot(Region(0, above, left, below), "metrics", ("metrics",)),
            Slot(Region(left + 1, above, right, below), _latest(recent, details), details),
        ),
        divider=Region(left, 0, 1, height),
        crossing=above,
    )


def _latest(recent: tuple[PaneName, ...], tabs: tuple[PaneName, ...]) -> PaneName:
    return next(pane for pane in recent if pane in tabs)
