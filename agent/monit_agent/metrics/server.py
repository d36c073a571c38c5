"""The HTTP endpoint for Prometheus, on a TCP address or a Unix socket."""

import contextlib
import gzip
import os
import socket
import socketserver
import stat
import sys
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler
from typing import Any

from monit_agent.client.discovery import is_listening
from monit_agent.metrics.text import CONTENT_TYPES

CLIENTS = 16
"""Connections at once: a few servers scrape, each with one. A further one is closed."""

CLIENT_S = 10.0
"""A client that has not sent its request, or not read the answer, by then is disconnected."""

_GZIP_BYTES = 1024
"""A shorter text is not compressed."""

_SOCKET_MODE = 0o660
"""The group may read: a proxy seldom runs as the same user."""

MetricsText = Callable[[bool], str]
"""Returns all metrics, as OpenMetrics or not."""


class NotServedError(Exception):
    """The address cannot be listened on; the text says why."""


class _Handler(BaseHTTPRequestHandler):
    server_version = "monit"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = CLIENT_S

    def do_GET(self) -> None:
        """Answer ``/metrics``; every other path says where that is."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._send_metrics()
        else:
            status = 200 if path == "/" else 404
            self._send(status, "text/plain; charset=utf-8", b"The metrics are at /metrics\n")

    def do_HEAD(self) -> None:
        """Answer like GET, without a body."""
        self.do_GET()

    def _send_metrics(self) -> None:
        accepted = self.headers.get("Accept", "")
        openmetrics = "application/openmetrics-text" in accepted
        server = self.server
        assert isinstance(server, MetricsServer)  # noqa: S101 (for the type checker)
        body = server.metrics(openmetrics).encode()
        packed = "gzip" in self.headers.get("Accept-Encoding", "") and len(body) >= _GZIP_BYTES
        if packed:
            body = gzip.compress(body, compresslevel=6)
        self._send(200, CONTENT_TYPES[openmetrics], body, "gzip" if packed else None)

    def _send(self, status: int, kind: str, body: bytes, encoding: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if encoding is not None:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (as in the base class)
        """Log nothing: a line each 15 seconds says nothing."""

    def address_string(self) -> str:
        """Return the client's address; one of a Unix socket has none."""
        return "unix" if isinstance(self.client_address, str | bytes) else self.client_address[0]


class MetricsServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves ``metrics``, which is called by one thread at a time, from ``listener``."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, metrics: MetricsText) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self._metrics = metrics
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(CLIENTS)

    def metrics(self, openmetrics: bool) -> str:
        """Return all metrics."""
        with self._lock:
            return self._metrics(openmetrics)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, if there is room."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that disconnected; print what is a fault of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def listening_socket(address: tuple[str, int] | str) -> Generator[socket.socket]:
    """Yield a socket that listens on (host, port), or on the path of a Unix socket, whose file is
    removed at the end. Raise `NotServedError`."""
    shown = address if isinstance(address, str) else f"{address[0]}:{address[1]}"
    try:
        made = _unix_socket(address) if isinstance(address, str) else _tcp_socket(*address)
    except OSError as error:
        raise NotServedError(f"cannot listen on {shown}: {error.strerror or error}") from error
    try:
        yield made
    finally:
        made.close()
        if isinstance(address, str):
            with contextlib.suppress(OSError):
                os.unlink(address)


def _tcp_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=CLIENTS)


def _unix_socket(path: str) -> socket.socket:
    if is_listening(path):
        raise NotServedError(f"another process listens on {path} already")
    if os.path.exists(path) and not stat.S_ISSOCK(os.stat(path).st_mode):
        raise NotServedError(f"{path} exists and is not a socket")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with contextlib.ExitStack() as on_error:
        made = on_error.enter_context(socket.socket(socket.AF_UNIX))
        made.bind(path)
        os.chmod(path, _SOCKET_MODE)
        made.listen(CLIENTS)
        on_error.pop_all()
    return made
