"""Requests without end, from threads of the test: what a client of the app would notice."""

import http.client
import threading
import time
from types import TracebackType
from typing import Self

TIMEOUT_S = 20
"""A request that takes so long counts as lost; a slow machine must not make it so."""


class Load:
    """``clients`` threads that ask ``/`` of a port, each on a new connection. Use with ``with``."""

    def __init__(self, port: int, clients: int = 4, host: str = "127.0.0.1") -> None:
        self.answered = 0
        self.failures: list[str] = []
        self.bodies: set[bytes] = set()
        self._host, self._port = host, port
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

    def _run(self) -> None:
        while not self._end.is_set():
            begun = time.monotonic()
            try:
                body = self._ask()
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.failures.append(f"{error!r} after {time.monotonic() - begun:.3f} s")
                continue
            with self._lock:
                self.answered += 1
                self.bodies.add(body)

    def _ask(self) -> bytes:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/", headers={"Connection": "close"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise http.client.HTTPException(f"status {answer.status}")
            return body
        finally:
            connection.close()
