"""The process that agents of a home share.

One agent more in a process takes 0.3 MB (PSS, idle), and 15 MB in a process of its own (ten apps,
Python 3.11). That all of them end together costs no app anything: they come back within a second.

An agent is started here by an order: the first by that of the command line, others by orders that
the zygote passes on (``agent/zygote.py``). Each has its own sockets, epoch, lock, log, surroundings
and part of the event loop; what it raises and what it has scheduled ends with it. The process ends
with its last agent.
"""

import asyncio
import contextlib
import os
import socket
import struct
from contextvars import copy_context

from monit_agent.agent.agent import Agent
from monit_agent.agent.agent_loop import AgentLoop
from monit_agent.agent.agent_order import AgentOrder, read_order
from monit_agent.agent.event_loop import RepeatedCall, make_event_loop
from monit_agent.agent.journal import Journal, log, use_journal
from monit_agent.agent.journal_errors import log_error, log_exception
from monit_agent.agent.lock import AgentLock
from monit_agent.agent.process_title import set_process_title
from monit_agent.agent.zygote import AGENT_GONE
from monit_agent.wire.paths import AppPaths

_INT = struct.Struct("i")

NOISY_S, WATCHED_S = 0.25, 5.0
"""An agent that works more than the one in the other, 5 % of a core, is to have a process of its
own. On a busy machine, a process that needs more than its share of the cores is behind with all
that it does: with a flood of logs that somebody reads, samples of other apps came 5 s late."""

FAILED = 1
"""The exit code when the first agent cannot be started."""


class _Reserved:
    """An agent that is about to be started: its lock is held already."""

    def __init__(self, order: AgentOrder) -> None:
        self.order = order
        self.lock = AgentLock(AppPaths(order.folder).agent_lock)
        self.journal = Journal(AppPaths(order.folder).agent_log)
        self.context = copy_context()
        self.context.run(use_journal, self.journal)


class _Running:
    """An agent at work."""

    def __init__(self, agent: Agent, loop: AgentLoop) -> None:
        self.agent = agent
        self.moves = False
        self._loop = loop
        self._before_s = 0.0

    def worked_s(self) -> float:
        """Return how much it has worked since the last call."""
        before, self._before_s = self._before_s, self._loop.cpu_s
        return self._before_s - before


