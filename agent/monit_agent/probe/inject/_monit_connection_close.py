# pyright: basic
"""Announces to clients of kept connections that a worker stops: its answers say ``Connection:
close``.

HTTP lets a server close a kept connection at any time, and a client whose next request is just on
its way sees an error. A client that got the announcement with the answer before opens a new
connection, which another worker accepts. So from when a worker accepts no new connections until it
is told to stop, one attribute of its server, a different one in each server, is replaced. Before
that nothing is changed. A server or version that decides elsewhere behaves as without us.

Runs in a signal handler, and then in the server: never raises.
"""

import sys

_CLOSE = b"connection", b"close"


class _ReplacedAttribute:
    """An attribute whose value is ``replace(instance, its own value)`` from now on."""

    def __init__(self, cls, name, replace):
        self._name, self._replace = name, replace
        self._inherited = cls.__dict__.get(name)

    def __get__(self, instance, owner=None):
        if instance is None:
            return self._inherited
        own = getattr(instance, "__dict__", {}).get(self._name, self._inherited)
        if own is self._inherited and own is not None and hasattr(own, "__get__"):
            own = own.__get__(instance, owner)
        try:
            return self._replace(instance, own)
        except Exception:
            return own

    def __set__(self, instance, value):
        instance.__dict__[self._name] = value


def announce():
    """Announce it from now on. Only servers that are imported already are changed."""
    for module, kind, name, replace in _PLACES:
        cls = getattr(sys.modules.get(module), kind, None)
        if cls is not None and not isinstance(cls.__dict__.get(name), _ReplacedAttribute):
            setattr(cls, name, _ReplacedAttribute(cls, name, replace))


def _with_close(_cycle, headers):
    return [*headers, _CLOSE]


def _zero(_instance, _most):
    return 0


def _always(_protocol, _method):
    return lambda *_: True


def _never(_request, _kept):
    return False


def _if_announced(connection, closes):
    # Read to write the headers, and again to close the connection: an answer that began before
    # did not announce it, and its connection stays.
    if closes or sys._getframe(2).f_code.co_name != "write_headers":
        return closes
    if connection.is_client or "Upgrade" in connection._request_headers:
        return closes
    connection._disconnect_on_finish = True
    return True


def _after_a_header(handler, method):
    status = getattr(handler, "_headers_buffer", None) or (b"",)
    if status[0][:5] == b"HTTP/" and status[0][9:10] != b"1":  # 1xx: the answer comes later
        handler.send_header("Connection", "close")
    return method


_PLACES = (
    ("uvicorn.protocols.http.h11_impl", "RequestResponseCycle", "default_headers", _with_close),
    ("uvicorn.protocols.http.httptools_impl", "RequestResponseCycle", "default_headers",
     _with_close),
    ("uvicorn.protocols.http.zttp_impl", "RequestResponseCycle", "default_headers", _with_close),
    ("hypercorn.config", "Config", "keep_alive_max_requests", _zero),
    ("gunicorn.workers.gthread", "ThreadWorker", "max_keepalived", _zero),
    ("gunicorn.asgi.protocol", "ASGIProtocol", "_will_close", _always),
    ("aiohttp.web_request", "BaseRequest", "keep_alive", _never),
    ("tornado.http1connection", "HTTP1Connection", "_disconnect_on_finish", _if_announced),
    ("http.server", "BaseHTTPRequestHandler", "end_headers", _after_a_header),
)  # fmt: skip
"""The module, the class in it, the attribute, and what replaces its value."""
