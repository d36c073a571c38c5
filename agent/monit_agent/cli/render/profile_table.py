"""Profiles as tables for the terminal."""

from collections.abc import Sequence
from typing import Any

from monit_agent.cli.render.table import TableCell, TableColumn, plain_table
from monit_agent.cli.render.visible import visible
from monit_agent.client.profiles.cpu import CpuProfileData, FunctionCost, heaviest
from monit_agent.client.profiles.memory import MemoryGrowth
from monit_agent.client.profiles.words import place_text
from monit_agent.client.text.format import format_bytes, format_percent


def cpu_lines(
    profile: CpuProfileData, costs: Sequence[FunctionCost], cwd: str, rows: int, *, by_wall: bool
) -> list[str]:
    """Return the functions with most time of their own. ``cwd`` is the app's folder."""
    cpu_s, wall_s = profile.cpu_s, sum(each.wall_s or 0.0 for each in profile.stacks)
    whole = wall_s if by_wall else cpu_s
    known = heaviest(costs, by_wall=by_wall)
    titles = [
        *(TableColumn(title, right=True) for title in ("self %", "total %", "self")),
        *([] if by_wall or not wall_s else [TableColumn("waited", right=True)]),
        TableColumn("function"), TableColumn("place"),
    ]  # fmt: skip
    cells = [
        _cells([
            format_percent(100.0 * (cost.self_wall_s if by_wall else cost.self_cpu_s) / whole),
            format_percent(100.0 * (cost.total_wall_s if by_wall else cost.total_cpu_s) / whole),
            f"{cost.self_wall_s if by_wall else cost.self_cpu_s:.2f} s",
            *([] if by_wall or not wall_s
              else [f"{max(0.0, cost.self_wall_s - cost.self_cpu_s):.2f} s"]),
            cost.function.name,
            place_text(cost.function.file, cost.line, cwd),
        ])
        for cost in known[:rows]
    ]  # fmt: skip
    if not cells:
        return ["nothing used the CPU; --wall shows what waited"]
    more = len(known) - rows
    return [
        *plain_table(titles, cells),
        *([f"and {more} more functions"] if more > 0 else []),
    ]


def memory_lines(growth: MemoryGrowth, cwd: str, rows: int) -> list[str]:
    """Return what grew, a table for each kind of thing that is known."""
    lines: list[str] = []
    if growth.places:
        titles = [TableColumn("size", right=True), TableColumn("function"), TableColumn("place")]
        cells = [
            _cells([format_bytes(e.size_bytes), e.function, place_text(e.file, e.line, cwd)])
            for e in growth.places[:rows]
        ]
        lines += [*plain_table(titles, cells), ""]
    if growth.containers:
        titles = [
            TableColumn("entries", right=True), TableColumn("now", right=True),
            TableColumn("container"), TableColumn("held by"),
        ]  # fmt: skip
        cells = [
            _cells([f"+{each.more:,}", f"{each.now:,}", each.kind, each.name or "-"])
            for each in growth.containers[:rows]
        ]
        lines += [*plain_table(titles, cells), ""]
    if growth.types:
        titles = [
            TableColumn("objects", right=True), TableColumn("now", right=True),
            TableColumn("size", right=True), TableColumn("type"),
        ]  # fmt: skip
        cells = [
            _cells([
                f"{each.objects:+,}", f"{each.now:,}",
                ("+" if each.size_bytes >= 0 else "-") + format_bytes(abs(each.size_bytes)),
                each.name,
            ])
            for each in growth.types[:rows]
        ]  # fmt: skip
        lines += [*plain_table(titles, cells), ""]
    return lines[:-1] if lines else ["nothing grew"]


def cost_fields(cost: FunctionCost) -> dict[str, Any]:
    """Return the documented object of one function."""
    return {
        "function": cost.function.name,
        "file": cost.function.file,
        "line": cost.line,
        "self_cpu_s": round(cost.self_cpu_s, 6),
        "total_cpu_s": round(cost.total_cpu_s, 6),
        "self_wall_s": round(cost.self_wall_s, 6),
        "total_wall_s": round(cost.total_wall_s, 6),
    }


def _cells(texts: Sequence[str]) -> list[TableCell]:
    return [TableCell(visible(text)) for text in texts]
