"""The health endpoint: 200 when every instance is online, else 503, in both cases with words.

It speaks just as much HTTP as a check needs: one request a connection, every path is the same.
"""

import os
import time
from collections.abc import Callable

from monit_agent.foreground.health import HealthAnswer
from monit_agent.keeper.loop import READ, WRITE, Loop
from monit_agent.system.sockets import accept_fd, socket

CLIENTS = 32
"""A check is one connection every few seconds."""
REQUEST_BYTES = 8192
CLIENT_S = 5.0
"""A client that has not sent its request and read the answer by then is disconnected."""
_BACKLOG = 16


class _HealthClient:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.request = b""
        self.answer = b""
        self.until = time.monotonic() + CLIENT_S


class HealthServer:
    """Listens on an address. ``health()`` is called for each request."""

    def __init__(
        self, loop: Loop, address: tuple[str, int], health: Callable[[], HealthAnswer]
    ) -> None:
        """Raise OSError when nothing can listen there."""
        self._loop = loop
        self._health = health
        self._listener = _listen(*address)
        self._clients: dict[int, _HealthClient] = {}
        loop.watch(self._listener.fileno(), self._accept)

    def _accept(self, _events: int) -> None:
        try:
            sock = socket.socket(fileno=accept_fd(self._listener))
        except OSError:
            return  # it disconnected
        if len(self._clients) >= CLIENTS:
            sock.close()
            return
        sock.setblocking(False)
        client = _HealthClient(sock)
        self._clients[sock.fileno()] = client
        self._loop.watch(sock.fileno(), lambda events: self._serve(client, events))
        self._loop.set_alarm("health clients", time.monotonic() + CLIENT_S, self._drop_slow)

    def _serve(self, client: _HealthClient, events: int) -> None:
        try:
            done = self._write(client) if events & WRITE else self._read(client)
        except BlockingIOError:
            return
        except OSError:
            done = True
        if done:
            self._drop(client)

    def _read(self, client: _HealthClient) -> bool:
        """Read of the request; return whether the client is done without an answer."""
        data = client.sock.recv(REQUEST_BYTES)
        client.request += data
        if not data or len(client.request) > REQUEST_BYTES:
            return True
        if b"\r\n\r\n" not in client.request and b"\n\n" not in client.request:
            return False
        client.answer = _response(self._health(), head=client.request.startswith(b"HEAD "))
        self._loop.watch(
            client.sock.fileno(), lambda events: self._serve(client, events), READ | WRITE
        )
        return False

    def _write(self, client: _HealthClient) -> bool:
        sent = client.sock.send(client.answer)
        client.answer = client.answer[sent:]
        return not client.answer

    def _drop(self, client: _HealthClient) -> None:
        self._loop.unwatch(client.sock.fileno())
        del self._clients[client.sock.fileno()]
        client.sock.close()

    def _drop_slow(self) -> None:
        now = time.monotonic()
        for client in [each for each in self._clients.values() if each.until <= now]:
            self._drop(client)
        if self._clients:
            self._loop.set_alarm("health clients", now + CLIENT_S, self._drop_slow)


def _listen(host: str, port: int) -> socket.socket:
    families = [socket.AF_INET6] if ":" in host or not host else [socket.AF_INET]
    if not host:
        families.append(socket.AF_INET)  # a machine without IPv6
    error: OSError | None = None
    for family in families:
        try:
            return _bound(family, host, port)
        except OSError as failed:
            error = failed
    assert error is not None  # noqa: S101 (for the type checker)
    raise error


def _bound(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if not host else 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
        os.set_inheritable(sock.fileno(), False)
    except OSError:
        sock.close()
        raise
    return sock


def _response(health: HealthAnswer, *, head: bool) -> bytes:
    body = "".join(f"{line}\n" for line in health.lines).encode("utf-8", "replace")
    status = "200 OK" if health.ok else "503 Service Unavailable"
    headers = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return headers.encode() + (b"" if head else body)
