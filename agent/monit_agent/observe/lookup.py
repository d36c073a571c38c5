"""Names of hosts to addresses, without the loop ever waiting for a name server."""

import socket
import threading
import time
from collections.abc import Callable

from monit_agent.observe.loop import Loop

Found = Callable[[list[str], str], None]
"""Called with addresses, or with none and why."""

KEPT_S = 30.0
"""How long an answer is believed."""

NAMES = 64
"""So many names are remembered, and so many looked up at once."""

_LOCAL = {"localhost": ["127.0.0.1", "::1"]}


class Lookup:
    """Looks names up in threads; each result comes back over a socket pair of its own."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._waiting: dict[str, list[Found]] = {}

    def find(self, host: str, then: Found) -> None:
        """Call ``then`` with the addresses of ``host``, at once where they are known."""
        known = _LOCAL.get(host.lower()) or ([host] if _is_address(host) else None)
        if known is None and host in self._known:
            until, addresses = self._known[host]
            known = addresses if time.monotonic() < until else None
        if known is not None:
            then(list(known), "")
        elif host in self._waiting:
            self._waiting[host].append(then)
        elif len(self._waiting) >= NAMES:
            then([], "too many host names are being looked up")
        else:
            self._waiting[host] = [then]
            self._begin(host)

    def _begin(self, host: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        self._loop.watch(ours.fileno(), lambda _events: self._end(host, ours))
        threading.Thread(target=_resolve, args=(host, theirs), daemon=True).start()

    def _end(self, host: str, ours: socket.socket) -> None:
        verdict, _, rest = ours.recv(65536).decode().partition(" ")
        self._loop.unwatch(ours.fileno())
        ours.close()
        addresses = rest.split() if verdict == "ok" else []
        if addresses:
            if len(self._known) >= NAMES:
                self._known.clear()
            self._known[host] = (time.monotonic() + KEPT_S, addresses)
        for then in self._waiting.pop(host):
            then(list(addresses), rest)


def _resolve(host: str, theirs: socket.socket) -> None:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        answer = "ok " + " ".join(dict.fromkeys(str(each[4][0]) for each in found))
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        answer = f"no {host}: {reason[:1].lower()}{reason[1:]}"
    theirs.send(answer.encode(errors="replace")[:60_000])
    theirs.close()


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False
