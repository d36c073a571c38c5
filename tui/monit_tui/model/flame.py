"""A CPU profile as a tree of calls, and the tree as boxes of whole cells. Pure.

Stacks may be a thousand functions deep, so nothing here calls itself.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from monit_agent.client.profiles.cpu import CpuProfileData

ROOT = -1
"""The number of the node above all stacks, which is no function."""

CallPath = tuple[int, ...]
"""Numbers of functions from below the root to a node; () is the root. It stays the same when the
width changes."""


class CallNode:
    """A function where it was called from: the seconds in it and in what it called there."""

    __slots__ = ("calls", "function", "self_s", "total_s")

    def __init__(self, function: int) -> None:
        self.function = function
        """Its number in the profile, or `ROOT`."""
        self.total_s = 0.0
        self.self_s = 0.0
        self.calls: dict[int, CallNode] = {}

    def largest_first(self) -> list["CallNode"]:
        """Return what it called, what took longest first."""
        return sorted(self.calls.values(), key=lambda node: (-node.total_s, node.function))


def call_tree(profile: CpuProfileData, *, by_wall: bool, callers: bool = False) -> CallNode:
    """Return the stacks as a tree: of calls, or with ``callers`` from each function that ran to
    those that called it."""
    stacks = _weighed(profile, by_wall)
    if callers:
        stacks = ((functions[::-1], seconds) for functions, seconds in stacks)
    return _grown(stacks)


def tree_below(profile: CpuProfileData, function: int, *, by_wall: bool) -> CallNode:
    """Return the tree of what one function called, from wherever it was called itself."""
    return _grown(
        (functions[functions.index(function) :], seconds)
        for functions, seconds in _weighed(profile, by_wall)
        if function in functions
    )


def _weighed(profile: CpuProfileData, by_wall: bool) -> Iterable[tuple[CallPath, float]]:
    for stack in profile.stacks:
        seconds = stack.wall_s if by_wall else stack.cpu_s
        if seconds and stack.functions:
            yield stack.functions, seconds


def _grown(stacks: Iterable[tuple[CallPath, float]]) -> CallNode:
    root = CallNode(ROOT)
    for functions, seconds in stacks:
        node = root
        node.total_s += seconds
        for function in functions:
            below = node.calls.get(function)
            if below is None:
                below = node.calls[function] = CallNode(function)
            node = below
            node.total_s += seconds
        node.self_s += seconds
    return root


def node_at(root: CallNode, path: CallPath) -> CallNode | None:
    """Return the node of a path, None where there is none."""
    node: CallNode | None = root
    for function in path:
        if node is None:
            return None
        node = node.calls.get(function)
    return node


class FlameBox(NamedTuple):
    """A node and its cells in its row: from ``start`` to before ``end``."""

    path: CallPath
    node: CallNode
    start: int
    end: int


def lay_out_flame(
    root: CallNode, zoom: CallPath, width: int, rows: int
) -> list[tuple[FlameBox, ...]]:
    """Return the rows of boxes from the top: what leads to the zoomed node and that node, each as
    wide as everything, then what it called in proportion. What is narrower than half a cell has no
    box. There are at most ``rows`` rows below the zoomed node."""
    lines: list[tuple[FlameBox, ...]] = []
    for depth in range(len(zoom) + 1):
        node = node_at(root, zoom[:depth])
        if node is None:
            return lines
        lines.append((FlameBox(zoom[:depth], node, 0, width),))
    for _ in range(rows):
        below = tuple(box for above in lines[-1] for box in _boxes_of_calls(above))
        if not below:
            break
        lines.append(below)
    return lines


def _boxes_of_calls(box: FlameBox) -> Iterable[FlameBox]:
    node, room = box.node, box.end - box.start
    if node.total_s <= 0.0:
        return
    before_s, start = 0.0, box.start
    for call in node.largest_first():
        before_s += call.total_s
        end = box.start + round(room * before_s / node.total_s)
        if end > start:
            yield FlameBox((*box.path, call.function), call, start, end)
        start = end


def box_of(lines: Sequence[Sequence[FlameBox]], path: CallPath) -> FlameBox | None:
    """Return the box of a path, None where it has none."""
    if len(path) >= len(lines):
        return None
    return next((box for box in lines[len(path)] if box.path == path), None)


def box_beside(lines: Sequence[Sequence[FlameBox]], path: CallPath, step: int) -> CallPath:
    """Return the box to the right (``step`` 1) or left (-1) in the same row, or the same one."""
    row = [box.path for box in lines[len(path)]] if len(path) < len(lines) else []
    if path not in row:
        return path
    return row[max(0, min(row.index(path) + step, len(row) - 1))]


def widest_call(lines: Sequence[Sequence[FlameBox]], path: CallPath) -> CallPath:
    """Return the widest box below one, or the same one."""
    if len(path) + 1 >= len(lines):
        return path
    below = [box for box in lines[len(path) + 1] if box.path[:-1] == path]
    return max(below, key=lambda box: box.node.total_s).path if below else path
