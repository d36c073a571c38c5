"""HTTP requests of this process: how many, how many failed, how long they took, how many are open.

Loaded by `_monit_probe` when a program imports a server that is known; what is done in the servers
stands in `_monit_http_uvicorn`, `_monit_http_loops` and `_monit_http_threads`. It must show
nowhere, above all not in the program's tracebacks: no frame of ours may be on the stack while
something of the program, or something that can fail, runs. Ways to be told without one:

* `Told`: an attribute that says when it is looked up. The server looks up ``self.finish``, we hear
  of it and give what was there before, and the server calls that.
* An object of ours in the place of one that the server asks and tells at the right moments.
* `replace`: a plain function in place of a coroutine function, which gives the original's
  coroutine; it is over before the coroutine begins.
* `Open`: a weak reference to a coroutine, which tells when that is over, in whatever way.

Counting takes no lock (a signal handler or a finaliser may come in between): each number is an
`itertools.count`, whose ``next`` nothing can divide. What a request costs is most of all the
Python functions that are called for it, because their code has left the caches by then: there are
as few as can be, and how long each took is sorted later, many at once, by the probe's thread.
"""

import sys
from _bisect import bisect_left
from _collections import deque
from _functools import partial
from _weakref import ref
from itertools import count, islice

from _monit_probe import _TICK, BUCKETS, _bounds, _clock, _quiet

PENDING = 1 << 16
"""So many may end before the probe's thread comes to sort them, ten times a second."""
_LAST = BUCKETS - 1
_SCALE = 1.0 / _TICK**2
clock = _clock


class Latencies:
    """How long requests took, as a histogram; `add` may be called at any time and in any thread."""

    def __init__(self):
        self._ended = deque(maxlen=PENDING)
        self.add = self._ended.append
        self.reset()

    def reset(self):
        """Begin from nothing."""
        self._ended.clear()
        self.hist = [0] * BUCKETS
        self.count = 0
        self.longest = 0.0

    def sort(self):
        """Put what was added since the last time into `hist`, `count` and `longest`."""
        took = sorted(islice(iter(self._ended.popleft, None), len(self._ended)))
        done = 0
        while done < len(took):
            first = took[done]
            bucket = int(first * first * _SCALE).bit_length() if first < 60.0 else _LAST
            above = bisect_left(took, _bounds(bucket)[1], done + 1) if bucket < _LAST else len(took)
            self.hist[bucket] += above - done
            done = above
        if took:
            self.longest = max(self.longest, took[-1])
        self.count += len(took)


class _Tally:
    """The numbers, each a count of which ``next`` is called, and how long each request took.

    ``counting`` is a server that counts its requests itself, or None: it has `sort`, `reset`,
    `finished()`, `open()` and `spread()`, see `_monit_http_uvicorn`.
    """

    def __init__(self):
        self._numbers = count(), count(), count()
        # begun, failed, and dropped because they were none
        self.begin, self.fail, self.drop = (partial(next, each) for each in self._numbers)
        self._took = Latencies()
        self.done = self._took.add
        self.counting = None
        self.seen = False
        self.reset()

    def reset(self):
        """Count from nothing."""
        self._before = [value(each) for each in self._numbers]
        self._took.reset()
        if self.counting is not None:
            self.counting.reset()

    def sort(self):
        """Count what has ended since the last time."""
        self._took.sort()
        if self.counting is not None:
            self.counting.sort()

    def report(self):
        """Give the report's part; None where no server and no request was seen."""
        self.sort()
        begun, failed, dropped = (
            value(each) - before for each, before in zip(self._numbers, self._before)
        )
        took, counting = self._took, self.counting
        finished, now = took.count, max(0, begun - took.count - dropped)
        if counting is not None:
            counting.spread(took)
            finished += counting.finished()
            now += counting.open()
        if not (self.seen or begun or finished):
            return None
        longest, took.longest = took.longest, 0.0
        return {
            "requests": finished, "errors": failed, "now": now,
            "hist": [[bucket, number] for bucket, number in enumerate(took.hist) if number],
            "max": longest,
        }  # fmt: skip


def value(counter):
    """Give how often ``next`` was called with a count."""
    # repr is the one way to read it without counting that all versions have
    return int(repr(counter)[6:-1])


tally = _Tally()
report = tally.report
sort = tally.sort


def reset():
    """Forget what the parent of this process did."""
    tally.reset()
    still_open.clear()


def end(since, bad):
    """Count a request that began at ``since``; ``bad``: the program failed it."""
    tally.done(_clock() - since)
    if bad:
        tally.fail()


def close(carrier, bad):
    """Count the open request of ``carrier``, if it has one."""
    since = carrier._monit_since
    if since:
        carrier._monit_since = 0.0
        end(since, bad)


def is_bad(status):
    """Tell whether a status, which may be anything, says that the program failed."""
    return isinstance(status, int) and status >= 500


class Told:
    """In place of a method: has ``tell(instance)`` called before it is called itself."""

    def __init__(self, cls, name, tell):
        self.cls, self.name, self.tell = cls, name, _quiet(tell)
        self.own = cls.__dict__.get(name)
        if self.own is None and not hasattr(cls, name):
            raise LookupError("no %s.%s" % (cls.__name__, name))
        setattr(cls, name, self)

    def __get__(self, instance, owner=None):
        """Tell, and give the method as if this did not exist."""
        if instance is not None:
            self.tell(instance)
        if self.own is None:
            # inherited: by whom depends on the order of the subclass's bases
            above = super(self.cls, owner if instance is None else instance)
            return getattr(above, self.name)
        return self.own.__get__(instance, owner)


class _Missing:
    """``__missing__`` of a table: the one who looks something up has failed."""

    def __get__(self, table, owner=None):
        _looked_up(table, sys._getframe(1))
        return table.failures.__getitem__


@_quiet
def _looked_up(table, frame):
    table.failed(frame.f_locals.get("self"))


class Statuses(dict):
    """What a server says for each status; if one is a failure, ``failed(self)`` hears who asked."""

    __missing__ = _Missing()

    def __init__(self, known, failed):
        super().__init__({key: said for key, said in known.items() if not is_bad(key)})
        self.failures = {key: said for key, said in known.items() if is_bad(key)}
        self.failed = failed


class Open(ref):
    """An open request, and a weak reference to the coroutine that answers it."""

    __slots__ = ("bad", "key", "protocol", "since")


still_open = {}
"""Each `Open` by its key; the coroutine's end takes it out, if nothing did before."""


def coroutine_function(cls, name):
    """Give a method that is one; `LookupError` if this version of the server has none."""
    function = cls.__dict__.get(name)
    if not getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x80:
        raise LookupError("no coroutine function %s.%s" % (cls.__name__, name))
    return function


def replace(cls, name, new, original):
    """Put ``new`` in the place of the coroutine function ``original``, and have it look alike."""
    new.__name__, new.__qualname__ = original.__name__, original.__qualname__
    new.__module__, new.__doc__ = original.__module__, original.__doc__
    new.__wrapped__ = original
    # how inspect and asyncio tell a coroutine function that does not look like one
    marks = (("inspect", "_is_coroutine_mark"), ("asyncio.coroutines", "_is_coroutine"))
    for module, mark in marks:
        value = getattr(sys.modules.get(module), mark, None)
        if value is not None:
            new.__dict__[mark] = value
    setattr(cls, name, new)
