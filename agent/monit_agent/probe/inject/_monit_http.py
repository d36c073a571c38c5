"""HTTP requests of this process: how many, how many failed, how long they took, how many are open.

Loaded by `_monit_probe` when a program imports a server that is known here. What it does in the
server must show nowhere, above all not in the program's tracebacks; so no frame of this file may
be on the stack while something of the program runs. Three ways to be told without one:

* `_Told`: an attribute that says when it is looked up. The server looks up ``self.finish``, this
  file hears of it and gives what was there before, and the server calls that.
* a plain function in place of a coroutine function, which gives the original's coroutine: it is
  over before the coroutine begins.
* a weak reference to a coroutine, which tells when that is over, in whatever way.

Counting takes no lock (a signal handler or a finaliser may come in between): each number is an
`itertools.count`, whose ``next`` nothing can divide.
"""

import sys
from _functools import partial
from _weakref import ref
from itertools import count

from _monit_probe import _TICK, BUCKETS, _clock, _quiet, _wall

_LAST = BUCKETS - 1
_SCALE = 1.0 / _TICK**2
_GONE = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)
"""Errors that say that the client has left, which is no failure of the program."""

_ends = []
"""Per bucket of the time that a request took: counts one (see ``probe/README.md``)."""
_open = {}
"""Requests that a coroutine answers, by a number; its end takes one out, if nothing did before."""
_seen = False


def reset():
    """Count from nothing, also in the child of a fork."""
    global _begun, _failed, _dropped, _counts, _longest
    _begun, _failed, _dropped = count(), count(), count()
    _counts = [count() for _ in range(BUCKETS)]
    _ends[:] = [each.__next__ for each in _counts]
    _longest = 0.0
    _open.clear()


reset()


def _value(counter):
    # repr is the one way to read it without counting that all versions have
    return int(repr(counter)[6:-1])


def _end(since, bad):
    """Count a request that began at ``since``; ``bad``: the program failed it."""
    global _longest
    took = _clock() - since
    _ends[int(took * took * _SCALE).bit_length() if took < 60.0 else _LAST]()
    if bad:
        next(_failed)
    if took > _longest:
        _longest = took


def report():
    """Give the report's part; None where no server and no request was seen."""
    global _longest
    numbers = [[bucket, _value(each)] for bucket, each in enumerate(_counts)]
    begun = _value(_begun)
    if not (_seen or begun):
        return None
    done = sum(number for _, number in numbers)
    longest, _longest = _longest, 0.0
    return {
        "requests": done, "errors": _value(_failed), "hist": [each for each in numbers if each[1]],
        "now": max(0, begun - done - _value(_dropped)), "max": longest,
    }  # fmt: skip


# ------------------------------------------------------------------- ways in


class _Told:
    """In place of a method: has ``tell(instance)`` called before it is called itself."""

    def __init__(self, cls, name, tell):
        self.cls, self.name, self.tell = cls, name, _quiet(tell)
        self.own = cls.__dict__.get(name)
        if self.own is None and not hasattr(cls, name):
            raise LookupError("no %s.%s" % (cls.__name__, name))
        setattr(cls, name, self)

    def __get__(self, instance, owner=None):
        if instance is not None:
            self.tell(instance)
        if self.own is None:
            # inherited: by whom depends on the order of the subclass's bases
            above = super(self.cls, owner if instance is None else instance)
            return getattr(above, self.name)
        return self.own.__get__(instance, owner)


def _coroutine_function(cls, name):
    """Give a method that is one; `LookupError` if this version of the server has none."""
    function = cls.__dict__.get(name)
    if not getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x80:
        raise LookupError("no coroutine function %s.%s" % (cls.__name__, name))
    return function


def _replace(cls, name, new, original):
    """Put ``new`` in the place of the coroutine function ``original``, and have it look alike."""
    new.__name__, new.__qualname__ = original.__name__, original.__qualname__
    new.__module__, new.__doc__ = original.__module__, original.__doc__
    new.__wrapped__ = original
    for module, mark in (("inspect", "_is_coroutine_mark"), ("asyncio.coroutines", "_is_coroutine")):
        value = getattr(sys.modules.get(module), mark, None)
        if value is not None:
            new.__dict__[mark] = value
    setattr(cls, name, new)


