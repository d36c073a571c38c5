"""HTTP requests in uvicorn, see `_monit_http`.

uvicorn counts its responses itself, and its connections say which requests are open, so to know how
many there were costs nothing. To know how long one takes costs some microseconds, and a request may
take as few as 30 in all. So every request is measured while a server is calm, and some of them
while it is busy: a connection that is measured has a `_Watched` in the place of the server's state,
which it asks for headers when a request begins, and tells when the response is complete. Which
connections have one while the server is busy does not depend on what they ask for or when.
"""

from _functools import partial
from _weakref import ref
from itertools import count

from _monit_http import Latencies, Statuses, Told, coroutine_function, is_bad, replace, value
from _monit_http import clock as _clock
from _monit_http import tally as _tally
from _monit_probe import _quiet

CALM = 500
"""Up to so many requests a second all are measured, beyond that about so many."""
RUN = 8
"""So many requests of a connection are measured one after the other, or more if there are few
connections: the one that begins when a connection is chosen is not any one, but comes after one
that was open then, which is more often one that takes long."""
LOOK_S = 0.05
"""A rate is taken over so long at least."""
_function = type(_quiet)


class _Server(ref):
    """A server's state, weakly, how many responses it had sent before we came, and has since."""

    __slots__ = ("before", "since")


