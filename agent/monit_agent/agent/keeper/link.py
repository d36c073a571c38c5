"""The agent's connection to its keeper: a Unix stream, made again whenever it ends.

When the connection ends, the keeper has exited (it never closes one to an agent that reads). A new
keeper is started at once; it takes the lock, adopts the workers, and the agent sends it hello.
Without ``state.json`` the app was deleted, and no keeper is started.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import NamedTuple, Protocol

from monit_agent import __version__
from monit_agent.agent.agent_loop import AgentLoop
from monit_agent.agent.agent_order import Surroundings
from monit_agent.agent.event_loop import LineProtocol
from monit_agent.agent.journal import log
from monit_agent.agent.journal_errors import log_exception
from monit_agent.agent.keeper.held_sockets import HeldSockets
from monit_agent.agent.keeper.keeper_start import CAP_S, KeeperStart
from monit_agent.agent.keeper.messages import (
    AgentLeave,
    BadLineError,
    KeeperAnswer,
    KeeperSnapshot,
    LogChanged,
    SocketsChanged,
    read_line,
    write_line,
)
from monit_agent.system.claim import claim_address
from monit_agent.system.procfs import process_stat
from monit_agent.system.sockets import is_own_user, peer_pid
from monit_agent.wire.limits import KEEPER_LINE_BYTES, PROTOCOL_VERSION
from monit_agent.wire.messages import AppDeleted, Update
from monit_agent.wire.paths import AppPaths

LINE_BYTES = 64 * 1024 * 1024
"""Longest line that is waited for: a snapshot of 1,000 instances with long histories has 4 MB."""

ANSWER_S = 3.0
"""How long a keeper may take to answer: less than a client waits, so that the client gets
the reason and not silence."""

RETRY_FIRST_S, RETRY_CAP_S = 0.02, 0.5


class KeeperListener(Protocol):
    """Receives what the keeper sends."""

    def keeper_connected(self, snapshot: KeeperSnapshot) -> None:
        """Handle the keeper's answer to hello: all that it knows."""
        ...

    def keeper_update(self, update: Update | LogChanged) -> None:
        """Handle an update, in order; the first comes after `keeper_connected`."""
        ...

    def keeper_lost(self) -> None:
        """Handle the end of the connection; a new keeper is being started."""
        ...

    def keeper_not_started(self, why: str | None) -> None:
        """Handle that no new keeper can be started; None when another attempt begins."""
        ...

    def app_deleted(self) -> None:
        """Handle the end of the app: there is nothing left to be an agent of."""
        ...

    def dismissed(self) -> None:
        """Handle that the keeper wants another agent, or none."""
        ...


class _PendingRequest(NamedTuple):
    """A request that is not answered yet."""

    answered: Callable[[KeeperAnswer], None]
    timeout: asyncio.TimerHandle


