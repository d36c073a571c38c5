"""HTTP requests in servers that call a WSGI app or a handler in a thread, see `_monit_http`."""

import sys

from _monit_http import Told, end
from _monit_http import clock as _clock
from _monit_http import tally as _tally
from _monit_probe import _quiet

_GONE = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)
"""Errors that say that the client has left, which is no failure of the program."""


# --------------------------------------------------- gunicorn's workers for WSGI


@_quiet
def _gunicorn_began(req):
    req._monit_since = _clock()
    _tally.begin()


@_quiet
def _gunicorn_ended(req, resp):
    since = getattr(req, "_monit_since", 0.0)
    if not since:
        return
    req._monit_since = 0.0
    error = sys.exc_info()[1]
    if error.__class__ is StopIteration:
        error = error.__context__  # this one only says that the connection is to be closed
    if getattr(resp, "upgrade", False):
        _tally.drop()  # a WebSocket
    elif error is not None:
        end(since, not isinstance(error, _GONE))
    else:
        end(since, (getattr(resp, "status_code", None) or 500) >= 500)


def _hook_gunicorn(module):
    """A request begins when its environ is made, and ends when the worker looks up the hook
    ``post_request``, which each does at the end, however that came."""
    import gunicorn.config
    import gunicorn.http.wsgi

    wsgi, setting = gunicorn.http.wsgi, gunicorn.config.PostRequest
    original = wsgi.proxy_environ  # called with every request, and with nothing else
    if hasattr(original, "_monit"):
        return

    def proxy_environ(req):
        _gunicorn_began(req)
        return original(req)

    def post_request(worker, req, environ, resp):
        _gunicorn_ended(req, resp)

    def get(self):
        hook = self.value
        if hook is self.default:
            return post_request
        # one of the program: called by itself, so that it stands alone in its tracebacks
        names = sys._getframe(2).f_locals
        _gunicorn_ended(names.get("req"), names.get("resp"))
        return hook

    proxy_environ._monit = True
    wsgi.proxy_environ = proxy_environ
    setting.get = get
    _tally.seen = True


# ---------------------------------------- http.server, wsgiref, and what is built on them


def _begin(handler):
    _finish(handler)
    if not handler.raw_requestline:
        return  # closed without a request
    # a server may have been started within an ``except``: that error is none of a request
    handler._monit_http = [_clock(), False, id(sys.exc_info()[1])]
    _tally.begin()


def _finish(handler):
    known = handler.__dict__.pop("_monit_http", None)
    if known is None:
        return
    since, bad, before = known
    kind, error, _ = sys.exc_info()
    if error is not None and id(error) != before:
        bad = bad or not issubclass(kind, _GONE)
    end(since, bad)


def _status(handler, code):
    known = handler.__dict__.get("_monit_http")
    if known is None:
        return
    if code == 101:
        del handler._monit_http
        _tally.drop()  # a WebSocket
    elif code >= 500:
        known[1] = True


def _hook_http_server(module):
    handler = module.BaseHTTPRequestHandler

    def headers(self):
        first = getattr(self, "_headers_buffer", None)
        if first:
            _status(self, int(first[0][9:12]))

    Told(handler, "parse_request", _begin)
    Told(handler, "flush_headers", headers)
    Told(handler, "handle_one_request", _finish)
    Told(handler, "finish", _finish)


def _hook_wsgiref(module):
    def preamble(self):
        _status(self.request_handler, int(self.status[:3]))

    def failed(self):
        _status(self.request_handler, 500)

    def closed(self):
        _finish(self.request_handler)

    # its base class answers for servers of another kind
    Told(module.ServerHandler, "send_preamble", preamble)
    Told(module.ServerHandler, "handle_error", failed)
    Told(module.ServerHandler, "close", closed)


def _hook_werkzeug(module):
    def logged(server):
        # what the program raised, after its headers were sent perhaps
        error = sys.exc_info()[1]
        handler = sys._getframe(3).f_locals.get("self")
        if error is not None and isinstance(handler, module.WSGIRequestHandler):
            _status(handler, 500)

    Told(module.BaseWSGIServer, "log", logged)


# -------------------------------------------------------------------- waitress


def _hook_waitress(module):
    """A connection answers one request at a time. What the program raises becomes a second task,
    which answers with 500, for the same request."""

    def begin(task):
        channel = task.channel
        if not channel.__dict__.get("_monit_since"):
            channel._monit_since = _clock()
            _tally.begin()

    def finish(task):
        since = task.channel.__dict__.pop("_monit_since", 0.0)
        if since:
            end(since, int(task.status[:3]) >= 500)

    Told(module.Task, "start", begin)
    Told(module.Task, "finish", finish)
    _tally.seen = True


def _hook_waitress_channel(module):
    def closed(channel):
        # of a response that was begun and is not finished: the server closes after an error
        since = channel.__dict__.pop("_monit_since", 0.0)
        if since:
            end(since, bool(channel.will_close))

    Told(module.HTTPChannel, "handle_close", closed)


HOOKS = {
    "gunicorn.workers.sync": _hook_gunicorn,
    "gunicorn.workers.gthread": _hook_gunicorn,
    "gunicorn.workers.base_async": _hook_gunicorn,
    "http.server": _hook_http_server,
    "wsgiref.simple_server": _hook_wsgiref,
    "werkzeug.serving": _hook_werkzeug,
    "waitress.task": _hook_waitress,
    "waitress.channel": _hook_waitress_channel,
}
"""By the module that must be there; `_monit_probe` has the same names."""
