"""HTTP requests in servers with an event loop but uvicorn, see `_monit_http`."""

import sys
from _functools import partial

from _monit_http import Open, Told, close, coroutine_function, end, is_bad, replace, still_open
from _monit_http import clock as _clock
from _monit_http import tally as _tally
from _monit_probe import _quiet, _wall

# ------------------------------------------------------------------- hypercorn


def _hook_hypercorn(module):
    stream, request, closed = module.HTTPStream, module.Request, module.StreamClosed
    names = ("handle", "app_send", "_send_closed", "_send_error_response")
    handles, sends, completes, refuses = [coroutine_function(stream, name) for name in names]

    def handle(self, event):
        if event.__class__ is request:
            _tally.begin()
            self._monit_since = _clock()
        elif event.__class__ is closed:
            close(self, False)
        return handles(self, event)

    def app_send(self, message):
        if message is None:
            close(self, True)  # the app is over and its response is not
        elif message.__class__ is dict and is_bad(message.get("status")):
            self._monit_bad = True
        return sends(self, message)

    def send_closed(self):
        close(self, self._monit_bad)
        return completes(self)

    def send_error_response(self, status_code):
        close(self, is_bad(status_code))
        return refuses(self, status_code)

    stream._monit_since, stream._monit_bad = 0.0, False
    replace(stream, names[0], handle, handles)
    replace(stream, names[1], app_send, sends)
    replace(stream, names[2], send_closed, completes)
    replace(stream, names[3], send_error_response, refuses)
    _tally.seen = True


# ----------------------------------------------------- gunicorn's worker for ASGI


class _App:
    """``app`` of a connection: what the server calls with each scope."""

    def __get__(self, protocol, owner=None):
        if protocol is None:
            raise AttributeError("app")
        return partial(_call, protocol, protocol._monit_app)

    def __set__(self, protocol, app):
        protocol._monit_app = app


def _call(protocol, app, scope, receive, send):
    if scope["type"] != "http":
        return app(scope, receive, send)
    since = _clock()
    opened = []

    def send_told(message):
        if opened and message.__class__ is dict:
            _look(opened[0], message)
        return send(message)

    coroutine = app(scope, receive, send_told)
    opened += _watched(protocol, coroutine, since) or ()
    return coroutine


@_quiet
def _watched(protocol, coroutine, since):
    this = Open(coroutine, _over)
    this.key, this.since, this.bad, this.protocol = id(this), since, False, protocol
    still_open[this.key] = this
    _tally.begin()
    return [this]


@_quiet
def _look(this, message):
    if is_bad(message.get("status")):
        this.bad = True
    if message.get("type") == "http.response.body" and not message.get("more_body"):
        since, this.since = this.since, 0.0
        if since:
            end(since, this.bad)


@_quiet
def _over(this):
    if still_open.pop(this.key, None) is not None and this.since:
        end(this.since, this.bad or not getattr(this.protocol, "_closed", False))


def _hook_gunicorn_asgi(module):
    protocol = module.ASGIProtocol
    if "app" in protocol.__dict__:
        raise LookupError("another kind of app")
    protocol.app = _App()
    _tally.seen = True


# --------------------------------------------------------------------- aiohttp


@_quiet
def _aiohttp_begin(handler, request, coroutine):
    if request._message.upgrade:
        return  # a WebSocket
    this = Open(coroutine, _aiohttp_gone)
    this.key, this.since, this.bad = id(handler), _clock(), False
    still_open[this.key] = this
    _tally.begin()


@_quiet
def _aiohttp_gone(this):
    if still_open.get(this.key) is this:
        del still_open[this.key]
        end(this.since, this.bad)


def _aiohttp_failed(handler):
    this = still_open.get(id(handler))
    if this is not None:
        this.bad = True


def _aiohttp_complete(handler):
    this = still_open.pop(id(handler), None)
    if this is not None:
        end(this.since, this.bad)


def _hook_aiohttp(module):
    handler = module.RequestHandler
    handles = coroutine_function(handler, "_handle_request")
    answers = coroutine_function(handler, "finish_response")

    def handle_request(self, request, *rest, **more):
        coroutine = handles(self, request, *rest, **more)
        _aiohttp_begin(self, request, coroutine)
        return coroutine

    def finish_response(self, request, resp, *rest, **more):
        this = still_open.get(id(self))
        if this is not None:
            this.bad = is_bad(getattr(resp, "_status", 500))
        return answers(self, request, resp, *rest, **more)

    Told(handler, "handle_error", _aiohttp_failed)
    Told(handler, "log_access", _aiohttp_complete)
    Told(handler, "connection_lost", _aiohttp_complete)
    replace(handler, "_handle_request", handle_request, handles)
    replace(handler, "finish_response", finish_response, answers)


# --------------------------------------------------------------------- tornado


class _Guard:
    """An open request, counted at the latest when the handler that holds this goes."""

    __slots__ = ("_monit_since", "bad")

    def __init__(self, since):
        self._monit_since = since
        self.bad = False

    def __del__(self):
        close(self, self.bad)


@_quiet
def _tornado_begin(handler):
    if hasattr(handler, "ws_connection"):
        return  # a WebSocket
    waited = _wall() - handler.request._start_time  # since the headers, while the body came
    handler._monit_guard = _Guard(_clock() - max(0.0, waited))
    _tally.begin()


def _tornado_complete(handler):
    guard = handler.__dict__.pop("_monit_guard", None)
    if guard is not None:
        close(guard, guard.bad or handler._status_code >= 500)


def _hook_tornado(module):
    handler = module.RequestHandler
    executes = coroutine_function(handler, "_execute")

    def failed(self):
        guard = self.__dict__.get("_monit_guard")
        if guard is not None and self._headers_written:
            # else the status tells
            guard.bad = not issubclass(sys.exc_info()[0], (module.Finish, module.HTTPError))

    def execute(self, *rest, **more):
        _tornado_begin(self)
        return executes(self, *rest, **more)

    Told(handler, "_handle_request_exception", failed)
    Told(handler, "_log", _tornado_complete)
    replace(handler, "_execute", execute, executes)


HOOKS = {
    "hypercorn.protocol.http_stream": _hook_hypercorn,
    "gunicorn.asgi.protocol": _hook_gunicorn_asgi,
    "aiohttp.web_protocol": _hook_aiohttp,
    "tornado.web": _hook_tornado,
}
"""By the module that must be there; `_monit_probe` has the same names."""