class _KeeperConnection(LineProtocol):
    """One connection; ``lost`` is set when it has ended."""

    def __init__(self, received: Callable[[bytes], None]) -> None:
        super().__init__(LINE_BYTES)
        self.lost = asyncio.Event()
        self._received = received

    def send(self, line: bytes) -> None:
        """Send the line of a request; a broken connection is noticed by `connection_lost`."""
        if self._transport is not None:
            self._transport.write(line)

    def line_received(self, line: bytes) -> None:
        """Hand a line on."""
        self._received(line)

    def line_too_long(self) -> None:
        """Log it; the connection is made again."""
        log(f"the keeper sent a line of more than {LINE_BYTES} bytes; connecting again")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (either way it is gone)
        """Note the end."""
        self.lost.set()

    def abort(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()


class KeeperLink:
    """Sends requests to the keeper, hands its answers and events on, starts a new one."""

    def __init__(
        self,
        loop: AgentLoop,
        paths: AppPaths,
        listener: KeeperListener,
        surroundings: Surroundings,
    ) -> None:
        self.alive = False
        """True between the keeper's answer to hello and the end of the connection."""
        self._loop = loop
        self._paths = paths
        self._listener = listener
        self._connection: _KeeperConnection | None = None
        self._pending: dict[int, _PendingRequest] = {}
        self._next_id = 1
        self._retry_s = RETRY_FIRST_S
        self._keeper_pid = 0
        self.sockets = HeldSockets(loop, paths.share)
        self._start = KeeperStart(paths, self.sockets, surroundings)

    async def run(self) -> None:
        """Stay connected to a keeper until the app is deleted; start one when none answers."""
        while True:
            try:
                served = await self._serve_connection()
            except Exception:  # noqa: BLE001 (the border of one connection)
                log_exception("the connection to the keeper")
                served = False
            if served:
                continue
            if self._is_app_deleted():
                self._listener.app_deleted()
                return
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(self._retry_s * 1.5, RETRY_CAP_S)

    def close(self) -> None:
        """End the connection, by which the keeper knows that this agent is gone."""
        self.alive = False
        self.sockets.close()
        self._start.close(self._loop)
        if self._connection is not None:
            self._connection.abort()

    def request(self, do: str, answered: Callable[[KeeperAnswer], None], **fields: object) -> None:
        """Send a request; ``answered`` is called once, with a refusal if nothing comes of it."""
        number = self._next_id
        self._next_id += 1
        if not self.alive or self._connection is None:
            answered(_refusal(number, "keeper_gone", self._gone_text()))
            return
        line = write_line({"id": number, "do": do, **fields})
        if len(line) > KEEPER_LINE_BYTES:
            text = f"the request is longer than a keeper reads, {KEEPER_LINE_BYTES} bytes"
            answered(_refusal(number, "bad_request", text))
            return
        timeout = self._loop.call_later(ANSWER_S, self._time_out, number)
        self._pending[number] = _PendingRequest(answered, timeout)
        self._connection.send(line)

    # ------------------------------------------------------------ the connection

    async def _serve_connection(self) -> bool:
        """Connect and stay until the connection ends; return False when no keeper answered
        hello."""
        connection = await self._connect()
        if connection is None:
            self._start_keeper_when_due()
            return False
        hello: dict[str, object] = {
            "id": 0,
            "do": "hello",
            "pid": os.getpid(),
            "role": "agent",
            "version": __version__,
            "protocol": PROTOCOL_VERSION,
        }
        connection.send(write_line(hello))
        await connection.lost.wait()
        return self._connection_lost()

    async def _connect(self) -> _KeeperConnection | None:
        # its abstract socket is there also while somebody has removed the file of the other one
        sock = _connected(self._paths.keeper) or _connected(claim_address(self._paths.folder))
        if sock is None:
            return None
        self._keeper_pid = peer_pid(sock)
        connection = self._connection = _KeeperConnection(self._line_received)
        await asyncio.get_running_loop().create_unix_connection(lambda: connection, sock=sock)
        return connection

    def _line_received(self, line: bytes) -> None:
        try:
            message = read_line(line)
        except BadLineError as error:
            log(f"the keeper sent what this agent cannot read: {error}")
            return
        if isinstance(message, SocketsChanged):
            self.sockets.changed(message.count)
        elif isinstance(message, AgentLeave):
            self._listener.dismissed()
        elif not isinstance(message, KeeperAnswer):
            self._listener.keeper_update(message)
            if isinstance(message, AppDeleted):
                self._listener.app_deleted()
        elif message.id == 0:
            self._hello_answered(message)
        elif message.id in self._pending:
            self._answer(message)

    def _hello_answered(self, answer: KeeperAnswer) -> None:
        if answer.snapshot is None:
            log(f"the keeper refused hello: {answer.message}")
            if self._connection is not None:
                self._connection.abort()
            return
        self.alive = True
        self._retry_s = RETRY_FIRST_S
        self._start.succeeded()
        self.sockets.changed_unseen()
        self._listener.keeper_connected(answer.snapshot)

    def _connection_lost(self) -> bool:
        """Refuse what was not answered; return whether the keeper had answered hello."""
        self._connection = None
        was_alive, self.alive = self.alive, False
        for number in list(self._pending):
            self._answer(_refusal(number, "keeper_gone", self._gone_text()))
        if was_alive:
            self._listener.keeper_lost()
        return was_alive

    def _answer(self, answer: KeeperAnswer) -> None:
        pending = self._pending.pop(answer.id)
        pending.timeout.cancel()
        pending.answered(answer)

    def _time_out(self, number: int) -> None:
        stopped = stopped_text(self._keeper_pid)
        text = _SILENT if stopped is None else f"{stopped}; then what was requested happens"
        self._answer(_refusal(number, "failed", text))

    # ------------------------------------------------------------ a new keeper

    def _gone_text(self) -> str:
        problem = self._start.problem
        return _GONE if problem is None else _NOT_STARTED.format(problem, CAP_S)

    def _is_app_deleted(self) -> bool:
        return not os.path.exists(self._paths.state)

    def _start_keeper_when_due(self) -> None:
        if self._is_app_deleted():
            return
        before = self._start.problem
        self._start.start_when_due(self._loop.time())
        if self._start.problem != before:
            self._listener.keeper_not_started(self._start.problem)


def stopped_text(pid: int) -> str | None:
    """Return that a keeper is stopped by a signal, and how it continues; None when it is not."""
    stat = process_stat(pid)
    if stat is None or stat.state not in "Tt":
        return None
    return f"its keeper is stopped by a signal and supervises nothing; run kill -CONT {pid}"


def _connected(address: str | bytes) -> socket.socket | None:
    """Return a connection to our user's keeper; None when there is none at this address."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        # not by asyncio, which waits on EAGAIN: a full backlog is never reported
        sock.connect(address)
    except OSError:  # no socket, no listener, or a full backlog: try again
        sock.close()
        return None
    if is_own_user(sock):
        return sock
    sock.close()
    return None


_GONE = "the app's keeper is gone and a new one is being started; try again in a second"
_NOT_STARTED = (
    "the app's keeper is gone, and a new one does not start: {}. The workers keep running, and "
    "starting one is tried again every {:g} s"
)
_SILENT = (
    f"the app's keeper did not answer within {ANSWER_S:g} s; what was requested may still happen, "
    "see monit list and keeper.log"
)


def _refusal(number: int, kind: str, message: str) -> KeeperAnswer:
    return KeeperAnswer(id=number, ok=False, kind=kind, message=message)
