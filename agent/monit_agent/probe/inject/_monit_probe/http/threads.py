# pyright: basic
"""HTTP requests in servers that call a WSGI app or a handler in a thread, see `requests`."""

import sys

from _monit_probe.basics import clock, quiet
from _monit_probe.http.requests import LookupHook, counts, end

CLIENT_GONE = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)
"""Errors that mean that the client has closed the connection: no failure of the program."""


# --------------------------------------------------- gunicorn's workers for WSGI


@quiet
def _gunicorn_started(req):
    req._monit_since = clock()
    counts.start()


@quiet
def _gunicorn_ended(req, resp):
    since = getattr(req, "_monit_since", 0.0)
    if not since:
        return
    req._monit_since = 0.0
    error = sys.exc_info()[1]
    if type(error) is StopIteration:
        error = error.__context__  # this one only means that the connection is to be closed
    if getattr(resp, "upgrade", False):
        counts.drop()  # a WebSocket
    elif error is not None:
        end(since, not isinstance(error, CLIENT_GONE))
    else:
        end(since, (getattr(resp, "status_code", None) or 500) >= 500)


def _hook_gunicorn(module):
    """A request starts when its environ is made. It ends when the worker looks up the hook
    ``post_request``, which each worker does at the end of each request."""
    import gunicorn.config
    import gunicorn.http.wsgi

    wsgi, setting = gunicorn.http.wsgi, gunicorn.config.PostRequest
    original = wsgi.proxy_environ  # called for every request, and for nothing else
    if hasattr(original, "_monit"):
        return

    def proxy_environ(req):
        _gunicorn_started(req)
        return original(req)

    def post_request(worker, req, environ, resp):
        _gunicorn_ended(req, resp)

    def get(self):
        hook = self.value
        if hook is self.default:
            return post_request
        # the program's own hook: called directly, so that no frame of ours is in its tracebacks
        names = sys._getframe(2).f_locals
        _gunicorn_ended(names.get("req"), names.get("resp"))
        return hook

    proxy_environ._monit = True
    setattr(wsgi, "proxy_environ", proxy_environ)  # noqa: B010 - a module has no such attribute
    setting.get = get
    counts.add_server()


# ---------------------------------------- http.server, wsgiref, and what is built on them


def _start(handler):
    _finish(handler)
    if not handler.raw_requestline:
        return  # closed without a request
    # a server may have been started within an ``except``: that error is not of a request
    handler._monit_http = [clock(), False, id(sys.exc_info()[1])]
    counts.start()


def _finish(handler):
    known = handler.__dict__.pop("_monit_http", None)
    if known is None:
        return
    since, failed, before = known
    error = sys.exc_info()[1]
    if error is not None and id(error) != before:
        failed = failed or not isinstance(error, CLIENT_GONE)
    end(since, failed)


def _note_status(handler, code):
    known = handler.__dict__.get("_monit_http")
    if known is None:
        return
    if code == 101:
        del handler._monit_http
        counts.drop()  # a WebSocket
    elif code >= 500:
        known[1] = True


def _hook_http_server(module):
    handler = module.BaseHTTPRequestHandler

    def headers(self):
        first = getattr(self, "_headers_buffer", None)
        if first:
            _note_status(self, int(first[0][9:12]))

    LookupHook(handler, "parse_request", _start)
    LookupHook(handler, "flush_headers", headers)
    LookupHook(handler, "handle_one_request", _finish)
    LookupHook(handler, "finish", _finish)


def _hook_wsgiref(module):
    def preamble(self):
        _note_status(self.request_handler, int(self.status[:3]))

    def failed(self):
        _note_status(self.request_handler, 500)

    def closed(self):
        _finish(self.request_handler)

    # its base class is used by servers of other kinds too
    LookupHook(module.ServerHandler, "send_preamble", preamble)
    LookupHook(module.ServerHandler, "handle_error", failed)
    LookupHook(module.ServerHandler, "close", closed)


def _hook_werkzeug(module):
    def logged(server):
        # an error of the program, perhaps after its headers were sent
        error = sys.exc_info()[1]
        handler = sys._getframe(3).f_locals.get("self")
        if error is not None and isinstance(handler, module.WSGIRequestHandler):
            _note_status(handler, 500)

    LookupHook(module.BaseWSGIServer, "log", logged)


# -------------------------------------------------------------------- waitress


def _hook_waitress(module):
    """A connection answers one request at a time. An error of the program becomes a second task
    for the same request, which answers with 500."""

    def start(task):
        channel = task.channel
        if not channel.__dict__.get("_monit_since"):
            channel._monit_since = clock()
            counts.start()

    def finish(task):
        since = task.channel.__dict__.pop("_monit_since", 0.0)
        if since:
            end(since, int(task.status[:3]) >= 500)

    LookupHook(module.Task, "start", start)
    LookupHook(module.Task, "finish", finish)
    counts.add_server()


def _hook_waitress_channel(module):
    def closed(channel):
        # during a response: the server closes the connection after an error
        since = channel.__dict__.pop("_monit_since", 0.0)
        if since:
            end(since, bool(channel.will_close))

    LookupHook(module.HTTPChannel, "handle_close", closed)


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
"""What to do with a module once it is imported; `_monit_probe.hooks` has the same names."""
