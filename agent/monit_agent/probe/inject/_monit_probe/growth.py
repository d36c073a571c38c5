# pyright: basic
"""What grows in memory between two looks: objects by type, large containers, lines of tracemalloc.

No code of the program is called: types are named by `type`'s own attributes, and sizes are read of
built-in types only. Objects are known by their address and kept by nobody meanwhile. Only objects
that the garbage collector tracks are counted: a text or bytes alone is not, but what holds it is;
a dict that holds nothing else is found if a module holds it.
One look takes 0.1 s for a million objects; the program runs in between, at the usual turns.
"""

import gc
import sys
import types

from _monit_probe.basics import clock

ROWS = 100
LARGE = 100
"""From how many entries a container is looked at alone."""
CONTAINERS = 100_000
"""Large containers that are remembered."""
NAMED = 20
"""Of the containers that grew most, how many are looked for in the modules."""

_SIZED = {id(kind) for kind in (dict, list, set, tuple, frozenset, types.FunctionType)}
_COUNTED = {id(kind) for kind in (dict, list, set)}
_qualname = type.__dict__["__qualname__"].__get__
_module = type.__dict__["__module__"].__get__
_basic_size = type.__dict__["__basicsize__"].__get__
_dict_of = type.__dict__["__dict__"].__get__
_bases_of = type.__dict__["__mro__"].__get__


class MemoryProfile:
    """Looks when it is made and when `result` is called."""

    next_at = float("inf")

    def __init__(self, seconds):
        self._started = clock()
        self.until = self._started + seconds
        self._traces = _take_traces()
        self._types, self._containers = _look()

    def sample(self, now):
        """Do nothing: only the beginning and the end are looked at."""

    def end(self):
        """Undo nothing: nothing was changed."""

    def result(self):
        """Return what grew, as plain data; sizes are in bytes."""
        seconds = clock() - self._started
        types_now, containers = _look()
        rows = []
        for address, (count, size, name) in types_now.items():
            before = self._types.get(address, (0, 0))
            rows.append((count - before[0], size - before[1], count, name))
        rows = [row for row in rows if row[0] > 0 or row[1] > 0]
        rows.sort(key=lambda row: (row[1], row[0]), reverse=True)
        return {
            "kind": "memory",
            "seconds": seconds,
            "types": [
                {"type": name, "objects": objects, "bytes": size, "now": now}
                for objects, size, now, name in rows[:ROWS]
            ],
            "containers": self._grown(containers),
            "lines": _compare_traces(self._traces),
        }

    def _grown(self, containers):
        """Return the containers that have more entries than before; None names those that no module
        holds directly."""
        grown = []
        for address, (kind, length) in containers.items():
            before = self._containers.get(address, (kind, 0))
            if before[0] is kind and length > before[1]:
                grown.append((length - before[1], address, kind, length))
        grown.sort(key=lambda row: row[0], reverse=True)
        names = _names({address for _, address, _, _ in grown[:NAMED]})
        return [
            {"type": kind.__name__, "grew": more, "now": length, "name": names.get(address)}
            for more, address, kind, length in grown[:NAMED]
        ]


def _look():
    """Return objects, bytes and name of each type, and the large containers, all by address."""
    sums, containers = {}, {}
    sizeof = sys.getsizeof
    for each in gc.get_objects():
        kind = type(each)
        address = id(kind)  # a class may have code for its hash
        size = sizeof(each) if address in _SIZED else 0
        known = sums.get(address)
        if known is None:
            sums[address] = [1, size or _basic_size(kind), _name(kind)]
        else:
            known[0] += 1
            known[1] += size or _basic_size(kind)
        if address in _COUNTED and len(each) >= LARGE and len(containers) < CONTAINERS:
            containers[id(each)] = (kind, len(each))
    # Python leaves dicts without objects in them, as a cache of texts, out of its list
    for _, value in _held_by_modules():
        if id(type(value)) in _COUNTED and len(value) >= LARGE and len(containers) < CONTAINERS:
            containers[id(value)] = (type(value), len(value))
    return {address: tuple(row) for address, row in sums.items()}, containers


def _name(kind):
    module, name = _module(kind), _qualname(kind)
    named = isinstance(module, str) and module != "builtins"
    return "%s.%s" % (module, name) if named else name


def _names(addresses):
    """Return under which names modules hold the objects at these addresses."""
    found = {}
    for name, value in _held_by_modules():
        if id(value) in addresses:
            found.setdefault(id(value), name)
    return found


def _held_by_modules():
    """Yield name and value of what modules hold, and of the attributes of that."""
    for module_name, module in list(sys.modules.items()):
        if type(module) is not types.ModuleType:
            continue
        for name, value in list(module.__dict__.items()):
            full = "%s.%s" % (module_name, name)
            yield full, value
            for attribute, inner in _attributes(value):
                yield "%s.%s" % (full, attribute), inner


def _attributes(value):
    """Return what an object has in its own ``__dict__``, read without calling its code."""
    bases = _bases_of(type(value))
    if any(each is types.ModuleType or each is types.FunctionType for each in bases):
        return ()
    if any(each is type for each in bases):
        return list(_dict_of(value).items())
    for each in bases:
        slot = _dict_of(each).get("__dict__")
        if type(slot) is types.GetSetDescriptorType:
            inside = slot.__get__(value)
            return list(inside.items()) if type(inside) is dict else ()
    return ()


# ---------------------------------------------------------------- tracemalloc, where it is on


def _take_traces():
    """Return a snapshot if the program has switched tracemalloc on; monit never does, because it
    makes allocations several times slower."""
    tracemalloc = sys.modules.get("tracemalloc")
    if tracemalloc is None or not tracemalloc.is_tracing():
        return None
    return tracemalloc.take_snapshot()


def _compare_traces(before):
    """Return which lines allocated more than before; None where tracemalloc is off."""
    after = _take_traces() if before is not None else None
    if after is None:
        return None
    rows = after.compare_to(before, "lineno")
    rows.sort(key=lambda row: row.size_diff, reverse=True)
    return [
        {
            "file": row.traceback[0].filename,
            "line": row.traceback[0].lineno,
            "bytes": row.size_diff,
            "objects": row.count_diff,
        }
        for row in rows[:ROWS]
        if row.size_diff > 0
    ]
