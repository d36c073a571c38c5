# pyright: basic
"""HTTP requests of this process: how many, how many failed, how long they took, how many are open.

Loaded when a program imports a server that is known; the hooks into the servers are in `uvicorn`,
`event_loops` and `threads`. These must not be noticeable, above all not in the program's
tracebacks: no frame of ours may be on the stack while code of the program, or code that can fail,
runs. Ways to be notified without one:

* `LookupHook`: an attribute that notifies us when it is looked up. The server looks up
  ``self.finish``, we are notified and return what was there before, and the server calls that.
* An object of ours in the place of one that the server reads and changes at the right moments.
* `replace`: a plain function in place of a coroutine function, which returns the original's
  coroutine; it has returned before the coroutine starts.
* `OpenRequest`: a weak reference to a coroutine, which notifies us when that ends, in whatever way.

Counting takes no lock (a signal handler or a finaliser may come in between): each number is an
`itertools.count`, whose ``next`` is atomic. Most of what a request costs is the Python functions
that are called for it, because their code has left the caches by then. So there are as few as
possible, and durations are sorted into buckets later, many at once, by the probe's thread.
"""

import sys
from collections import deque
from functools import partial
from itertools import count, islice
from weakref import ref

from _monit_probe.basics import clock, load, quiet

load("buckets")
from _monit_probe.buckets import count_durations, pack  # noqa: E402

PENDING = 1 << 16
"""Requests that may end before the probe's thread sorts their durations, ten times a second."""


MANY = 1000
"""So many are sorted before the next report; sorting fewer at once costs more for each."""


class Durations:
    """How long requests took since the last report; `add` may be called at any time in any
    thread."""

    def __init__(self):
        self._ended = deque(maxlen=PENDING)
        self.add = self._ended.append
        self.reset()

    def reset(self):
        """Count from 0."""
        self._ended.clear()
        self.hist = {}
        self.count = 0
        self.longest = 0.0

    def sort(self, least=1):
        """Put what was added into `hist`, `count` and `longest`, if it is ``least`` or more."""
        if len(self._ended) < least:
            return
        took = list(islice(iter(self._ended.popleft, None), len(self._ended)))
        self.longest = max(self.longest, count_durations(took, self.hist))
        self.count += len(took)


class RequestCounts:
    """The numbers, each a count whose ``next`` is called, and how long each request took.

    ``by_server`` is for a server that counts its requests itself, or None: it has `sort`, `reset`,
    `finished()`, `open()` and `add_durations()`, see `uvicorn`.
    """

    def __init__(self):
        self._numbers = count(), count(), count()
        # started, failed, and dropped because they were no requests
        self.start, self.fail, self.drop = (partial(next, each) for each in self._numbers)
        self._durations = Durations()
        self.done = self._durations.add
        self.by_server = None
        self.has_server = False
        self.open_by_key = {}
        """Each `OpenRequest`; the end of its coroutine removes it, if nothing did before."""
        self.reset()

    def reset(self):
        """Count from 0, and drop what the parent of this process did."""
        self._before = [calls(each) for each in self._numbers]
        self._durations.reset()
        self.open_by_key.clear()
        if self.by_server is not None:
            self.by_server.reset()

    def add_server(self, by_server=None):
        """Note that the program has a server, perhaps one that counts its requests itself."""
        self.has_server = True
        self.by_server = by_server or self.by_server

    def sort(self, least=MANY):
        """Count the durations of what has ended, where it is ``least`` or more."""
        self._durations.sort(least)
        if self.by_server is not None:
            self.by_server.sort(least)

    def report(self):
        """Return the report's part; None where there was no server and no request."""
        self.sort(1)
        started, failed, dropped = (
            calls(each) - before for each, before in zip(self._numbers, self._before)
        )
        durations, by_server = self._durations, self.by_server
        finished, now = durations.count, max(0, started - durations.count - dropped)
        if by_server is not None:
            by_server.add_durations(durations)
            finished += by_server.finished()
            now += by_server.open()
        if not (self.has_server or started or finished):
            return None
        longest, durations.longest = durations.longest, 0.0
        hist, durations.hist = durations.hist, {}
        return {
            "requests": finished, "errors": failed, "now": now,
            "hist": pack(hist), "max": longest,
        }  # fmt: skip


def calls(counter):
    """Return how often ``next`` was called with an `itertools.count`."""
    # repr is the only way to read it without counting that all versions have
    return int(repr(counter)[6:-1])


counts = RequestCounts()


def end(since, failed):
    """Count a request that started at ``since``; ``failed``: by the program's fault."""
    counts.done(clock() - since)
    if failed:
        counts.fail()


def close(carrier, failed):
    """Count the open request of ``carrier``, if it has one."""
    since = carrier._monit_since
    if since:
        carrier._monit_since = 0.0
        end(since, failed)


def is_failure(status):
    """Return whether a status, which may be anything, says that the program failed."""
    return isinstance(status, int) and status >= 500


class LookupHook:
    """In place of a method: has ``notify(instance)`` called each time the method is looked up."""

    def __init__(self, cls, name, notify):
        self.cls, self.name, self.notify = cls, name, quiet(notify)
        self.own = cls.__dict__.get(name)
        if self.own is None and not hasattr(cls, name):
            raise LookupError("no %s.%s" % (cls.__name__, name))
        setattr(cls, name, self)

    def __get__(self, instance, owner=None):
        """Notify, and return the method as if this did not exist."""
        if instance is not None:
            self.notify(instance)
        if self.own is None:
            # inherited: from which class depends on the order of the subclass's bases
            above = super(self.cls, owner if instance is None else instance)
            return getattr(above, self.name)
        return self.own.__get__(instance, owner)


class _Missing:
    """``__missing__`` of a table: a request has failed with the status that is looked up."""

    def __get__(self, table, owner=None):
        _note_failure(table, sys._getframe(1))
        return table.failures.__getitem__


@quiet
def _note_failure(table, frame):
    table.failed(frame.f_locals.get("self"))


class StatusTable(dict):
    """A server's table of what to send for each status. When a failure is looked up, it calls
    ``failed(self)`` with the ``self`` of the function that did so."""

    __missing__ = _Missing()

    def __init__(self, table, failed):
        super().__init__({key: line for key, line in table.items() if not is_failure(key)})
        self.failures = {key: line for key, line in table.items() if is_failure(key)}
        self.failed = failed


class OpenRequest(ref):
    """An open request, and a weak reference to the coroutine that answers it."""

    __slots__ = ("failed", "key", "protocol", "since")


def coroutine_function(cls, name):
    """Return a method that is one; `LookupError` if this version of the server has none."""
    function = cls.__dict__.get(name)
    if not getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x80:
        raise LookupError("no coroutine function %s.%s" % (cls.__name__, name))
    return function


def replace(cls, name, new, original):
    """Put ``new`` in the place of the coroutine function ``original``, and make it look alike."""
    new.__name__, new.__qualname__ = original.__name__, original.__qualname__
    new.__module__, new.__doc__ = original.__module__, original.__doc__
    new.__wrapped__ = original
    # how inspect and asyncio recognise a coroutine function that does not look like one
    marks = (("inspect", "_is_coroutine_mark"), ("asyncio.coroutines", "_is_coroutine"))
    for module, mark in marks:
        value = getattr(sys.modules.get(module), mark, None)
        if value is not None:
            new.__dict__[mark] = value
    setattr(cls, name, new)