class _Counting:
    """What the servers of this process counted, and how long some of it took."""

    def __init__(self):
        self.servers = []
        self.took = Latencies()
        self.turn = partial(next, count())
        self.first = 0
        self.left = {}
        """By its id: each `_Left`."""
        self._broken = count()
        self.break_off = partial(next, self._broken)
        self.reset()

    def reset(self):
        """Count from nothing."""
        self.took.reset()
        self.left.clear()
        for server in self.servers:
            state = server()
            server.since = 0
            if state is not None:
                server.before = state.total_requests
        self.busy = False
        self.one_of = 1
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
        was_busy, self.busy = self.busy, rate > CALM
        self._looked_at, self._looked = finished, now
        if self.busy:
            self._choose(int(CALM * passed))
            self.one_of = max(1, int(rate / CALM))  # of new connections
        elif was_busy:
            for state in self.states():
                for connection in tuple(state.connections):
                    _watch(connection, RUN)

    def _choose(self, most):
        """Have connections watched, others than the last time, for so many requests in all."""
        for state in self.states():
            connections = tuple(state.connections)
            number = min(len(connections), max(1, most // RUN))
            first = self.first % max(1, len(connections))
            for connection in (connections[first:] + connections[:first])[:number]:
                _watch(connection, max(RUN, most // number))
            self.first += number

    def knows(self, connection):
        """Tell whether requests of a connection are counted."""
        state = connection.server_state
        return state.__class__ is _Watched or state in self.states()

    def know(self, connection):
        """Count what its server has from now on."""
        if not self.knows(connection):
            server = _Server(connection.server_state)
            server.before, server.since = server().total_requests, 0
            self.servers.append(server)

    def states(self):
        """Give the servers' states that exist, and note what they counted."""
        found = []
        for server in self.servers:
            state = server()
            if state is not None:
                server.since = state.total_requests - server.before
                found.append(state)
        return found

    def finished(self):
        """Give how many requests are over."""
        self.states()
        counted = sum(server.since for server in self.servers)
        return counted + value(self._broken) - self._broken_before

    def open(self):
        """Give how many are not."""
        now = len(self.left)
        for state in self.states():
            for connection in tuple(state.connections):
                cycle = getattr(connection, "cycle", None)
                # without one: many at a time, or a WebSocket, or nothing yet
                cycles = getattr(connection, "cycles", {}).values() if cycle is None else (cycle,)
                now += sum(not each.response_complete for each in tuple(cycles))
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


# ------------------------------------------------------------ what a request takes


class _Watched:
    """A server's state as one connection sees it: with all that it has, and told of requests.

    Not by sharing its ``__dict__``: attributes of an object that was asked for that are slower.
    """

    __slots__ = ("_monit_began", "_monit_connection", "_monit_more", "_monit_state")

    def __init__(self, connection, state, more):
        set_own = super().__setattr__
        set_own("_monit_began", [])
        set_own("_monit_connection", ref(connection))
        set_own("_monit_more", [more])
        set_own("_monit_state", state)

    @property
    def default_headers(self):
        """The headers of every response, which are looked up when a request begins."""
        self._monit_began.append(_clock())
        return self._monit_state.default_headers

    def __getattr__(self, name):
        return getattr(self._monit_state, name)

    def __setattr__(self, name, value):
        setattr(self._monit_state, name, value)
        if name == "total_requests":
            _end(self)


def _end(watched):
    """A response is complete."""
    began, more = watched._monit_began, watched._monit_more
    if not began:
        return
    _counting.took.add(_clock() - began.pop(0))
    more[0] -= _counting.busy
    connection = watched._monit_connection()
    if connection is not None and more[0] <= 0:
        connection.server_state = watched._monit_state


@_quiet
def _watch(connection, more):
    """Have the requests of a connection measured, so many more once the server is busy."""
    state = getattr(connection, "server_state", None)
    if hasattr(connection, "_monit_watched") and state.__class__ is not _Watched:
        connection.server_state = _Watched(connection, state, more)


def _made(connection):
    _counting.know(connection)
    if not _counting.busy or _counting.turn() % _counting.one_of == 0:
        _watch(connection, RUN)


class _Stream(ref):
    """A weak reference to the method that a stream of HTTP/2 has until its response is over."""

    __slots__ = ("key", "since")


class _ToldOfStreams(Told):
    def __get__(self, connection, owner=None):
        method = super().__get__(connection, owner)
        if connection is not None:
            _stream_begins(method)
        return method


_streams = {}


@_quiet
def _stream_begins(method):
    this = _Stream(method, _stream_ends)
    this.key, this.since = id(this), _clock()
    _streams[this.key] = this


@_quiet
def _stream_ends(this):
    del _streams[this.key]
    _counting.took.add(_clock() - this.since)


# --------------------------------------------------- responses that are never complete


def _lost(connection):
    """The connection is over, so nothing will be called for the request that is open."""
    began = getattr(connection.server_state, "_monit_began", ())
    cycle = connection.cycle
    if cycle is None or cycle.response_complete or not _counting.knows(connection):
        return
    since = began[0] if began else None
    if type(cycle.on_response) is _function:  # the app was over before its response was
        _counting.end_broken(since, not cycle._monit_bad)
    else:
        cycle.on_response = _Left(since)


class _Left:
    """The client has left. In place of what is called when a response is complete, which this one
    will not be, and gone when the app is over, because something else is set then."""

    def __init__(self, since):
        self.since = since
        _counting.left[id(self)] = None

    def __del__(self):
        if _counting.left.pop(id(self), self) is None:
            _counting.end_broken(self.since, False)


# ------------------------------------------------------------------------- failures


def _fail(cycle):
    connection = getattr(getattr(cycle, "on_response", None), "__self__", None)
    # one that began before we came is not counted
    if connection is not None and _counting.knows(connection):
        cycle._monit_bad = True
        _tally.fail()


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
            setattr(module, name, Statuses(known, _fail))
            return
    replace(cycle, "send", send, sends)


def _aborted(cycle):
    if not (cycle._monit_bad or cycle.disconnected):
        _fail(cycle)


def _hook(module):
    kind, cycle = _kind(module), module.RequestResponseCycle
    _tell_failures(module, cycle)
    kind._monit_watched = True
    Told(kind, "connection_made", _made)
    Told(kind, "connection_lost", _lost)
    _tally.counting, _tally.seen = _counting, True


def _hook_h2(module):
    """Many requests at a time in a connection: what each has of its own is a bound method."""
    kind, cycle = _kind(module), module.RequestResponseCycle
    _tell_failures(module, cycle)
    Told(cycle, "abort_stream", _aborted)
    Told(kind, "connection_made", _counting.know)
    _ToldOfStreams(kind, "on_response_complete", lambda _: None)
    _tally.counting, _tally.seen = _counting, True


def _kind(module):
    """Give the class of a connection, if it asks a server's state for what we rely on."""
    for kind in [each for each in module.__dict__.values() if isinstance(each, type)]:
        functions = [each for each in kind.__dict__.values() if type(each) is _function]
        names = {name for each in functions for name in each.__code__.co_names}
        if {"server_state", "total_requests", "default_headers"} <= names:
            return kind
    raise LookupError("another kind of uvicorn")


HOOKS = {
    "uvicorn.protocols.http.h11_impl": _hook,
    "uvicorn.protocols.http.httptools_impl": _hook,
    "uvicorn.protocols.http.zttp_impl": _hook,
    "uvicorn.protocols.http.zttp_h2_impl": _hook_h2,
}
"""By the module that must be there; `_monit_probe` has the same names."""