class SharedProcess:
    """The agents of this process, all of the same ``home``. ``zygote`` is the descriptor of the
    connection on which orders come; None where no others come."""

    def __init__(self, home: str, zygote: int | None) -> None:
        self._home = home
        self._loop = make_event_loop()
        self._zygote = socket.socket(fileno=zygote) if zygote is not None else None
        self._folders: list[str] = []
        """Of the apps whose agents are here, or are about to be."""
        self._agents: dict[str, _Running] = {}
        """By folder."""
        self._ending: set[asyncio.Task[None]] = set()
        self._code = 0
        if self._zygote is not None:
            self._zygote.setblocking(False)
            self._loop.add_reader(self._zygote.fileno(), self._receive)
            RepeatedCall(self._loop, WATCHED_S, self._move_noisy)

    def run(self, first: AgentOrder | None) -> int:
        """Serve until there is no agent; return the exit code. ``first`` is an order to begin
        with."""
        if first is not None:
            self._begin(first)
        if self._folders or self._zygote is not None:
            self._loop.run_forever()
        return self._code

    # ------------------------------------------------------------ orders

    def _begin(self, order: AgentOrder) -> None:
        reserved = self._reserve(order)
        if reserved is None:
            self._zygote = None  # it sees that this process exits
        else:
            self._start(reserved)

    def _receive(self) -> None:
        while self._zygote is not None:
            try:
                data, fds, _, _ = socket.recv_fds(self._zygote, 1, 2, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                self._loop.remove_reader(self._zygote.fileno())
                self._zygote = None
                self._stop_if_empty()
            elif len(fds) == 2:
                self._take(*fds)
            else:  # no descriptors are left
                for fd in fds:
                    os.close(fd)
                self._report_gone()

    def _take(self, keeper: int, file: int) -> None:
        """Answer a keeper: this process is going to have its agent, or the connection just ends."""
        reserved = None
        with socket.socket(fileno=keeper) as peer, os.fdopen(file, "rb"):
            with contextlib.suppress(OSError, ValueError):
                reserved = self._reserve(read_order(file, self._home))
            if reserved is not None:
                with contextlib.suppress(OSError):  # the keeper is gone; its next one finds us
                    self._answer(peer)
        if reserved is None:
            self._report_gone()
        else:
            # later: with many orders at once, the last keeper must not wait for all agents
            self._loop.call_soon(self._start, reserved)

    def _answer(self, peer: socket.socket) -> None:
        pidfd = os.pidfd_open(os.getpid())
        try:
            socket.send_fds(peer, [_INT.pack(os.getpid())], [pidfd])
        finally:
            os.close(pidfd)

    def _reserve(self, order: AgentOrder) -> _Reserved | None:
        """Take the lock of an app's agent; return None, after a line in its log, if it cannot be
        had."""
        reserved = _Reserved(order)
        if not reserved.context.run(self._acquire, reserved.lock, order.folder):
            reserved.journal.close()
            return None
        self._folders.append(order.folder)
        return reserved

    def _acquire(self, lock: AgentLock, folder: str) -> bool:
        try:
            if lock.acquire():
                return True
            log(f"another agent serves {folder}; exiting")
        except FileNotFoundError:
            log(f"there is no folder {folder}")
        except OSError as error:
            log(f"cannot lock {AppPaths(folder).agent_lock}: {error.strerror}")
            self._code = FAILED
        return False

    # ------------------------------------------------------------ agents

    def _start(self, reserved: _Reserved) -> None:
        self._show_title()
        loop = AgentLoop(self._loop)

        def leaves() -> None:
            self._end(agent, reserved)

        try:
            agent = reserved.context.run(Agent, loop, reserved.order, reserved.lock, leaves)
        except Exception:  # noqa: BLE001 (the border of one agent)
            reserved.context.run(log_exception, "the agent exits")
            loop.close()
            self._code = FAILED
            self._gone(reserved)
        else:
            self._agents[reserved.order.folder] = _Running(agent, loop)

    def _move_noisy(self) -> None:
        """Let agents move out that work so much that others would have to wait for them."""
        for running in self._agents.values():
            is_noisy = running.worked_s() > NOISY_S
            if is_noisy and not running.moves and len(self._folders) > 1:
                running.moves = True
                running.agent.move_out()

    def _end(self, agent: Agent, reserved: _Reserved) -> None:
        self._agents.pop(reserved.order.folder, None)
        ending = self._loop.create_task(agent.close())
        self._ending.add(ending)

        def ended(_task: asyncio.Task[None]) -> None:
            self._ending.discard(ending)
            error = ending.exception()
            if error is not None:
                log_error("the agent exits", error)
            self._gone(reserved)

        ending.add_done_callback(ended)

    def _gone(self, reserved: _Reserved) -> None:
        reserved.lock.release()
        reserved.journal.close()
        self._folders.remove(reserved.order.folder)
        self._show_title()
        self._report_gone()
        self._stop_if_empty()

    def _report_gone(self) -> None:
        if self._zygote is not None:
            with contextlib.suppress(OSError):  # it is gone, or stopped with all that it was told
                self._zygote.send(AGENT_GONE)

    def _stop_if_empty(self) -> None:
        if not self._folders and self._zygote is None:
            self._loop.stop()

    def _show_title(self) -> None:
        if len(self._folders) == 1:
            set_process_title("monit-agent", self._folders[0])
        elif self._folders:
            names = " ".join(os.path.basename(folder) for folder in self._folders)
            set_process_title("monit-agents", f"{self._home} {names}")
