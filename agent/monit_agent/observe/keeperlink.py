"""The agent's line to its keeper: one Unix stream connection, made again for ever.

When the connection ends the keeper is dead (it never closes one to an agent that reads). A
new keeper is started at once; it takes the lock, adopts the workers, and the agent says hello
to it. Whether the app was deleted meanwhile is told by ``state.json``: without it nobody is
to be brought back.
"""

import contextlib
import os
import resource
import socket
import time
from collections.abc import Callable
from typing import Protocol

from monit_agent.observe.keeperwords import (
    BadLineError,
    KeeperAnswer,
    KeeperBye,
    KeeperEvent,
    KeeperSnapshot,
    read_line,
    write_line,
)
from monit_agent.observe.loop import READ, WRITE, Loop
from monit_agent.observe.trouble import say
from monit_agent.wire.places import AppPlaces, keeper_command

LINE_BYTES = 64 * 1024 * 1024
"""Longest line that is waited for: a snapshot of 1,000 instances with long histories has 4 MB."""

ANSWER_S = 3.0
"""How long a keeper may take to answer: less than a client waits, so that the client gets
the reason and not silence."""

RETRY_FIRST_S, RETRY_CAP_S = 0.02, 0.5
SPAWN_FIRST_S, SPAWN_CAP_S = 0.25, 5.0


class Listener(Protocol):
    """Who is told what the keeper says."""

    def keeper_came(self, snapshot: KeeperSnapshot) -> None:
        """The keeper said hello, with all that it knows."""
        ...

    def keeper_said(self, event: KeeperEvent) -> None:
        """An event, in order; the first after `keeper_came`."""
        ...

    def keeper_went(self) -> None:
        """The connection ended; a new keeper is being started."""
        ...

    def app_ended(self) -> None:
        """The app was deleted: there is nothing left to be an agent of."""
        ...


class _Waiting:
    """A request on its way."""

    def __init__(self, then: Callable[[KeeperAnswer], None]) -> None:
        self.then = then
        self.deadline = time.monotonic() + ANSWER_S


class KeeperLink:
    """Sends requests to the keeper, hands its answers and events on, brings a new one."""

    def __init__(self, loop: Loop, places: AppPlaces, listener: Listener) -> None:
        self.alive = False
        """True between the keeper's answer to hello and the end of the connection."""
        self._loop = loop
        self._places = places
        self._listener = listener
        self._socket: socket.socket | None = None
        self._in = bytearray()
        self._out = bytearray()
        self._waiting: dict[int, _Waiting] = {}
        self._next_id = 1
        self._retry_s = RETRY_FIRST_S
        self._spawn_s = SPAWN_FIRST_S
        self._spawn_at = 0.0
        self._child: int | None = None
        self._files = resource.getrlimit(resource.RLIMIT_NOFILE)
        loop.every(1.0, self._give_up_waiting)

    def connect(self) -> None:
        """Connect now, or start a keeper and go on trying."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(self._places.keeper)
        except OSError:  # no socket, nobody behind it, or a full backlog: all mean try again
            connection.close()
            self._bring_keeper()
            return
        self._socket = connection
        self._loop.watch(connection.fileno(), self._ready)
        self._send({"id": 0, "do": "hello", "pid": os.getpid(), "role": "agent"})

    def ask(self, do: str, then: Callable[[KeeperAnswer], None], **fields: object) -> None:
        """Send a request; ``then`` is called once, with a refusal if nothing comes of it."""
        number = self._next_id
        self._next_id += 1
        if not self.alive:
            then(_refusal(number, "keeper_gone", _GONE))
            return
        self._waiting[number] = _Waiting(then)
        self._send({"id": number, "do": do, **fields})

    # ------------------------------------------------------------ the connection

    def _send(self, fields: dict[str, object]) -> None:
        self._out += write_line(fields)
        self._write()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._write()
        if events & ~WRITE:
            self._read()

    def _write(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            # a broken connection is noticed, once, by the reading side
            del self._out[: self._socket.send(self._out)]
        events = READ | WRITE if self._out else READ
        self._loop.watch(self._socket.fileno(), self._ready, events)

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(256 * 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
            return
        self._in += data
        *lines, rest = self._in.split(b"\n")
        self._in = rest
        for line in lines:
            self._take(bytes(line))
        if len(self._in) > LINE_BYTES:
            say(f"the keeper sent a line of more than {LINE_BYTES} bytes; connecting again")
            self._lose()

    def _take(self, line: bytes) -> None:
        try:
            said = read_line(line)
        except BadLineError as error:
            say(f"the keeper said what this agent cannot read: {error}")
            return
        if not isinstance(said, KeeperAnswer):
            self._listener.keeper_said(said)
            if isinstance(said, KeeperBye):
                self._listener.app_ended()
        elif said.id == 0:
            self._greeted(said)
        elif waiting := self._waiting.pop(said.id, None):
            waiting.then(said)

    def _greeted(self, answer: KeeperAnswer) -> None:
        if answer.snapshot is None:
            say(f"the keeper refused hello: {answer.message}")
            self._lose()
            return
        self.alive = True
        self._retry_s, self._spawn_s, self._spawn_at = RETRY_FIRST_S, SPAWN_FIRST_S, 0.0
        self._listener.keeper_came(answer.snapshot)

    def _lose(self) -> None:
        if self._socket is not None:
            self._loop.unwatch(self._socket.fileno())
            self._socket.close()
        self._socket = None
        self._in.clear()
        self._out.clear()
        was_alive, self.alive = self.alive, False
        waiting, self._waiting = self._waiting, {}
        for number, one in waiting.items():
            one.then(_refusal(number, "keeper_gone", _GONE))
        if was_alive:
            self._listener.keeper_went()
            self._loop.after(0.0, self.connect)
        else:
            self._connect_later()

    def _connect_later(self) -> None:
        self._loop.after(self._retry_s, self.connect)
        self._retry_s = min(self._retry_s * 1.5, RETRY_CAP_S)

    def _give_up_waiting(self) -> None:
        now = time.monotonic()
        late = [number for number, one in self._waiting.items() if one.deadline < now]
        for number in late:
            self._waiting.pop(number).then(_refusal(number, "failed", _SILENT))

    # ------------------------------------------------------------ a new keeper

    def _bring_keeper(self) -> None:
        if not os.path.exists(self._places.state):
            self._listener.app_ended()
            return
        self._reap()
        now = time.monotonic()
        if self._child is None and now >= self._spawn_at:
            self._spawn()
            self._spawn_at = now + self._spawn_s
            self._spawn_s = min(self._spawn_s * 2, SPAWN_CAP_S)
        self._connect_later()

    def _spawn(self) -> None:
        command = keeper_command(self._places.folder)
        say("no keeper answers; starting one")
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        # the agent's own raised limit must not reach the workers: programs that use select()
        # rely on a low one
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, self._files)
        try:
            self._child = os.posix_spawn(
                command[0],
                command,
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, self._places.keeper_log, append, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
        except OSError as error:
            say(f"cannot start a keeper: {error}")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, raised)

    def _reap(self) -> None:
        if self._child is None:
            return
        try:
            pid, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:
            self._child = None
            return
        if pid:
            say(f"the keeper {pid} ended with wait status {status}")
            self._child = None


_GONE = "the app's keeper is gone and a new one is being started; try again in a second"
_SILENT = f"the app's keeper did not answer within {ANSWER_S:g} s; see keeper.log"


def _refusal(number: int, kind: str, message: str) -> KeeperAnswer:
    return KeeperAnswer(id=number, ok=False, kind=kind, message=message)
