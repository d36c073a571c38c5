"""Node's channel between a primary and a worker: a socket pair, one JSON line a message."""

from collections import deque
from collections.abc import Callable

from monit_agent.keeper.loop import READ, WRITE, Loop
from monit_agent.keeper.upgrade.inherited import Values, bytes_of, text_of
from monit_agent.system import jsonline
from monit_agent.system.lines import LineBuffer
from monit_agent.system.sockets import hand_over, socket
from monit_agent.typed import Any

LINE_BYTES = 1 << 20
"""A longer message is ignored: ours are short, and messages of apps to pm2 are not for us."""
BEHIND_MESSAGES = 256
_READ_BYTES = 65536


class Channel:
    """The keeper's end. Calls ``heard(message)`` for each message and ``closed()`` when the worker
    closed its end. For a worker that does not read, more than `BEHIND_MESSAGES` are dropped."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        heard: Callable[[Any], None],
        closed: Callable[[], None],
    ) -> None:
        self.sock = sock
        self._loop = loop
        self._heard = heard
        self._closed = closed
        self._inbox = LineBuffer(LINE_BYTES)
        self._skipping = False
        self._out: deque[tuple[bytes, int]] = deque()
        sock.setblocking(False)
        loop.watch(sock.fileno(), self._serve)

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to continue. The descriptors that are sent with
        messages are those of shared sockets, which are handed on by themselves."""
        return {
            "fd": keep(self.sock.fileno()),
            "inbox": text_of(self._inbox.partial),
            "skipping": self._skipping,
            "out": [[text_of(data), fd] for data, fd in self._out],
        }

    def resume(self, given: Values) -> None:
        """Continue where the program before this one stopped."""
        self._inbox.add(bytes_of(given["inbox"]))
        self._skipping = given["skipping"]
        self._out.extend((bytes_of(text), fd) for text, fd in given["out"])
        self._write()

    def send(self, message: Any, fd: int = -1) -> None:
        """Send a message, and a descriptor with it. The descriptor must stay open."""
        if self.sock.fileno() < 0 or len(self._out) >= BEHIND_MESSAGES:
            return
        self._out.append((jsonline.dump(message) + b"\n", fd))
        self._write()

    def close(self) -> None:
        """Close this end; nothing is called afterwards."""
        if self.sock.fileno() >= 0:
            self._loop.unwatch(self.sock.fileno())
            self.sock.close()

    def _serve(self, events: int) -> None:
        if events & WRITE:
            self._write()
        if events & ~WRITE and self.sock.fileno() >= 0:
            self._read()

    def _write(self) -> None:
        while self._out:
            data, fd = self._out[0]
            try:
                sent = self.sock.send(data) if fd < 0 else hand_over(self.sock, data, fd)
            except BlockingIOError:
                break
            except OSError:
                self._out.clear()  # the reading side notices the close
                break
            self._out.popleft()
            if sent < len(data):
                self._out.appendleft((data[sent:], -1))
        if self.sock.fileno() >= 0:
            mask = READ | WRITE if self._out else READ
            self._loop.watch(self.sock.fileno(), self._serve, mask)

    def _read(self) -> None:
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._closed()
            return
        self.receive(data)

    def receive(self, data: bytes) -> None:
        """Handle what the worker has sent."""
        lines = self._inbox.add(data)
        if lines and self._skipping:
            self._skipping = False
            del lines[0]
        if self._skipping or self._inbox.is_too_long:
            self._inbox.clear()
            self._skipping = True
        for line in lines:
            self._handle_line(line)

    def _handle_line(self, line: bytes) -> None:
        try:
            message = jsonline.load(line)
        except (ValueError, RecursionError):
            return  # the first line after a kill of the keeper may lack its beginning
        self._heard(message)
