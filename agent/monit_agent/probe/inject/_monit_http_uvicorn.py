"""HTTP requests in uvicorn, see `_monit_http`.

uvicorn counts its responses itself, and its connections say which requests are open, so to know how
many there were costs nothing. How long one takes is told by `_Measured`, in the place of the method
that a connection looks up when a request's headers are parsed, and calls when the response is
complete. That costs a microsecond or two, of which a request may take as few as 30. So all are
measured in a calm server, and some in one that is busy: there a connection gets the method as
an attribute of its own, which Python finds first and which costs nothing, until the probe's thread
takes it away for some requests. Which ones does not depend on what they are, nor on
how many came just before them.
"""

import sys
from _collections import OrderedDict
from _functools import partial
from _operator import sub
from _weakref import ref
from itertools import count, repeat, starmap

from _monit_http import Latencies, Told, coroutine_function, is_bad, replace, value
from _monit_http import clock as _clock
from _monit_http import tally as _tally
from _monit_probe import _quiet

CALM = 500
"""Up to so many requests a second all are measured, beyond that about so many."""
LOOK_S = 0.05
"""A rate is taken over so long at least."""
_NAME = "on_response_complete"
_COUNT = "total_requests"
_function = type(_quiet)
_composed = type(repeat(None).__next__)
_now = starmap(_clock, repeat(()))


class _Server(ref):
    """A server's state, weakly, how many responses it had sent before we came, and has since."""

    __slots__ = ("before", "since")


