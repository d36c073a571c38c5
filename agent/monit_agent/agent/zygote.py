"""One process of a home that finds the process for each of its agents, or forks one.

The first agent of a home forks the zygote off, and keepers request the next ones from it
(``keeper/agent/zygote_client.py``). It passes each request on to a process that has room for one
more agent (``agent/shared_process.py``): the first one, or one that it forks. Nothing depends on
it: without an answer a keeper starts a process for its agent itself. It exits soon after the last
agent that it knows, and refuses requests when its code on the disk has changed.

It is forked before the code of agents is loaded, and the processes that it forks load that
themselves: so it takes 3.7 MB (PSS, Python 3.11). With that code it would take 12, and
a process that it forks 5 less; but most homes never need one.

A request is one byte and the descriptor of a file (``agent/agent_order.py``). The answer is the pid
of the process and a pidfd.
"""

import gc
import os
import resource
import select
import sys

from monit_agent.agent.agent_order import AgentOrder, read_order
from monit_agent.agent.journal import log
from monit_agent.system.arguments import (
    ArgumentSpace,
    argument_space,
    read_arguments,
    write_arguments,
)
from monit_agent.system.error_text import describe_error
from monit_agent.system.files.file_lock import lock_file
from monit_agent.system.files.ownership import NotOursError, check_ours
from monit_agent.system.loaded_code import code_in, code_on_disk
from monit_agent.system.procfs import read_file
from monit_agent.system.sockets import (
    accept_fd,
    hand_over,
    peer_credentials,
    received_fds,
    socket,
)
from monit_agent.system.suppress import suppress
from monit_agent.typed import NamedTuple
from monit_agent.wire.paths import PACKAGE, home_of, zygote_lock, zygote_log, zygote_socket

LINGER_S = 2.0
"""How long it stays when no agent is left: one that was killed comes back within that."""

PEER_S = 1.0
"""How long a keeper may take from connecting to asking."""

AGENTS = 64
"""Agents of one process: what a failure can end, and what is computed one after the other, 0.6 ms
each second for an idle app. A process takes 15 MB without them, so 100 apps have two."""

FDS_PER_AGENT = 64
"""An idle agent has 15 descriptors open, and clients, probes and checks need more."""

AGENT_GONE = b"-"
"""What a process of agents sends to the zygote when it has an agent less."""

_ORDER = b"+"
_FD = 4
"""Bytes of a descriptor in a message."""


class _Refused(Exception):  # noqa: N818  the keeper starts the agent itself then
    """This agent must not come from here."""


class _AgentsProcess:
    """A process of agents. ``agents`` counts those that were passed on and are not gone."""

    def __init__(self, channel: socket.socket, agents: int, *, alone: bool) -> None:
        self.channel = channel
        self.agents = agents
        self.room = 1 if alone else _most_agents()


def branch_off(order: AgentOrder) -> tuple[AgentOrder | None, int | None]:
    """Fork a zygote off this process if its home has none. Return the order to begin with, and the
    descriptor of the connection to the zygote, on which others come.

    Returns at once in the process that called, without a connection if there is a zygote already,
    and once more, without an order, in every process that is forked later. Call it before anything
    is opened, bound or locked.
    """
    home = home_of(order.folder)
    place = _take_place(home) if sys.platform == "linux" else None
    if place is None:
        return order, None
    first = os.getpid()
    channel, theirs = _channel()
    gc.collect()
    gc.freeze()  # a collection writes into every object it looks at, and so would unshare it
    between = os.fork()
    if between:
        place.close()
        theirs.close()
        os.waitpid(between, 0)
        return order, channel.detach()
    if os.fork():
        os._exit(0)  # so that the keeper or init reaps the zygote, and not the agent
    try:
        channel.close()
        zygote = _Zygote(home, place)
        zygote.follow(first, _AgentsProcess(theirs, 1, alone=order.alone))
        return None, zygote.serve()
    except BaseException as error:  # noqa: BLE001  top level of a process of its own
        log(f"the zygote exits: {describe_error(error)}")
        os._exit(1)


