"""One process of a home from which agents are forked instead of started.

Interpreter and modules of an agent that is started by itself take 11 MB and a tenth of a second;
one that is forked from a process in which they are loaded already shares their pages with all
others (measured with ten agents at work: 5.6 MB each). The first agent of a
home forks the zygote off, keepers ask it for the next ones (``keep/zygote.py``). Nothing
depends on it: without an answer a keeper starts its agent itself. It ends soon after the last agent
that it knows of, and refuses when its code is not what is on the disk any more.

A request is one byte and the descriptor of a file with what the agent needs: folder, limits of
descriptors, environment, each ended by a NUL. The answer is the pid and a pidfd.
"""

import contextlib
import fcntl
import gc
import os
import resource
import select
import socket
import struct
import sys
import time
from typing import NamedTuple

from monit_agent.observe.title import take_title
from monit_agent.observe.trouble import say, say_caught
from monit_agent.wire.places import AppPlaces, home_of, zygote_lock, zygote_log, zygote_socket

LINGER_S = 2.0
"""How long it stays when no agent is left: an agent that was killed comes back within that."""

PEER_S = 1.0
"""How long a keeper may take from connecting to asking."""

REQUEST_BYTES = 8 << 20
"""More than any environment that Linux gives to a process."""

_PEERCRED = struct.Struct("3i")
_INT = struct.Struct("i")


class _Refused(Exception):  # noqa: N818  the keeper starts the agent itself then
    """This agent must not come from here."""


class _Request(NamedTuple):
    folder: str
    files: tuple[int, int]
    env: dict[bytes, bytes]


def branch_off(folder: str) -> str:
    """Fork a zygote off this process if its home has none; give the folder of the app to serve.

    Returns at once in the process that called, and once more in every agent that is forked later,
    with another folder. Call it before anything is opened, bound or locked.
    """
    home = home_of(folder)
    held = _lock(home) if sys.platform == "linux" else None
    if held is None:
        return folder
    first = os.getpid()
    gc.collect()
    gc.freeze()  # a collection writes into every object it looks at, and so would unshare it
    between = os.fork()
    if between:
        os.close(held)
        os.waitpid(between, 0)
        return folder
    if os.fork():
        os._exit(0)  # so that the zygote is the keeper's or init's to bury, and not the agent's
    try:
        return _Zygote(home, held, first).serve()
    except BaseException:  # noqa: BLE001  top level of a process of its own
        say_caught("the zygote ends")
        os._exit(1)


def _lock(home: str) -> int | None:
    """Take the lock; None when another zygote has it, or nothing can be written there."""
    try:
        held = os.open(zygote_lock(home), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return None
    return held


class _Zygote:
    """The serving of one zygote, which ends in `os._exit` or, in an agent, in a return."""

    def __init__(self, home: str, held: int, first: int) -> None:
        os.setsid()
        _redirect(zygote_log(home))
        take_title("monit-zygote", home)
        self._home = home
        self._held = held
        self._code = _code_on_disk()
        self._group = _cgroup(os.getpid())
        self._poll = select.poll()
        self._agents: dict[int, int] = {}
        """Pid by pidfd of all agents that we know of."""
        self._follow(first)
        self._path = zygote_socket(home)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)  # the lock is ours, so whoever bound it is gone
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self._path)
        self._listener.listen(64)
        self._poll.register(self._listener, select.POLLIN)

    def serve(self) -> str:
        """Fork agents as they are asked for; returns in the agents only, with their folder."""
        while True:
            ready = self._poll.poll(None if self._agents else LINGER_S * 1000)
            if not ready and not self._agents:
                self._end()
            for fd, _ in ready:
                if fd in self._agents:
                    self._bury(fd)
                    continue
                folder = self._accept()
                if folder is not None:
                    return folder
            if not os.path.exists(self._home):
                self._end()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        os._exit(0)

    def _follow(self, pid: int) -> int | None:
        """Watch an agent; give its pidfd, None when it is gone already."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return None
        self._agents[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)
        return pidfd

    def _bury(self, pidfd: int) -> None:
        self._poll.unregister(pidfd)
        with contextlib.suppress(ChildProcessError):  # the first one is no child of ours
            os.waitpid(self._agents[pidfd], os.WNOHANG)
        del self._agents[pidfd]
        os.close(pidfd)

    def _accept(self) -> str | None:
        """Serve one keeper; gives a folder in the new agent and None in the zygote."""
        peer, _ = self._listener.accept()
        with peer:
            peer.settimeout(PEER_S)
            try:
                request = self._asked(peer)
            except (OSError, ValueError, _Refused) as error:
                say(f"no agent is forked: {error}")
                return None
            pid = os.fork()
            if pid:
                self._answer(peer, pid)
                return None
        self._become_agent(request)
        return request.folder

    def _asked(self, peer: socket.socket) -> _Request:
        raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
        keeper, uid, _ = _PEERCRED.unpack(raw)
        if uid not in (os.getuid(), 0):
            raise _Refused(f"user {uid} asked")
        if self._code != _code_on_disk():
            self._end()  # another version was installed: the next zygote will be of that one
        if _cgroup(keeper) != self._group:
            raise _Refused(f"keeper {keeper} is of another control group, its agent must be too")
        _, fds, _, _ = socket.recv_fds(peer, 1, 1)
        if not fds:
            raise _Refused("no descriptor came with the request")
        with os.fdopen(fds[0], "rb") as file:
            return _read(os.pread(file.fileno(), REQUEST_BYTES, 0), self._home)

    def _answer(self, peer: socket.socket, pid: int) -> None:
        pidfd = self._follow(pid)
        if pidfd is None:
            return
        with contextlib.suppress(OSError):  # the keeper is gone; its next one finds the agent
            socket.send_fds(peer, [_INT.pack(pid)], [pidfd])

    def _become_agent(self, request: _Request) -> None:
        """Leave everything of the zygote behind."""
        self._listener.close()
        os.close(self._held)
        for pidfd in self._agents:
            os.close(pidfd)
        os.setsid()
        _redirect(AppPlaces(request.folder).agent_log)
        os.chdir("/")
        resource.setrlimit(resource.RLIMIT_NOFILE, request.files)
        os.environ.clear()
        os.environb.update(request.env)
        time.tzset()


def _read(raw: bytes, home: str) -> _Request:
    """Give a request; ValueError for what is none, or is of another home."""
    folder, limits, *pairs = raw.split(b"\0")[:-1]
    soft, hard = (int(word) for word in limits.split())
    env = dict(pair.split(b"=", 1) for pair in pairs)
    path = os.fsdecode(folder)
    if home_of(path) != home:
        raise ValueError(f"{path} is not below {home}")
    return _Request(path, (soft, hard), env)


def _redirect(log: str) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    try:
        out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:
        out = os.dup(null)  # the disk may be full for a while
    for fd, place in ((null, 0), (out, 1), (out, 2)):
        os.dup2(fd, place)
    for fd in (null, out):
        if fd > 2:
            os.close(fd)


def _code_on_disk() -> dict[str, tuple[int, int]]:
    """Give what tells whether the files that this process was loaded from were replaced."""
    found: dict[str, tuple[int, int]] = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name.startswith("monit_agent") and path is not None:
            with contextlib.suppress(OSError):
                status = os.stat(path)
                found[path] = status.st_ino, status.st_mtime_ns
    return found


def _cgroup(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cgroup", "rb") as file:
            return file.read()
    except OSError:
        return b""
