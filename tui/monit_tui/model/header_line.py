"""The top line: what is in trouble, then host, apps, load, memory, time of day. Pure: the first
frame is drawn with it before Textual is imported.
"""

import time
from collections import Counter
from typing import NamedTuple

from rich.cells import cell_len

from monit_agent.client.text.format import format_bytes
from monit_agent.client.view import Fleet
from monit_tui.model.hosts import answering_text, traffic_text
from monit_tui.model.machine import MachineFigures
from monit_tui.model.processes.condition import (
    DONE,
    TROUBLE,
    ClockReading,
    Condition,
    fleet_conditions,
)
from monit_tui.palettes import Glyphs, Tone, ToneParts

_TONES: dict[str, Tone] = {
    "errored": "bad", "crashing": "bad", "stuck": "bad", "unhealthy": "bad", "no keeper": "bad",
    "reload failed": "bad",
}  # fmt: skip
"""All other problems are warnings."""


class HeaderPart(NamedTuple):
    """A piece of the line."""

    text: str
    tone: Tone
    rank: int
    """The highest rank is left out first; 0 never."""


class HeaderTexts(NamedTuple):
    """What the line says besides the state of the fleet."""

    machine: MachineFigures
    chip: str = ""
    """What was asked for on the command line."""
    frozen: str = ""
    """What is said of a frozen display; "" when it is not."""


def header_parts(
    fleet: Fleet, now: ClockReading, texts: HeaderTexts, glyphs: Glyphs, width: int
) -> ToneParts:
    """Return the line. What does not fit is left out, trouble never."""
    hour = time.strftime("%H:%M", time.localtime(now.wall))
    conditions = fleet_conditions(fleet, now)
    trouble = _trouble(conditions, glyphs, width)
    if texts.frozen:
        trouble.insert(0, HeaderPart(f" {texts.frozen} ", "warn", 0))
    left = [HeaderPart(" monit ", "accent", 0), *trouble]
    right = [*_state(fleet, conditions, texts), HeaderPart(f"  {hour} ", "muted", 4)]
    parts = left + right
    while sum(cell_len(part.text) for part in parts) > width:
        last = max(parts, key=lambda part: part.rank)
        if not last.rank:
            break
        parts.remove(last)
    shown: ToneParts = [(part.text, part.tone) for part in parts]
    place = sum(part in left for part in parts)
    gap = max(0, width - sum(cell_len(part.text) for part in parts))
    shown.insert(place, (" " * gap, "plain"))
    return shown


def _trouble(conditions: list[Condition], glyphs: Glyphs, width: int) -> list[HeaderPart]:
    """Return how many instances are in trouble, by kind, the worst first."""
    worst = sorted(
        (one for one in conditions if one.severity >= TROUBLE), key=lambda one: -one.severity
    )
    counts = Counter(one.counted_as for one in worst)
    tones: dict[str, Tone] = {kind: _TONES.get(kind, "warn") for kind in counts}
    parts = [HeaderPart(f" {n} {kind} ", tones[kind], 0) for kind, n in counts.items()]
    if sum(cell_len(part.text) for part in parts) > width - 14:
        signs = Counter[Tone](tones[one.counted_as] for one in worst)
        parts = [
            HeaderPart(f" {glyphs.error if tone == 'bad' else glyphs.warn}{n}", tone, 0)
            for tone, n in signs.items()
        ]
    return parts


def _state(fleet: Fleet, conditions: list[Condition], texts: HeaderTexts) -> list[HeaderPart]:
    apps, up = len(fleet.apps), sum(one.is_up for one in conditions)
    expected = sum(one.word != DONE for one in conditions)
    machine, hosts = texts.machine, fleet.hosts
    name = answering_text(fleet) if hosts else machine.host
    parts = [HeaderPart(f" {name} ", "strong", 3)]
    if texts.chip:
        parts.append(HeaderPart(f" {texts.chip} ", "busy", 1))
    parts.append(HeaderPart(f"  {apps} app{'' if apps == 1 else 's'}", "muted", 5))
    tone: Tone = "good" if up == expected else "plain"
    parts.append(HeaderPart(f"  {up} of {expected} up", tone, 2))
    if hosts and (traffic := traffic_text(fleet)):
        parts.append(HeaderPart(f"   {traffic}", "muted", 7))
    if hosts:
        return parts  # this machine's load would be taken for theirs
    if machine.load is not None:
        parts.append(HeaderPart(f"   load {machine.load:.1f}", "muted", 7))
    if machine.memory_used_bytes is not None:
        used = format_bytes(machine.memory_used_bytes)
        total = format_bytes(machine.memory_total_bytes)
        parts.append(HeaderPart(f"   mem {used} of {total}", "muted", 6))
    return parts