class _Counting:
    """What the servers of this process counted, and how long some of it took."""

    def __init__(self):
        self.servers = []
        self.took = Latencies()
        self.began = {}
        """When the request began that is measured, by its connection's id."""
        self.spared = OrderedDict()
        """Weak references to connections with a method of their own, longest first; by their id."""
        self.chosen = set()
        """The ids of those that it was taken from."""
        self.turn = partial(next, count())
        self.left = {}
        """By its id: each `_Left`."""
        self._broken = count()
        self.break_off = partial(next, self._broken)
        self.reset()

    def reset(self):
        """Count from nothing."""
        self.took.reset()
        for each in (self.began, self.spared, self.chosen, self.left):
            each.clear()
        for server in self.servers:
            state = server()
            server.since = 0
            if state is not None:
                server.before = state.total_requests
        self.busy = False
        self.one_of = self.each = 1
        self._looked_at, self._looked = 0, _clock()
        self._broken_before = value(self._broken)
        self._spread = 0

    def sort(self):
        """Count what has ended since the last look, and choose what is measured until the next."""
        self.took.sort()
        now = _clock()
        passed = now - self._looked
        if passed < LOOK_S:
            return
        finished = self.finished()
        rate = (finished - self._looked_at) / passed
        self._looked_at, self._looked = finished, now
        self.busy = rate > CALM
        most = max(1, int(CALM * passed)) if self.busy else len(self.spared)
        chosen = 0
        while chosen < most and self.spared:
            chosen += self._choose()
        # of connections that are new, and of the requests of each that was chosen
        self.one_of, self.each = max(1, int(rate / CALM)), max(1, most // max(1, chosen))

    def _choose(self):
        try:
            key, connection = self.spared.popitem(last=False)
        except KeyError:
            return 0  # the last one was lost just now
        connection = connection()
        if connection is None:
            return 0
        self.chosen.add(key)
        _measure_again(connection)
        return 1

    def is_measured(self, connection, method):
        """Tell whether the request that begins is; after it the connection may be spared."""
        if not self.busy:
            return True
        key = id(connection)
        if key in self.chosen:
            measured, spared = True, self.turn() % self.each == 0
        else:
            measured = self.turn() % self.one_of == 0
            spared = not measured
        if spared:
            self.chosen.discard(key)
            self.spared[key] = ref(connection)
            setattr(connection, _NAME, method)
        return measured

    def finished(self):
        """Give how many requests are over."""
        for server in self.servers:
            state = server()
            if state is not None:
                server.since = state.total_requests - server.before
        broken = value(self._broken) - self._broken_before
        return broken + sum(server.since for server in self.servers)

    def open(self):
        """Give how many are not."""
        now = len(self.left)
        for server in self.servers:
            state = server()
            for connection in tuple(state.connections) if state is not None else ():
                cycle = getattr(connection, "cycle", None)
                if cycle is not None:
                    now += not cycle.response_complete
                else:  # many at a time, or a WebSocket, or nothing yet
                    cycles = tuple(getattr(connection, "cycles", {}).values())
                    now += sum(not each.response_complete for each in cycles)
        return now

    def spread(self, into):
        """Add to ``into`` what was measured, as often as there were requests for each of it."""
        took, number = self.took, self.finished() - self._spread
        if not took.count:
            return  # they will be spread over the next that are
        number = max(number, took.count)
        upto = done = 0
        for bucket, measured in enumerate(took.hist):
            upto += measured
            more = upto * number // took.count - done
            into.hist[bucket] += more
            done += more
        into.longest = max(into.longest, took.longest)
        self._spread += number
        took.hist, took.count, took.longest = [0] * len(took.hist), 0, 0.0

    def end_broken(self, since, bad):
        """Count a request whose response was never complete; ``since`` is None if not measured."""
        self.break_off()
        if since is not None:
            self.took.add(_clock() - since)
        if bad:
            _tally.fail()


_counting = _Counting()


@_quiet
def _measure_again(connection):
    try:
        # not by way of its __dict__: once that exists, all its attributes are slower to look up
        delattr(connection, _NAME)
    except AttributeError:
        return  # it has none


class _Measured:
    """In place of the method, found unless the connection has an attribute of that name."""

    def __init__(self, kind, measure):
        self.measure, self.original = measure, kind.__dict__[_NAME]
        if _COUNT not in self.original.__code__.co_names:
            raise LookupError("%s counts no requests" % kind.__name__)
        setattr(kind, _NAME, self)

    def __get__(self, connection, owner=None):
        """Give the method, or what notes the time and calls the method."""
        if connection is None:
            return self.original
        method = self.original.__get__(connection, owner)
        return _begin(self, connection, method) or method


@_quiet
def _begin(place, connection, method):
    state = connection.server_state
    if not _is_known(state):
        server = _Server(state)
        server.before, server.since = state.total_requests, 0
        _counting.servers.append(server)
    if getattr(type(connection), _NAME) is not place.original:
        return None  # a subclass has its own, and looks this one up when the response is complete
    return place.measure(connection, method) if _counting.is_measured(connection, method) else None


def _is_known(state):
    return any(server() is state for server in _counting.servers)


def _when_called(connection, method):
    """Give what notes the end and calls ``method``, without a frame of ours below that."""
    key = id(connection)
    since = _counting.began[key] = _clock()
    noted = map(_counting.took.add, map(sub, _now, repeat(since)))
    over = map(_counting.began.pop, repeat(key), repeat(None))
    return zip(noted, over, starmap(method, repeat(()))).__next__


class _Stream(ref):
    """A weak reference to a method that a stream of HTTP/2 drops when its response is over."""

    __slots__ = ("key", "since")


_streams = {}


def _when_dropped(_connection, method):
    this = _Stream(method, _dropped)
    this.key, this.since = id(this), _clock()
    _streams[this.key] = this
    return method


@_quiet
def _dropped(this):
    del _streams[this.key]
    _counting.took.add(_clock() - this.since)


# --------------------------------------------------- responses that are never complete


def _forget(connection):
    key = id(connection)
    if _counting.spared.pop(key, None) is not None:
        _measure_again(connection)  # the method holds the connection
    _counting.chosen.discard(key)
    return _counting.began.pop(key, None)


def _lost(connection):
    """The connection is over, so nothing will be called for the request that is open."""
    since = _forget(connection)
    cycle = connection.cycle
    if cycle is None or cycle.response_complete or not _is_known(connection.server_state):
        return
    if type(cycle.on_response) is _function:  # the app was over before its response was
        _counting.end_broken(since, not cycle._monit_bad)
    else:
        cycle.on_response = _Left(since)


class _Left:
    """The client has left. In place of what would be called when the response is complete, and
    goes when the app is over, which sets something else."""

    def __init__(self, since):
        self.since = since
        _counting.left[id(self)] = None

    def __call__(self):
        pass

    def __del__(self):
        if _counting.left.pop(id(self), self) is None:
            _counting.end_broken(self.since, False)


# ------------------------------------------------------------------------- failures


def _fail(cycle):
    method = getattr(cycle, "on_response", None)
    state = getattr(getattr(method, "__self__", None), "server_state", None)
    if type(method) is _composed or _is_known(state):  # else it began before we came
        cycle._monit_bad = True
        _tally.fail()


class _Missing:
    """``__missing__`` of a table: the frame that looks something up is told of as a failure."""

    def __get__(self, table, owner=None):
        _looked_up(sys._getframe(1))
        return table.failures.__getitem__


@_quiet
def _looked_up(frame):
    _fail(frame.f_locals.get("self"))


class _Statuses(dict):
    """What uvicorn says for each status; those that are failures are not found at once."""

    __missing__ = _Missing()

    def __init__(self, known):
        super().__init__({key: said for key, said in known.items() if not is_bad(key)})
        self.failures = {key: said for key, said in known.items() if is_bad(key)}


def _tell_failures(module, cycle):
    sends = coroutine_function(cycle, "send")

    def send(self, message):
        bad = message.__class__ is dict and is_bad(message.get("status"))
        if bad and not self.response_started:
            _fail(self)
        return sends(self, message)

    cycle._monit_bad = False
    for name in ("STATUS_LINE", "STATUS_PHRASES"):
        known = getattr(module, name, None)
        if known.__class__ is dict:
            setattr(module, name, _Statuses(known))
            return
    replace(cycle, "send", send, sends)


def _aborted(cycle):
    if not (cycle._monit_bad or cycle.disconnected):
        _fail(cycle)


def _connection(module):
    return next(
        each
        for each in module.__dict__.values()
        if isinstance(each, type) and _NAME in each.__dict__
    )


def _hook(module):
    kind, cycle = _connection(module), module.RequestResponseCycle
    _tell_failures(module, cycle)
    Told(kind, "connection_lost", _lost)
    _Measured(kind, _when_called)
    _tally.counting, _tally.seen = _counting, True


def _hook_h2(module):
    kind, cycle = _connection(module), module.RequestResponseCycle
    _tell_failures(module, cycle)
    Told(cycle, "abort_stream", _aborted)
    Told(kind, "connection_lost", _forget)
    _Measured(kind, _when_dropped)
    _tally.counting, _tally.seen = _counting, True


HOOKS = {
    "uvicorn.protocols.http.h11_impl": _hook,
    "uvicorn.protocols.http.httptools_impl": _hook,
    "uvicorn.protocols.http.zttp_impl": _hook,
    "uvicorn.protocols.http.zttp_h2_impl": _hook_h2,
}
"""By the module that must be there; `_monit_probe` has the same names."""