def _is_bad(status):
    return isinstance(status, int) and status >= 500


def _close(carrier, bad):
    """Count the open request of ``carrier``, if it has one."""
    since = carrier._monit_since
    if since:
        carrier._monit_since = 0.0
        _end(since, bad)


def _serves():
    global _seen
    _seen = True


# -------------------------------------------------------------------- uvicorn


class _OnResponse:
    """``on_response`` of a request in uvicorn. Its life is that of the request: set when the
    headers are parsed, looked up when the response is complete, set again when the app is over."""

    def __get__(self, cycle, owner=None):
        if cycle is None:
            raise AttributeError("on_response")
        since = cycle._monit_since
        if since and cycle.response_complete:
            cycle._monit_since = 0.0
            _end(since, cycle._monit_bad)
        return cycle._monit_told

    def __set__(self, cycle, told):
        cycle._monit_told = told
        since = cycle._monit_since
        if since is None:
            next(_begun)
            cycle._monit_since = _clock()
        elif since:
            cycle._monit_since = 0.0
            _end(since, cycle._monit_bad or not cycle.disconnected)


def _hook_uvicorn(module):
    cycle = module.RequestResponseCycle
    original = _coroutine_function(cycle, "send")
    if "on_response" in cycle.__dict__:
        raise LookupError("another kind of on_response")

    def send(self, message):
        if not self.response_started and message.__class__ is dict:
            status = message.get("status")
            if isinstance(status, int) and status >= 500:
                self._monit_bad = True
        return original(self, message)

    cycle._monit_since, cycle._monit_bad = None, False
    cycle.on_response = _OnResponse()
    _replace(cycle, "send", send, original)
    _serves()


# ------------------------------------------------------------------- hypercorn


def _hook_hypercorn(module):
    stream, request, closed = module.HTTPStream, module.Request, module.StreamClosed
    names = ("handle", "app_send", "_send_closed", "_send_error_response")
    handles, sends, completes, refuses = [_coroutine_function(stream, name) for name in names]

    def handle(self, event):
        if event.__class__ is request:
            next(_begun)
            self._monit_since = _clock()
        elif event.__class__ is closed:
            _close(self, False)
        return handles(self, event)

    def app_send(self, message):
        if message is None:
            _close(self, True)  # the app is over and its response is not
        elif message.__class__ is dict and _is_bad(message.get("status")):
            self._monit_bad = True
        return sends(self, message)

    def send_closed(self):
        _close(self, self._monit_bad)
        return completes(self)

    def send_error_response(self, status_code):
        _close(self, _is_bad(status_code))
        return refuses(self, status_code)

    stream._monit_since, stream._monit_bad = 0.0, False
    _replace(stream, names[0], handle, handles)
    _replace(stream, names[1], app_send, sends)
    _replace(stream, names[2], send_closed, completes)
    _replace(stream, names[3], send_error_response, refuses)
    _serves()


# -------------------------------------------------------------------- gunicorn


def _hook_gunicorn(module):
    """Workers for WSGI: a request begins when its environ is made, and ends when the worker looks
    up the hook ``post_request``, which each does at the end, however that came."""
    import gunicorn.config
    import gunicorn.http.wsgi

    wsgi, setting = gunicorn.http.wsgi, gunicorn.config.PostRequest
    original = wsgi.proxy_environ  # called with every request, and with nothing else
    if hasattr(original, "_monit"):
        return

    @_quiet
    def began(req):
        req._monit_since = _clock()
        next(_begun)

    def proxy_environ(req):
        began(req)
        return original(req)

    @_quiet
    def ended(req, resp):
        since = getattr(req, "_monit_since", 0.0)
        if not since:
            return
        req._monit_since = 0.0
        kind = sys.exc_info()[0]
        if getattr(resp, "upgrade", False):
            next(_dropped)  # a WebSocket
        elif kind is not None:
            _end(since, not issubclass(kind, _GONE))
        else:
            _end(since, (getattr(resp, "status_code", None) or 500) >= 500)

    def post_request(worker, req, environ, resp):
        ended(req, resp)

    def get(self):
        hook = self.value
        if hook is self.default:
            return post_request
        # one of the program: called by itself, so that it stands alone in its tracebacks
        names = sys._getframe(2).f_locals
        ended(names.get("req"), names.get("resp"))
        return hook

    proxy_environ._monit = True
    wsgi.proxy_environ = proxy_environ
    setting.get = get
    _serves()


