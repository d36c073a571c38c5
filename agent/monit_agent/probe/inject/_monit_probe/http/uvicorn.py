# pyright: basic
"""HTTP requests in uvicorn, see `requests`.

uvicorn counts its responses itself, and its connections know which requests are open. So counting
them costs nothing. Measuring how long one takes costs some microseconds, and a whole request may
take as little as 30. So all requests are measured while a server is calm, and some of them while it
is busy. A measured connection has a `_MeasuringState` in the place of the server's state: it reads
the default headers there when a request starts, and changes a counter there when the response is
complete. Which connections are measured while the server is busy does not depend on what they
request or when.
"""

from functools import partial
from itertools import count
from weakref import ref

from _monit_probe.basics import clock, quiet
from _monit_probe.http.requests import (
    Durations,
    LookupHook,
    StatusTable,
    calls,
    coroutine_function,
    counts,
    is_failure,
    replace,
)

CALM = 500
"""Up to so many requests a second all are measured, beyond that about so many."""
RUN = 8
"""So many consecutive requests of a connection are measured, or more if there are few connections.
The one that starts when a connection is chosen is not a random one: it comes after one that was
open at that moment, which is more often one that takes long."""
CHECK_S = 0.05
"""A rate is computed over at least this time."""
_function = type(quiet)


class _ServerRef(ref):
    """A weak reference to a server's state, how many responses it had sent before the probe came,
    and how many since."""

    __slots__ = ("before", "since")


