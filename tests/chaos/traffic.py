"""Requests without end, each on a new connection, and which of them a killed worker had in hand."""

import os
import re
import socket
import threading
import time

TIMEOUT_S = 30
THINK_S = 0.008

_SOCKET = re.compile(r"socket:\[(\d+)\]")


class Attempt:
    """One request, known by the port of its client from before it connects."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.began = time.monotonic()
        self.worker_killed = False
        """The worker that had accepted it was killed."""


class Traffic:
    """Clients of one port, from ``start`` to ``end``."""

    def __init__(self, port: int, clients: int = 3) -> None:
        self.port = port
        self.answered = 0
        self.lost_in_hand = 0
        self.failures: list[str] = []
        self.slowest_s = 0.0
        self._numbers = iter(range(1 << 60))
        self._in_flight: dict[int, Attempt] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Let every client finish its request."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def note_killed(self, client_ports: set[int]) -> int:
        """Note that the worker that had accepted these connections is killed; return how many of
        them are requests in flight."""
        with self._lock:
            in_hand = [self._in_flight[port] for port in client_ports & self._in_flight.keys()]
            for attempt in in_hand:
                attempt.worker_killed = True
        return len(in_hand)

    def _run(self) -> None:
        while not self._over.wait(THINK_S):
            with self._lock:
                attempt = Attempt(next(self._numbers))
            with socket.socket() as client:
                client.settimeout(TIMEOUT_S)
                client.bind(("127.0.0.1", 0))
                own_port = client.getsockname()[1]
                with self._lock:
                    self._in_flight[own_port] = attempt
                problem = _problem(client, self.port, attempt.number)
                with self._lock:
                    del self._in_flight[own_port]
                    self._count(attempt, problem)

    def _count(self, attempt: Attempt, problem: str | None) -> None:
        took_s = time.monotonic() - attempt.began
        if problem is None:
            self.answered += 1
            self.slowest_s = max(self.slowest_s, took_s)
        elif attempt.worker_killed:
            self.lost_in_hand += 1
        else:
            when = time.strftime("%H:%M:%S")
            self.failures.append(f"{when} request {attempt.number}: {problem} after {took_s:.3f} s")


def _problem(client: socket.socket, port: int, number: int) -> str | None:
    """Send a request; return what is wrong with its answer."""
    request = f"GET /{number} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = b""
    try:
        client.connect(("127.0.0.1", port))
        client.sendall(request.encode())
        while part := client.recv(65536):
            answer += part
    except OSError as error:
        return repr(error)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        return f"answered {answer[:80]!r}"
    return (
        None if body.endswith(b"/%d" % number) or b"/%d\r\n" % number in body else f"body {body!r}"
    )


def accepted_client_ports(pid: int, port: int) -> set[int]:
    """Return the client ports of the connections to ``port`` that a halted process has accepted."""
    inodes: set[str] = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        found = _SOCKET.fullmatch(os.readlink(f"/proc/{pid}/fd/{name}"))
        if found:
            inodes.add(found[1])
    clients: set[int] = set()
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in list(table)[1:]:
            words = line.split()
            local, remote = words[1].split(":"), words[2].split(":")
            if words[9] in inodes and int(local[1], 16) == port and int(remote[1], 16):
                clients.add(int(remote[1], 16))
    return clients
