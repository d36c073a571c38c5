"""Requests without end, from threads of the test: what a client of the app would notice."""

import collections
import http.client
import socket
import threading
import time
from types import TracebackType
from typing import Self

from support.waiting import wait_until

TIMEOUT_S = 20
"""A request that takes so long counts as lost; a slow machine must not make it so."""


class Load:
    """``clients`` threads that ask ``path`` of a server again and again. Use with ``with``.

    Each request is on a new connection, unless ``keep_alive``. Then a connection that served
    before may be closed by the server just when it is used again: any client must expect that and
    ask once more, so such are only counted, in ``closed``. All else that fails is in ``failures``.

    ``host`` is an address, or the path of a Unix socket; ``think_s`` is how long a client waits
    after an answer before it asks again: without a pause the clients take the CPU from the servers.
    """

    def __init__(
        self,
        port: int,
        clients: int = 4,
        host: str = "127.0.0.1",
        *,
        path: str = "/",
        keep_alive: bool = False,
        think_s: float = 0.01,
    ) -> None:
        self.answered = 0
        self.closed = 0
        self.failures: list[str] = []
        self.kinds: collections.Counter[str] = collections.Counter()
        """`failures` by what a client sees: refused, reset, timeout, short, unexpected."""
        self.bodies: set[bytes] = set()
        self._where = (host, port, path)
        self._keep_alive = keep_alive
        self._think_s = think_s
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def more(self, answers: int) -> None:
        """Wait for so many more answers."""
        until = self.answered + answers
        wait_until(lambda: self.answered >= until, what=f"{answers} more answers", deadline_s=60)

    def _run(self) -> None:
        kept: http.client.HTTPConnection | None = None
        while not self._end.wait(self._think_s):
            begun = time.monotonic()
            connection = kept or _connection(*self._where[:2])
            try:
                body = self._ask(connection)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._failed(error, time.monotonic() - begun, used=kept is not None)
                kept = None
                continue
            kept = connection if self._keep_alive and connection.sock is not None else None
            if kept is None:
                connection.close()
            with self._lock:
                self.answered += 1
                self.bodies.add(body)
        if kept is not None:
            kept.close()

    def _failed(self, error: Exception, after_s: float, *, used: bool) -> None:
        kind = kind_of(error)
        with self._lock:
            if used and kind == "reset":
                self.closed += 1
                return
            self.kinds[kind] += 1
            self.failures.append(f"{kind}: {error!r} after {after_s:.3f} s")

    def _ask(self, connection: http.client.HTTPConnection) -> bytes:
        headers = {} if self._keep_alive else {"Connection": "close"}
        connection.request("GET", self._where[2], headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status}")
        return body


def kind_of(error: Exception) -> str:
    """Return what a client sees, in one word: puma's tests of its restarts tell these apart."""
    kinds = {
        "refused": (ConnectionRefusedError, FileNotFoundError),
        "timeout": (TimeoutError,),
        "reset": (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected),
        "short": (http.client.IncompleteRead,),
    }
    found = (kind for kind, types in kinds.items() if isinstance(error, types))
    return next(found, "unexpected")


def _connection(host: str, port: int) -> http.client.HTTPConnection:
    if host.startswith("/"):
        return _UnixConnection(host)
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)
