# pyright: basic
"""HTTP requests in servers with an event loop, except uvicorn; see `requests`."""

import sys
from functools import partial

from _monit_probe.basics import clock, quiet, wall_clock
from _monit_probe.http.requests import (
    LookupHook,
    OpenRequest,
    close,
    coroutine_function,
    counts,
    end,
    is_failure,
    replace,
)

# ------------------------------------------------------------------- hypercorn


def _hook_hypercorn(module):
    stream, request, closed = module.HTTPStream, module.Request, module.StreamClosed
    names = ("handle", "app_send", "_send_closed", "_send_error_response")
    handles, sends, completes, refuses = [coroutine_function(stream, name) for name in names]

    def handle(self, event):
        if event.__class__ is request:
            counts.start()
            self._monit_since = clock()
        elif event.__class__ is closed:
            close(self, False)
        return handles(self, event)

    def app_send(self, message):
        if message is None:
            close(self, True)  # the app has ended and its response is not complete
        elif message.__class__ is dict and is_failure(message.get("status")):
            self._monit_failed = True
        return sends(self, message)

    def send_closed(self):
        close(self, self._monit_failed)
        return completes(self)

    def send_error_response(self, status_code):
        close(self, is_failure(status_code))
        return refuses(self, status_code)

    stream._monit_since, stream._monit_failed = 0.0, False
    replace(stream, names[0], handle, handles)
    replace(stream, names[1], app_send, sends)
    replace(stream, names[2], send_closed, completes)
    replace(stream, names[3], send_error_response, refuses)
    counts.add_server()


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
    since = clock()
    opened = []

    def send_noted(message):
        if opened and message.__class__ is dict:
            _note_message(opened[0], message)
        return send(message)

    coroutine = app(scope, receive, send_noted)
    opened += _open(protocol, coroutine, since) or ()
    return coroutine


@quiet
def _open(protocol, coroutine, since):
    request = OpenRequest(coroutine, _app_ended)
    request.key, request.since = id(request), since
    request.failed, request.protocol = False, protocol
    counts.open_by_key[request.key] = request
    counts.start()
    return [request]


@quiet
def _note_message(request, message):
    if is_failure(message.get("status")):
        request.failed = True
    if message.get("type") == "http.response.body" and not message.get("more_body"):
        since, request.since = request.since, 0.0
        if since:
            end(since, request.failed)


@quiet
def _app_ended(request):
    if counts.open_by_key.pop(request.key, None) is not None and request.since:
        end(request.since, request.failed or not getattr(request.protocol, "_closed", False))


def _hook_gunicorn_asgi(module):
    protocol = module.ASGIProtocol
    if "app" in protocol.__dict__:
        raise LookupError("another kind of app")
    protocol.app = _App()
    counts.add_server()


# --------------------------------------------------------------------- aiohttp


@quiet
def _aiohttp_start(handler, web_request, coroutine):
    if web_request._message.upgrade:
        return  # a WebSocket
    request = OpenRequest(coroutine, _aiohttp_broken_off)
    request.key, request.since, request.failed = id(handler), clock(), False
    counts.open_by_key[request.key] = request
    counts.start()


@quiet
def _aiohttp_broken_off(request):
    if counts.open_by_key.get(request.key) is request:
        del counts.open_by_key[request.key]
        end(request.since, request.failed)


def _aiohttp_failed(handler):
    request = counts.open_by_key.get(id(handler))
    if request is not None:
        request.failed = True


def _aiohttp_complete(handler):
    request = counts.open_by_key.pop(id(handler), None)
    if request is not None:
        end(request.since, request.failed)


def _hook_aiohttp(module):
    handler = module.RequestHandler
    handles = coroutine_function(handler, "_handle_request")
    answers = coroutine_function(handler, "finish_response")

    def handle_request(self, request, *rest, **more):
        coroutine = handles(self, request, *rest, **more)
        _aiohttp_start(self, request, coroutine)
        return coroutine

    def finish_response(self, request, resp, *rest, **more):
        known = counts.open_by_key.get(id(self))
        if known is not None:
            known.failed = is_failure(getattr(resp, "_status", 500))
        return answers(self, request, resp, *rest, **more)

    LookupHook(handler, "handle_error", _aiohttp_failed)
    LookupHook(handler, "log_access", _aiohttp_complete)
    LookupHook(handler, "connection_lost", _aiohttp_complete)
    replace(handler, "_handle_request", handle_request, handles)
    replace(handler, "finish_response", finish_response, answers)


# --------------------------------------------------------------------- tornado


class _Guard:
    """An open request, counted at the latest when the handler that holds this is destroyed."""

    __slots__ = ("_monit_since", "failed")

    def __init__(self, since):
        self._monit_since = since
        self.failed = False

    def __del__(self):
        close(self, self.failed)


@quiet
def _tornado_start(handler):
    if hasattr(handler, "ws_connection"):
        return  # a WebSocket
    # since the headers were read, while the body arrived
    waited = wall_clock() - handler.request._start_time
    handler._monit_guard = _Guard(clock() - max(0.0, waited))
    counts.start()


def _tornado_complete(handler):
    guard = handler.__dict__.pop("_monit_guard", None)
    if guard is not None:
        close(guard, guard.failed or handler._status_code >= 500)


def _hook_tornado(module):
    handler = module.RequestHandler
    executes = coroutine_function(handler, "_execute")

    def failed(self):
        if not self._headers_written:
            return  # the status of the answer to come says whether it failed
        # finishing half an answer can raise, and then `_log` is never called
        guard = self.__dict__.get("_monit_guard")
        if guard is not None:
            error = sys.exc_info()[1]
            guard.failed = not isinstance(error, (module.Finish, module.HTTPError))
            _tornado_complete(self)

    def execute(self, *rest, **more):
        _tornado_start(self)
        return executes(self, *rest, **more)

    LookupHook(handler, "_handle_request_exception", failed)
    LookupHook(handler, "_log", _tornado_complete)
    replace(handler, "_execute", execute, executes)


HOOKS = {
    "hypercorn.protocol.http_stream": _hook_hypercorn,
    "gunicorn.asgi.protocol": _hook_gunicorn_asgi,
    "aiohttp.web_protocol": _hook_aiohttp,
    "tornado.web": _hook_tornado,
}
"""What to do with a module once it is imported; `_monit_probe.hooks` has the same names."""
