"""A CPU profile, whichever tool made it: stacks with the wall time and the CPU time in each. Pure.

The tools differ in what they know. py-spy counts only threads that use the CPU, so its wall time is
unknown; V8 sees the main thread, which uses the CPU whenever it is not idle.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from monit_agent.client.profiles.reading import BadProfileError, decode_profile
from monit_agent.wire.limits import PY_SPY_HZ
from monit_agent.wire.messages import ProfilePart

IDLE = "(idle)"
"""What V8 calls a program that waits."""

_ROOT = "(root)"

_PROBE = "_monit_probe/"
"""In the outermost file of the probe's thread: py-spy takes its waiting for work."""


class ProfiledFunction(NamedTuple):
    """A function; ``line`` is where it begins, 0 when unknown."""

    name: str
    file: str
    line: int


class ProfiledStack(NamedTuple):
    """A stack: numbers of functions, outermost first; the line that is executed in the innermost;
    the seconds in it. None is unknown."""

    functions: tuple[int, ...]
    line: int | None
    wall_s: float | None
    cpu_s: float | None


class CpuProfileData(NamedTuple):
    """A profile. ``dropped`` samples had a stack for which there was no room."""

    tool: str
    seconds: float
    samples: int | None
    functions: tuple[ProfiledFunction, ...]
    stacks: tuple[ProfiledStack, ...]
    dropped: int = 0
    process_cpu_s: float | None = None
    """What the process used as the kernel counts it, where that was read."""

    @property
    def cpu_s(self) -> float:
        """Return the CPU time of all stacks."""
        return sum(each.cpu_s or 0.0 for each in self.stacks)


class FunctionCost(NamedTuple):
    """What one function cost: in itself, and with what it called. ``line`` is the one in which most
    of its own time was spent."""

    function: ProfiledFunction
    line: int
    self_cpu_s: float
    total_cpu_s: float
    self_wall_s: float
    total_wall_s: float


def function_costs(profile: CpuProfileData) -> list[FunctionCost]:
    """Return the cost of each function, in the order of the profile."""
    sums = [[0.0, 0.0, 0.0, 0.0] for _ in profile.functions]
    lines: list[dict[int, float]] = [{} for _ in profile.functions]
    for stack in profile.stacks:
        cpu, wall = stack.cpu_s or 0.0, stack.wall_s or 0.0
        for number in set(stack.functions):  # one that calls itself counts once
            sums[number][1] += cpu
            sums[number][3] += wall
        if stack.functions:
            number = stack.functions[-1]
            sums[number][0] += cpu
            sums[number][2] += wall
            if stack.line:
                own = lines[number]
                own[stack.line] = own.get(stack.line, 0.0) + cpu + wall * 1e-6
    return [
        FunctionCost(function, _hottest(lines[number], function.line), *sums[number])
        for number, function in enumerate(profile.functions)
    ]


def _hottest(lines: dict[int, float], otherwise: int) -> int:
    return max(lines, key=lambda line: lines[line]) if lines else otherwise


# ------------------------------------------------------------ from the tools


class _ProbeStacks(msgspec.Struct):
    """What the Python probe writes; times in microseconds."""

    seconds: float
    samples: int
    dropped: int
    cpu: float
    functions: tuple[tuple[str, str, int], ...]
    """File, name, first line."""
    stacks: tuple[tuple[tuple[int, ...], int, float, float], ...]


def of_python_probe(raw: bytes) -> CpuProfileData:
    """Return the profile that the Python probe made; raise `BadProfileError`."""
    data = decode_profile(raw, _ProbeStacks)
    functions = tuple(ProfiledFunction(name, file, line) for file, name, line in data.functions)
    for numbers, *_ in data.stacks:
        if not all(0 <= number < len(functions) for number in numbers):
            raise BadProfileError("a stack has a function that is not in the profile")
    stacks = tuple(
        ProfiledStack(numbers, line, wall_us / 1e6, cpu_us / 1e6)
        for numbers, line, wall_us, cpu_us in data.stacks
    )
    return CpuProfileData(
        "the probe", data.seconds, data.samples, functions, stacks, data.dropped, data.cpu
    )


class V8Frame(msgspec.Struct, rename="camel"):
    """A function in a profile of V8; its line counts from 0."""

    function_name: str
    url: str = ""
    line_number: int = -1

    def function(self) -> ProfiledFunction:
        """Return it as in other profiles."""
        file = self.url.removeprefix("file://")
        name = self.function_name or "(anonymous)"
        return ProfiledFunction(name, file, max(0, self.line_number + 1) if file else 0)