class _Open(ref):
    """An open request, and a weak reference to the coroutine that answers it."""

    __slots__ = ("bad", "key", "protocol", "since")


def _hook_gunicorn_asgi(module):
    protocol = module.ASGIProtocol

    @_quiet
    def gone(this):
        if _open.pop(this.key, None) is not None and this.since:
            _end(this.since, this.bad or not getattr(this.protocol, "_closed", False))

    @_quiet
    def watch(protocol, coroutine, since, told):
        this = _Open(coroutine, gone)
        this.key, this.since, this.bad, this.protocol = id(this), since, False, protocol
        told.append(this)
        _open[this.key] = this
        next(_begun)

    def look(this, message):
        if _is_bad(message.get("status")):
            this.bad = True
        if message.get("type") == "http.response.body" and not message.get("more_body"):
            since, this.since = this.since, 0.0
            if since:
                _end(since, this.bad)

    def call(protocol, app, scope, receive, send):
        if scope["type"] != "http":
            return app(scope, receive, send)
        since = _clock()
        told = []

        def send_told(message):
            if told and message.__class__ is dict:
                look(told[0], message)
            return send(message)

        coroutine = app(scope, receive, send_told)
        watch(protocol, coroutine, since, told)
        return coroutine

    class App:
        """``app`` of a connection: what is called with each scope."""

        def __get__(self, protocol, owner=None):
            if protocol is None:
                raise AttributeError("app")
            return partial(call, protocol, protocol._monit_app)

        def __set__(self, protocol, app):
            protocol._monit_app = app

    if "app" in protocol.__dict__:
        raise LookupError("another kind of app")
    protocol.app = App()
    _serves()


# --------------------------------------------------------------------- aiohttp


def _hook_aiohttp(module):
    handler = module.RequestHandler
    handles = _coroutine_function(handler, "_handle_request")
    answers = _coroutine_function(handler, "finish_response")

    @_quiet
    def gone(this):
        if _open.get(this.key) is this:
            del _open[this.key]
            _end(this.since, this.bad)

    @_quiet
    def begin(self, request, coroutine):
        if request._message.upgrade:
            return  # a WebSocket
        this = _Open(coroutine, gone)
        this.key, this.since, this.bad = id(self), _clock(), False
        _open[this.key] = this
        next(_begun)

    def _handle_request(self, request, *rest, **more):
        coroutine = handles(self, request, *rest, **more)
        begin(self, request, coroutine)
        return coroutine

    def finish_response(self, request, resp, *rest, **more):
        this = _open.get(id(self))
        if this is not None:
            this.bad = _is_bad(getattr(resp, "_status", 500))
        return answers(self, request, resp, *rest, **more)

    def failed(self):
        this = _open.get(id(self))
        if this is not None:
            this.bad = True

    def complete(self):
        this = _open.pop(id(self), None)
        if this is not None:
            _end(this.since, this.bad)

    _Told(handler, "handle_error", failed)
    _Told(handler, "connection_lost", complete)
    _Told(handler, "log_access", complete)
    _replace(handler, "_handle_request", _handle_request, handles)
    _replace(handler, "finish_response", finish_response, answers)


# --------------------------------------------------------------------- tornado


class _Guard:
    """An open request, counted at the latest when the handler that holds this goes."""

    __slots__ = ("_monit_since", "bad")

    def __init__(self, since):
        self._monit_since = since
        self.bad = False

    def __del__(self):
        _close(self, self.bad)


