"""Tells the clients of kept connections that a worker goes: each answer says ``Connection: close``.

HTTP lets a server close a kept connection at any time, and a client whose next request is just on
its way sees an error. A client that was told with the answer before comes back on a new connection,
which another worker takes. So from the moment when a worker takes no new connections, and until it
is told to stop, its server finds something else in one place where it looks, in each server
another. Nothing of that is there before; a server or version that looks elsewhere goes as ever.

Runs in a signal handler, and then in the server: never raises.
"""

import sys

_CLOSE = b"connection", b"close"


class _Instead:
    """An attribute for which ``give(instance, its own value)`` is found from now on."""

    def __init__(self, cls, name, give):
        self._name, self._give = name, give
        self._above = cls.__dict__.get(name)

    def __get__(self, instance, owner=None):
        if instance is None:
            return self._above
        own = getattr(instance, "__dict__", {}).get(self._name, self._above)
        if own is self._above and hasattr(own, "__get__"):
            own = own.__get__(instance, owner)
        try:
            return self._give(instance, own)
        except Exception:
            return own

    def __set__(self, instance, value):
        instance.__dict__[self._name] = value


def announce():
    """Begin to. Only what is imported already is looked at."""
    for module, kind, name, give in _PLACES:
        cls = getattr(sys.modules.get(module), kind, None)
        if cls is not None and not isinstance(cls.__dict__.get(name), _Instead):
            setattr(cls, name, _Instead(cls, name, give))


def _with_close(_cycle, headers):
    return [*headers, _CLOSE]


def _zero(_instance, _most):
    return 0


def _yes(_protocol, _method):
    return lambda *_: True


def _no(_request, _kept):
    return False


def _when_it_is_said(connection, closes):
    # looked up to write the headers, and again to do it: an answer that began before keeps its word
    if closes or sys._getframe(2).f_code.co_name != "write_headers":
        return closes
    if connection.is_client or "Upgrade" in connection._request_headers:
        return closes
    connection._disconnect_on_finish = True
    return True


def _after_a_header(handler, method):
    status = getattr(handler, "_headers_buffer", None) or (b"",)
    if status[0][:5] == b"HTTP/" and status[0][9:10] != b"1":  # 1xx: the answer is still to come
        handler.send_header("Connection", "close")
    return method


_PLACES = (
    ("uvicorn.protocols.http.h11_impl", "RequestResponseCycle", "default_headers", _with_close),
    ("uvicorn.protocols.http.httptools_impl", "RequestResponseCycle", "default_headers",
     _with_close),
    ("uvicorn.protocols.http.zttp_impl", "RequestResponseCycle", "default_headers", _with_close),
    ("hypercorn.config", "Config", "keep_alive_max_requests", _zero),
    ("gunicorn.workers.gthread", "ThreadWorker", "max_keepalived", _zero),
    ("gunicorn.asgi.protocol", "ASGIProtocol", "_will_close", _yes),
    ("aiohttp.web_request", "BaseRequest", "keep_alive", _no),
    ("tornado.http1connection", "HTTP1Connection", "_disconnect_on_finish", _when_it_is_said),
    ("http.server", "BaseHTTPRequestHandler", "end_headers", _after_a_header),
)  # fmt: skip
"""The module, the class in it, the attribute, and what is found there instead."""