def _channel() -> tuple[socket.socket, socket.socket]:
    """Return a connection on which messages stay apart: the end of a process
    of agents, and the zygote's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class _Place(NamedTuple):
    """The folder of a home, which stays the same one when another is put at its path."""

    folder: int
    """A descriptor of the folder."""
    lock: int
    """A descriptor of its locked file."""

    @property
    def path(self) -> str:
        return _path_of(self.folder)

    def close(self) -> None:
        os.close(self.lock)
        os.close(self.folder)


def _take_place(home: str) -> _Place | None:
    """Take the home's lock; return None when another zygote has it, or the home is not writable or
    not ours."""
    try:
        folder = os.open(home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        check_ours((_path_of(folder),))
        return _Place(folder, lock_file(zygote_lock(_path_of(folder))))
    except (OSError, NotOursError):
        os.close(folder)
        return None


def _path_of(folder: int) -> str:
    return f"/proc/self/fd/{folder}"


class _Zygote:
    """One zygote. It ends with `os._exit` or, in a process that it forked, with a return."""

    def __init__(self, home: str, place: _Place) -> None:
        os.setsid()
        _redirect(zygote_log(place.path))
        self._title = _Title(f"monit-zygote {home}")
        self._home = home
        self._place = place
        self._code = _code()
        self._group = _cgroup(os.getpid())
        self._hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self._poll = select.poll()
        self._processes: dict[int, _AgentsProcess] = {}
        """By the descriptor of the connection."""
        self._exits: dict[int, int] = {}
        """Pid by pidfd of the processes that have or had agents."""
        self._path = zygote_socket(place.path)
        with suppress(FileNotFoundError):
            os.unlink(self._path)  # the lock is ours, so whoever bound it is gone
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self._path)
        self._listener.listen(64)
        self._poll.register(self._listener, select.POLLIN)

    def follow(self, pid: int, process: _AgentsProcess) -> None:
        """Know a process of agents."""
        process.channel.setblocking(False)
        self._processes[process.channel.fileno()] = process
        self._poll.register(process.channel, select.POLLIN)
        with suppress(ProcessLookupError):  # it has exited already
            pidfd = os.pidfd_open(pid)
            self._exits[pidfd] = pid
            self._poll.register(pidfd, select.POLLIN)

    def serve(self) -> int:
        """Pass requests on; return in the processes that are forked for it only, with the
        descriptor of their connection."""
        while True:
            ready = self._poll.poll(None if self._processes else LINGER_S * 1000)
            if not ready and not self._processes:
                self._end()
            fds = {fd for fd, _ in ready}
            for fd in fds & self._exits.keys():
                self._reap(fd)
            for fd in fds & self._processes.keys():
                self._hear(self._processes[fd])
            # last, because only this opens descriptors: they may have the numbers of closed ones
            if self._listener.fileno() in fds:
                channel = self._accept()
                if channel is not None:
                    return channel.detach()
            if not os.path.exists(self._home):
                self._end()

    def _end(self) -> None:
        with suppress(OSError):
            os.unlink(self._path)
        os._exit(0)

    def _reap(self, pidfd: int) -> None:
        self._poll.unregister(pidfd)
        with suppress(ChildProcessError):  # the first one is no child of ours
            os.waitpid(self._exits[pidfd], os.WNOHANG)
        del self._exits[pidfd]
        os.close(pidfd)

    def _hear(self, process: _AgentsProcess) -> None:
        try:
            said = process.channel.recv(1)
        except OSError:
            said = b""
        process.agents -= 1
        if not said or not process.agents:
            self._drop(process)  # without an agent, it ends when the connection does

    def _drop(self, process: _AgentsProcess) -> None:
        del self._processes[process.channel.fileno()]
        self._poll.unregister(process.channel)
        process.channel.close()

    # ------------------------------------------------------------ requests

    def _accept(self) -> socket.socket | None:
        """Serve one keeper; return the connection in a new process and None in the zygote."""
        fds: list[int] = []
        peer = None
        try:
            peer = socket.socket(fileno=accept_fd(self._listener))
            peer.settimeout(PEER_S)
            fds = self._receive(peer)
            return self._find_room(peer, fds[0])
        except (OSError, ValueError, _Refused) as error:
            log(f"no agent is started: {error}")
        finally:
            for fd in fds:
                os.close(fd)
            if peer is not None:
                peer.close()
        return None

    def _find_room(self, peer: socket.socket, file: int) -> socket.socket | None:
        """Have an agent started where there is room, in a new process if there is none; return the
        connection in that one."""
        order = read_order(file, self._home)
        self._check_limits(order)
        if self._pass_on(order, peer, file):
            return None
        new = self._fork(alone=order.alone)
        if new is None and not self._pass_on(order, peer, file):
            raise _Refused("a new process takes no request either")
        return new

    def _receive(self, peer: socket.socket) -> list[int]:
        """Return the descriptors that came with a request: the first is its file."""
        keeper, uid, _ = peer_credentials(peer)
        if uid not in (os.getuid(), 0):
            raise _Refused(f"the request is from user {uid}")
        if self._code != _code():
            self._end()  # another version was installed: the next zygote will be of that one
        if not _is_of_our_installation(keeper):
            raise _Refused(f"keeper {keeper} is of another installation, its agent must be too")
        if _cgroup(keeper) != self._group:
            raise _Refused(f"keeper {keeper} is of another control group, its agent must be too")
        _, ancillary, *_ = peer.recvmsg(1, socket.CMSG_SPACE(_FD), socket.MSG_CMSG_CLOEXEC)
        fds = received_fds(ancillary)
        if not fds:
            raise _Refused("no descriptor came with the request")
        return fds

    def _check_limits(self, order: AgentOrder) -> None:
        """Refuse an agent whose programs could not be given their limit of descriptors: a process
        that lowers its hard limit cannot raise it again."""
        if order.surroundings.files[1] != self._hard_limit:
            raise _Refused(f"the hard limit of descriptors of {order.folder} is another one")

    def _pass_on(self, order: AgentOrder, peer: socket.socket, file: int) -> bool:
        """Have the agent that ``peer`` requests started in a process that has room for it; return
        False when there is none."""
        for process in list(self._processes.values()):
            if process.agents >= process.room or (order.alone and process.agents):
                continue
            try:
                hand_over(process.channel, _ORDER, peer.fileno(), file)
            except (BrokenPipeError, ConnectionError):  # killed, and its end is not noticed yet
                self._drop(process)
                continue
            except OSError as error:  # stopped, or the kernel has no room: it lives
                log(f"a process of agents takes no request: {error}")
                continue
            process.agents += 1
            return True
        return False

    def _fork(self, *, alone: bool) -> socket.socket | None:
        """Fork a process of agents; return None, and in the new process its connection."""
        theirs, ours = _channel()
        pid = os.fork()
        if pid == 0:
            self._release_all()
            ours.close()
            os.setsid()
            return theirs
        theirs.close()
        self.follow(pid, _AgentsProcess(ours, 0, alone=alone))
        return None

    def _release_all(self) -> None:
        """Release everything that belongs to the zygote."""
        self._title.restore()
        self._listener.close()
        self._place.close()
        for process in self._processes.values():
            process.channel.close()
        for pidfd in self._exits:
            os.close(pidfd)


class _Title:
    """What ``ps`` shows for the zygote: the command line of the agent that it was forked from has
    room for it. Not by `setproctitle`, which imports `logging`, 2 MB."""

    def __init__(self, text: str) -> None:
        self._before: tuple[ArgumentSpace, bytes] | None = None
        with suppress(OSError):  # it passes for an agent then
            space = argument_space()
            before = read_arguments(space)
            write_arguments(space, os.fsencode(text)[: space.size - 1])
            self._before = space, before
        _name_process(text.partition(" ")[0])

    def restore(self) -> None:
        """Show the command line again: `setproctitle` finds its place by what is written there."""
        if self._before is not None:
            with suppress(OSError):
                write_arguments(*self._before)


def _code() -> dict[str, tuple[int, int]]:
    """Return what changes when code of agents is replaced, also what is not loaded here."""
    rooms = ("agent", "wire", "system", "logtext")
    return code_on_disk() | code_in(*(os.path.join(PACKAGE, room) for room in rooms))


def _name_process(name: str) -> None:
    with suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)


def _most_agents() -> int:
    """Return how many agents a process may have with the descriptors that it can open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return AGENTS if hard == resource.RLIM_INFINITY else max(1, min(AGENTS, hard // FDS_PER_AGENT))


def _redirect(log: str) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    try:
        out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:
        out = os.dup(null)  # the disk may be full
    for fd, place in ((null, 0), (out, 1), (out, 2)):
        os.dup2(fd, place)
    for fd in (null, out):
        if fd > 2:
            os.close(fd)


def _is_of_our_installation(keeper: int) -> bool:
    """Return whether a keeper was started from the same package as this process: two versions may
    be installed in different places, and neither has changed."""
    words = (read_file(f"/proc/{keeper}/cmdline") or b"").split(b"\0")
    return os.fsencode(PACKAGE) in {os.path.dirname(os.path.dirname(word)) for word in words[:6]}


def _cgroup(pid: int) -> bytes:
    return read_file(f"/proc/{pid}/cgroup") or b""
