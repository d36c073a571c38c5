"""What grew in memory: from the Python probe, or from V8's sampling of allocations. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from monit_agent.client.profiles.cpu import ProfiledFunction, V8Frame
from monit_agent.client.profiles.reading import decode_profile


class GrownType(NamedTuple):
    """Objects of one type: how many more, their bytes more, how many now."""

    name: str
    objects: int
    size_bytes: int
    now: int


class GrownContainer(NamedTuple):
    """A large container with more entries than before. ``name`` is where a module holds it, None if
    none does directly."""

    kind: str
    name: str | None
    more: int
    now: int


class GrownPlace(NamedTuple):
    """Memory that a place in the program allocated and that is not freed."""

    function: str
    file: str
    line: int
    size_bytes: int


class MemoryGrowth(NamedTuple):
    """What grew. ``places`` is None where nobody knows: in Python without tracemalloc."""

    seconds: float
    types: tuple[GrownType, ...] = ()
    containers: tuple[GrownContainer, ...] = ()
    places: tuple[GrownPlace, ...] | None = None


class _Type(msgspec.Struct):
    type: str
    objects: int
    bytes: int
    now: int


class _Container(msgspec.Struct):
    type: str
    grew: int
    now: int
    name: str | None


class _Line(msgspec.Struct):
    file: str
    line: int
    bytes: int


class _ProbeGrowth(msgspec.Struct):
    seconds: float
    types: tuple[_Type, ...]
    containers: tuple[_Container, ...]
    lines: tuple[_Line, ...] | None


def of_python_probe(raw: bytes) -> MemoryGrowth:
    """Return what the Python probe found; raise `BadProfileError`."""
    data = decode_profile(raw, _ProbeGrowth)
    places = None
    if data.lines is not None:
        places = tuple(GrownPlace("", each.file, each.line, each.bytes) for each in data.lines)
    return MemoryGrowth(
        data.seconds,
        tuple(GrownType(each.type, each.objects, each.bytes, each.now) for each in data.types),
        tuple(GrownContainer(e.type, e.name, e.grew, e.now) for e in data.containers),
        places,
    )


class _V8Allocations(msgspec.Struct, rename="camel"):
    call_frame: V8Frame
    self_size: int
    children: "tuple[_V8Allocations, ...]" = ()


class _V8Heap(msgspec.Struct):
    head: _V8Allocations


def of_v8(raw: bytes, seconds: float) -> MemoryGrowth:
    """Return what V8 sampled (``.heapprofile``): what was allocated meanwhile and is not freed.
    Raise `BadProfileError`."""
    sums: dict[ProfiledFunction, int] = {}
    for node in _nodes(decode_profile(raw, _V8Heap).head):
        function = node.call_frame.function()
        sums[function] = sums.get(function, 0) + node.self_size
    places = (GrownPlace(*function, size) for function, size in sums.items() if size)
    largest = sorted(places, key=lambda place: place.size_bytes, reverse=True)
    return MemoryGrowth(seconds, places=tuple(largest))


def _nodes(head: _V8Allocations) -> Iterator[_V8Allocations]:
    waiting = [head]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children
