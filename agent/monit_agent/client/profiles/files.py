"""Profiles as files: collapsed stacks, JSON of speedscope, ``.cpuprofile`` of DevTools. Pure."""

import json
from collections.abc import Callable
from typing import Any

from monit_agent.client.profiles.cpu import CpuProfileData, ProfiledFunction

_SPEEDSCOPE = "https://www.speedscope.app/file-format-schema.json"


def collapsed(profile: CpuProfileData, *, by_wall: bool) -> str:
    """Return ``outer;inner 12``, a line for each stack, in microseconds."""
    names = [_name(function).replace(";", ",") for function in profile.functions]
    sums: dict[str, int] = {}
    for stack in profile.stacks:
        weight = _weight_us(stack.wall_s if by_wall else stack.cpu_s)
        if weight:
            text = ";".join(names[number] for number in stack.functions)
            sums[text] = sums.get(text, 0) + weight
    return "".join(f"{text} {weight}\n" for text, weight in sorted(sums.items()))


def speedscope(profile: CpuProfileData, name: str) -> str:
    """Return the JSON that speedscope.app opens, with a profile of the CPU time and one of the wall
    time, as far as they are known."""
    frames = [
        {"name": each.name, "file": each.file, "line": each.line} for each in profile.functions
    ]
    profiles = [
        _sampled(f"{name} {kind}", profile, place)
        for kind, place in (("CPU", 3), ("wall", 2))
        if any(stack[place] is not None for stack in profile.stacks)
    ]
    content = {
        "$schema": _SPEEDSCOPE, "name": name, "exporter": "monit", "activeProfileIndex": 0,
        "shared": {"frames": frames}, "profiles": profiles,
    }  # fmt: skip
    return json.dumps(content)


def _sampled(name: str, profile: CpuProfileData, place: int) -> dict[str, Any]:
    rows = [(list(stack.functions), stack[place]) for stack in profile.stacks if stack[place]]
    weights = [weight for _, weight in rows]
    return {
        "type": "sampled", "name": name, "unit": "seconds", "startValue": 0,
        "endValue": sum(float(weight) for weight in weights if isinstance(weight, float)),
        "samples": [functions for functions, _ in rows], "weights": weights,
    }  # fmt: skip


def cpuprofile(profile: CpuProfileData, *, by_wall: bool) -> str:
    """Return a ``.cpuprofile``: a tree of calls, and one sample for each stack, as long as it."""
    nodes = [_v8_node(1, ProfiledFunction("(root)", "", 0))]
    children: dict[tuple[int, int], int] = {}
    samples: list[int] = []
    deltas: list[int] = []
    for stack in profile.stacks:
        weight = _weight_us(stack.wall_s if by_wall else stack.cpu_s)
        if not weight:
            continue
        at = 1
        for number in stack.functions:
            key = at, number
            if key not in children:
                children[key] = len(nodes) + 1
                nodes.append(_v8_node(len(nodes) + 1, profile.functions[number]))
                nodes[at - 1]["children"].append(children[key])
            at = children[key]
        nodes[at - 1]["hitCount"] += 1
        samples.append(at)
        deltas.append(weight)
    # a sample lasts until the next one: the first delta is the time before it
    content = {
        "nodes": nodes, "startTime": 0, "endTime": sum(deltas), "samples": samples,
        "timeDeltas": [0, *deltas[:-1]],
    }  # fmt: skip
    return json.dumps(content)


def _v8_node(number: int, function: ProfiledFunction) -> dict[str, Any]:
    frame = {
        "functionName": function.name, "scriptId": "0", "url": function.file,
        "lineNumber": function.line - 1, "columnNumber": -1,
    }  # fmt: skip
    return {"id": number, "callFrame": frame, "hitCount": 0, "children": []}


def _weight_us(seconds: float | None) -> int:
    return round(1e6 * seconds) if seconds else 0


def _name(function: ProfiledFunction) -> str:
    place = f"{function.file}:{function.line}" if function.line else function.file
    return f"{function.name} ({place})" if place else function.name


CpuWriter = Callable[[CpuProfileData, str, bool], str]
"""Returns the content for a profile, its name, and whether wall time counts."""

CPU_FILES: dict[str, CpuWriter] = {
    ".cpuprofile": lambda profile, _, wall: cpuprofile(profile, by_wall=wall),
    ".json": lambda profile, name, _: speedscope(profile, name),
    ".folded": lambda profile, _, wall: collapsed(profile, by_wall=wall),
    ".collapsed": lambda profile, _, wall: collapsed(profile, by_wall=wall),
    ".txt": lambda profile, _, wall: collapsed(profile, by_wall=wall),
}
"""How a CPU profile is written, by the ending of the file."""