class _ServerCounts:
    """What the servers of this process counted, and how long some of it took."""

    def __init__(self):
        self.servers = []
        self.durations = Durations()
        self.next_turn = partial(next, count())
        self.first = 0
        self.client_left = {}
        """Each `_ClientLeft` by its id."""
        self._broken = count()
        self.break_off = partial(next, self._broken)
        self.reset()

    def reset(self):
        """Count from 0."""
        self.durations.reset()
        self.client_left.clear()
        for server in self.servers:
            state = server()
            server.since = 0
            if state is not None:
                server.before = state.total_requests
        self.busy = False
        self.one_of = 1
        self._checked_finished, self._checked_at = 0, clock()
        self._broken_before = calls(self._broken)
        self._reported = 0

    def sort(self, least):
        """Count the durations of what has ended (see `Durations.sort`), and choose what is
        measured until next time."""
        self.durations.sort(least)
        now = clock()
        passed = now - self._checked_at
        if passed < CHECK_S:
            return
        finished = self.finished()
        rate = (finished - self._checked_finished) / passed
        was_busy, self.busy = self.busy, rate > CALM
        self._checked_finished, self._checked_at = finished, now
        if self.busy:
            self._choose(int(CALM * passed))
            self.one_of = max(1, int(rate / CALM))  # of new connections
        elif was_busy:
            for state in self.states():
                for connection in tuple(state.connections):
                    _measure(connection, RUN)

    def _choose(self, most):
        """Measure other connections than the last time, for so many requests in all."""
        for state in self.states():
            connections = tuple(state.connections)
            number = min(len(connections), max(1, most // RUN))
            first = self.first % max(1, len(connections))
            for connection in (connections[first:] + connections[:first])[:number]:
                _measure(connection, max(RUN, most // number))
            self.first += number

    def counts_for(self, connection):
        """Return whether the requests of a connection are counted."""
        state = connection.server_state
        return type(state) is _MeasuringState or state in self.states()

    def add_server(self, connection):
        """Count what the server of a connection does from now on."""
        if not self.counts_for(connection):
            server = _ServerRef(connection.server_state)
            server.before, server.since = connection.server_state.total_requests, 0
            self.servers.append(server)

    def states(self):
        """Return the states of the servers that exist, and note what they counted."""
        found = []
        for server in self.servers:
            state = server()
            if state is not None:
                server.since = state.total_requests - server.before
                found.append(state)
        return found

    def finished(self):
        """Return how many requests are over."""
        self.states()
        counted = sum(server.since for server in self.servers)
        return counted + calls(self._broken) - self._broken_before

    def open(self):
        """Return how many requests are not over."""
        now = len(self.client_left)
        for state in self.states():
            for connection in tuple(state.connections):
                cycle = getattr(connection, "cycle", None)
                # without one: many at a time, or a WebSocket, or nothing so far
                cycles = getattr(connection, "cycles", {}).values() if cycle is None else (cycle,)
                now += sum(not each.response_complete for each in tuple(cycles))
        return now

    def add_durations(self, total):
        """Add to ``total`` what was measured, scaled up to the number of requests."""
        durations, number = self.durations, self.finished() - self._reported
        if not durations.count:
            return  # the next measured ones will stand for these requests too
        number = max(number, durations.count)
        so_far = done = 0
        for bucket in sorted(durations.hist):
            so_far += durations.hist[bucket]
            more = so_far * number // durations.count - done
            if more:
                total.hist[bucket] = total.hist.get(bucket, 0) + more
            done += more
        total.longest = max(total.longest, durations.longest)
        self._reported += number
        durations.hist, durations.count, durations.longest = {}, 0, 0.0

    def end_broken(self, since, failed):
        """Count a request whose response was never complete; ``since`` is None if not measured."""
        self.break_off()
        if since is not None:
            self.durations.add(clock() - since)
        if failed:
            counts.fail()


_by_server = _ServerCounts()


# ------------------------------------------------------------ how long a request takes


class _MeasuringState:
    """A server's state as one connection sees it: all its attributes, and a clock.

    It does not share the state's ``__dict__``: attributes of an object whose ``__dict__`` was
    requested are slower.
    """

    __slots__ = ("_monit_connection", "_monit_more", "_monit_started", "_monit_state")

    def __init__(self, connection, state, more):
        set_own = super().__setattr__
        set_own("_monit_started", [])
        set_own("_monit_connection", ref(connection))
        set_own("_monit_more", [more])
        set_own("_monit_state", state)

    @property
    def default_headers(self):
        """The headers of every response, which are read when a request starts."""
        self._monit_started.append(clock())
        return self._monit_state.default_headers

    def __getattr__(self, name):
        return getattr(self._monit_state, name)

    def __setattr__(self, name, value):
        setattr(self._monit_state, name, value)
        if name == "total_requests":
            _end(self)


def _end(measuring):
    """Count a complete response."""
    started, more = measuring._monit_started, measuring._monit_more
    if not started:
        return
    _by_server.durations.add(clock() - started.pop(0))
    more[0] -= _by_server.busy
    connection = measuring._monit_connection()
    if connection is not None and more[0] <= 0:
        connection.server_state = measuring._monit_state


@quiet
def _measure(connection, more):
    """Measure the requests of a connection: so many more if the server is busy, else all."""
    state = getattr(connection, "server_state", None)
    if hasattr(connection, "_monit_measurable") and type(state) is not _MeasuringState:
        connection.server_state = _MeasuringState(connection, state, more)


def _connected(connection):
    _by_server.add_server(connection)
    if not _by_server.busy or _by_server.next_turn() % _by_server.one_of == 0:
        _measure(connection, RUN)


class _StreamRef(ref):
    """A weak reference to the method that a stream of HTTP/2 has until its response is over."""

    __slots__ = ("key", "since")


class _StreamLookupHook(LookupHook):
    def __get__(self, connection, owner=None):
        method = super().__get__(connection, owner)
        if connection is not None:
            _stream_started(method)
        return method


_streams = {}


@quiet
def _stream_started(method):
    stream = _StreamRef(method, _stream_ended)
    stream.key, stream.since = id(stream), clock()
    _streams[stream.key] = stream


@quiet
def _stream_ended(stream):
    del _streams[stream.key]
    _by_server.durations.add(clock() - stream.since)


# --------------------------------------------------- responses that are never complete


def _disconnected(connection):
    """Count the open request: the connection is over, so nothing will be called for it."""
    started = getattr(connection.server_state, "_monit_started", ())
    cycle = connection.cycle
    if cycle is None or cycle.response_complete or not _by_server.counts_for(connection):
        return
    since = started[0] if started else None
    if type(cycle.on_response) is _function:  # the app ended before its response did
        _by_server.end_broken(since, not cycle._monit_failed)
    else:
        cycle.on_response = _ClientLeft(since)


class _ClientLeft:
    """In place of what is called when a response is complete, after the client has disconnected.

    It will not be called. It is destroyed when the app ends, because something else is put in its
    place then.
    """

    def __init__(self, since):
        self.since = since
        _by_server.client_left[id(self)] = None

    def __del__(self):
        if _by_server.client_left.pop(id(self), self) is None:
            _by_server.end_broken(self.since, False)


# ------------------------------------------------------------------------- failures


def _fail(cycle):
    connection = getattr(getattr(cycle, "on_response", None), "__self__", None)
    # one that started before the probe came is not counted
    if connection is not None and _by_server.counts_for(connection):
        cycle._monit_failed = True
        counts.fail()


def _hook_failures(module, cycle):
    sends = coroutine_function(cycle, "send")

    def send(self, message):
        failed = message.__class__ is dict and is_failure(message.get("status"))
        if failed and not self.response_started:
            _fail(self)
        return sends(self, message)

    cycle._monit_failed = False
    for name in ("STATUS_LINE", "STATUS_PHRASES"):
        table = getattr(module, name, None)
        if type(table) is dict:
            setattr(module, name, StatusTable(table, _fail))
            return
    replace(cycle, "send", send, sends)


def _aborted(cycle):
    if not (cycle._monit_failed or cycle.disconnected):
        _fail(cycle)


def _hook(module):
    protocol, cycle = _protocol(module), module.RequestResponseCycle
    _hook_failures(module, cycle)
    protocol._monit_measurable = True
    LookupHook(protocol, "connection_made", _connected)
    LookupHook(protocol, "connection_lost", _disconnected)
    counts.add_server(_by_server)


def _hook_h2(module):
    """Many requests at a time in a connection: what each of them has of its own is a bound
    method."""
    protocol, cycle = _protocol(module), module.RequestResponseCycle
    _hook_failures(module, cycle)
    LookupHook(cycle, "abort_stream", _aborted)
    LookupHook(protocol, "connection_made", _by_server.add_server)
    _StreamLookupHook(protocol, "on_response_complete", lambda _: None)
    counts.add_server(_by_server)


def _protocol(module):
    """Return the class of a connection, if it reads from a server's state what we rely on."""
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
"""What to do with a module once it is imported; `_monit_probe.hooks` has the same names."""