class _V8Tick(msgspec.Struct):
    line: int
    ticks: int


class _V8Node(msgspec.Struct, rename="camel"):
    id: int
    call_frame: V8Frame
    children: tuple[int, ...] = ()
    position_ticks: tuple[_V8Tick, ...] = ()

    def line(self) -> int | None:
        """Return the line that was seen most often."""
        ticks = self.position_ticks
        return max(ticks, key=lambda tick: tick.ticks).line if ticks else None


class _V8Profile(msgspec.Struct, rename="camel"):
    nodes: tuple[_V8Node, ...]
    start_time: float
    end_time: float
    samples: tuple[int, ...] = ()
    time_deltas: tuple[float, ...] = ()


def of_v8(raw: bytes, seconds: float) -> CpuProfileData:
    """Return a profile of V8 (``.cpuprofile``); raise `BadProfileError`."""
    data = decode_profile(raw, _V8Profile)
    nodes = {node.id: node for node in data.nodes}
    parents = {child: node.id for node in data.nodes for child in node.children}
    table = _FunctionTable()
    last_us = max(0.0, data.end_time - data.start_time - sum(data.time_deltas))
    times: dict[int, float] = {}
    # a sample lasts until the next one
    for number, after_us in zip(data.samples, [*data.time_deltas[1:], last_us], strict=False):
        times[number] = times.get(number, 0.0) + max(0.0, after_us) / 1e6
    stacks: list[ProfiledStack] = []
    for number, wall_s in times.items():
        frames = [nodes[each].call_frame for each in _up(number, parents) if each in nodes]
        chain = [table.number(each.function()) for each in frames if each.function_name != _ROOT]
        is_idle = bool(frames) and frames[0].function_name == IDLE
        line = nodes[number].line() if number in nodes else None
        cpu_s = 0.0 if is_idle else wall_s
        stacks.append(ProfiledStack(tuple(reversed(chain)), line, wall_s, cpu_s))
    functions = tuple(table.functions)
    return CpuProfileData("V8's profiler", seconds, len(data.samples), functions, tuple(stacks))


def of_py_spy(text: str, seconds: float) -> CpuProfileData:
    """Return the profile in collapsed stacks of py-spy: ``main (app.py:3);work (app.py:7) 12``."""
    table = _FunctionTable()
    counted: list[tuple[tuple[int, ...], int | None, int]] = []
    for row in text.splitlines():
        names, _, count = row.rpartition(" ")
        if names and count.isdecimal():
            frames = [_py_spy_frame(each) for each in names.split(";")]
            if _PROBE in frames[0][0].file:
                continue
            numbers = tuple(table.number(function) for function, _ in frames)
            counted.append((numbers, frames[-1][1], int(count)))
    samples = sum(count for *_, count in counted)
    stacks = tuple(
        ProfiledStack(numbers, line, None, count / PY_SPY_HZ) for numbers, line, count in counted
    )
    return CpuProfileData("py-spy", seconds, samples, tuple(table.functions), stacks)


def of_part(part: ProfilePart) -> CpuProfileData:
    """Return the CPU profile that an agent answered with; raise `BadProfileError`."""
    if part.form == "stacks":
        return of_python_probe(part.data)
    if part.form == "cpuprofile":
        return of_v8(part.data, part.seconds)
    return of_py_spy(part.data.decode("utf-8", "replace"), part.seconds)


class _FunctionTable:
    def __init__(self) -> None:
        self.functions: dict[ProfiledFunction, int] = {}

    def number(self, function: ProfiledFunction) -> int:
        """Return the number of a function, a new one for a new function."""
        return self.functions.setdefault(function, len(self.functions))


def _up(number: int, parents: dict[int, int]) -> Iterator[int]:
    at: int | None = number
    seen = 0
    while at is not None and seen < 1000:
        yield at
        at = parents.get(at)
        seen += 1


def _py_spy_frame(text: str) -> tuple[ProfiledFunction, int | None]:
    name, _, place = text.removesuffix(")").partition(" (")
    file, _, line = place.rpartition(":")
    if not line.isdecimal():
        return ProfiledFunction(name, place, 0), None
    return ProfiledFunction(name, file, 0), int(line)


def heaviest(costs: Iterable[FunctionCost], *, by_wall: bool) -> list[FunctionCost]:
    """Return the functions with time of their own, the largest first."""

    def own(cost: FunctionCost) -> float:
        return cost.self_wall_s if by_wall else cost.self_cpu_s

    return sorted((each for each in costs if own(each) > 0.0), key=own, reverse=True)