def _hook_tornado(module):
    handler = module.RequestHandler
    executes = _coroutine_function(handler, "_execute")

    @_quiet
    def begin(self):
        if hasattr(self, "ws_connection"):
            return  # a WebSocket
        waited = _wall() - self.request._start_time  # since the headers, while the body came
        self._monit_guard = _Guard(_clock() - max(0.0, waited))
        next(_begun)

    def _execute(self, *rest, **more):
        begin(self)
        return executes(self, *rest, **more)

    def failed(self):
        guard = self.__dict__.get("_monit_guard")
        if guard is not None and self._headers_written:
            # else the status tells
            guard.bad = not issubclass(sys.exc_info()[0], (module.Finish, module.HTTPError))

    def complete(self):
        guard = self.__dict__.pop("_monit_guard", None)
        if guard is not None:
            _close(guard, guard.bad or self._status_code >= 500)

    _Told(handler, "_handle_request_exception", failed)
    _Told(handler, "_log", complete)
    _replace(handler, "_execute", _execute, executes)


# ---------------------------------------- http.server, wsgiref, and what is built on them


def _begin(handler):
    _finish(handler)
    if not handler.raw_requestline:
        return  # closed without a request
    handler._monit_http = [_clock(), False, id(sys.exc_info()[1])]
    next(_begun)


def _finish(handler):
    known = handler.__dict__.pop("_monit_http", None)
    if known is None:
        return
    since, bad, before = known
    kind, error, _ = sys.exc_info()
    if error is not None and id(error) != before:
        bad = bad or not issubclass(kind, _GONE)
    _end(since, bad)


def _status(handler, code):
    known = handler.__dict__.get("_monit_http")
    if known is None:
        return
    if code == 101:
        del handler._monit_http
        next(_dropped)  # a WebSocket
    elif code >= 500:
        known[1] = True


def _hook_http_server(module):
    handler = module.BaseHTTPRequestHandler

    def headers(self):
        first = getattr(self, "_headers_buffer", None)
        if first:
            _status(self, int(first[0][9:12]))

    _Told(handler, "parse_request", _begin)
    _Told(handler, "flush_headers", headers)
    _Told(handler, "handle_one_request", _finish)
    _Told(handler, "finish", _finish)


def _hook_wsgiref(module):
    import wsgiref.handlers

    def preamble(self):
        _status(self.request_handler, int(self.status[:3]))

    def failed(self):
        _status(self.request_handler, 500)

    def closed(self):
        _finish(self.request_handler)

    # the others of the kind answer for servers of another kind
    _Told(module.ServerHandler, "send_preamble", preamble)
    _Told(module.ServerHandler, "handle_error", failed)
    _Told(module.ServerHandler, "close", closed)


def _hook_werkzeug(module):
    def logged(server):
        error = sys.exc_info()[1]
        handler = sys._getframe(3).f_locals.get("self")
        if error is not None and isinstance(handler, module.WSGIRequestHandler):
            _status(handler, 500)  # what the program raised; its headers may be sent

    _Told(module.BaseWSGIServer, "log", logged)


HOOKS = {
    "uvicorn.protocols.http.h11_impl": _hook_uvicorn,
    "uvicorn.protocols.http.httptools_impl": _hook_uvicorn,
    "uvicorn.protocols.http.zttp_impl": _hook_uvicorn,
    "uvicorn.protocols.http.zttp_h2_impl": _hook_uvicorn,
    "hypercorn.protocol.http_stream": _hook_hypercorn,
    "gunicorn.workers.sync": _hook_gunicorn,
    "gunicorn.workers.gthread": _hook_gunicorn,
    "gunicorn.workers.base_async": _hook_gunicorn,
    "gunicorn.asgi.protocol": _hook_gunicorn_asgi,
    "aiohttp.web_protocol": _hook_aiohttp,
    "tornado.web": _hook_tornado,
    "http.server": _hook_http_server,
    "wsgiref.simple_server": _hook_wsgiref,
    "werkzeug.serving": _hook_werkzeug,
}
"""By the module that must be there; `_monit_probe` has the same names."""
