"""The two sockets that probes report to, bound again when somebody removed their files."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable

from monit_agent.agent.journal import log
from monit_agent.agent.probes.node_streams import NodeStreams
from monit_agent.agent.user_database import USERS, NoAnswerError
from monit_agent.system.users import BadUserError, make_shared_folder, run_as, shared_folder
from monit_agent.wire.paths import AppPaths

AGAIN_S = 1.0
"""After this, a user is looked up again who could not be found out."""


class ProbeSockets:
    """``probe.sock`` for datagrams and ``node.sock`` for connections. Only the holder of the
    agent's lock binds them."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        paths: AppPaths,
        read: Callable[[socket.socket], None],
        streams: NodeStreams,
    ) -> None:
        self._loop = loop
        self._read = read
        self._streams = streams
        self._datagrams: dict[str, socket.socket] = {}
        self._bind = {paths.probe: self._bind_datagrams, paths.node_probe: self._bind_listener}
        self._inodes: dict[str, int | None] = dict.fromkeys(self._bind)
        self._problems: set[str] = set()
        self._shared = shared_folder(paths.folder)
        self._owners: dict[str, int] = {}
        self._again: asyncio.TimerHandle | None = None
        """When the user is looked up again."""
        self.rebind_if_gone(folder_changed=False)

    def serve_user(self, name: str, group: str) -> None:
        """Bind both also where workers of this user can reach them, if it is another one."""
        try:
            user = USERS.ask((name, group), lambda: run_as(name, group)) if name or group else None
        except BadUserError as error:
            self._note(name, f"workers cannot report: {error}")
            return
        except NoAnswerError as error:
            self._note("", f"workers cannot report yet: {error}")
            if self._again is not None:
                self._again.cancel()
            self._again = self._loop.call_later(AGAIN_S, self.serve_user, name, group)
            return
        if user is None:
            return
        uid = user.uid
        places = {
            f"{self._shared}/probe.sock": self._bind_datagrams,
            f"{self._shared}/node.sock": self._bind_listener,
        }
        if any(self._owners.get(path) != uid for path in places):
            self._owners = dict.fromkeys(places, uid)
            self._bind |= places
            self._inodes |= dict.fromkeys(places)
            self.rebind_if_gone(folder_changed=False)

    def rebind_if_gone(self, *, folder_changed: bool) -> None:
        """Bind what is not bound, or whose file is not ours any more, which changes the app's
        folder; those for another user are elsewhere."""
        for path, inode in self._inodes.items():
            looks = folder_changed or path in self._owners
            if inode is None or (looks and inode != _inode(path)):
                self._bind_again(path)

    def close(self) -> None:
        """Close both, and end the connections."""
        self._streams.close()
        for each in self._datagrams.values():
            self._loop.remove_reader(each.fileno())
            each.close()

    def _bind_again(self, path: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(path)  # the lock is ours, so whoever bound it is gone
        owner = self._owners.get(path)
        try:
            if owner is not None:
                make_shared_folder(self._shared)
            self._bind[path](path)
            if owner is not None:
                os.chmod(path, 0o600)
                os.chown(path, owner, -1)
        except OSError as error:
            self._note(
                path, f"cannot bind {path}: {error}; no probe can report there; trying again"
            )
        else:
            self._problems.discard(path)
        self._inodes[path] = None if path in self._problems else _inode(path)

    def _note(self, about: str, text: str) -> None:
        """Log a problem once."""
        if about not in self._problems:
            log(text)
        self._problems.add(about)

    def _bind_datagrams(self, path: str) -> None:
        new, old = _bound(path, socket.SOCK_DGRAM), self._datagrams.pop(path, None)
        if old is not None:
            self._loop.remove_reader(old.fileno())
            old.close()
        new.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._loop.add_reader(new.fileno(), self._read, new)
        self._datagrams[path] = new

    def _bind_listener(self, path: str) -> None:
        self._streams.listen(_bound(path, socket.SOCK_STREAM))


def _bound(path: str, kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.setblocking(False)
    try:
        sock.bind(path)
    except OSError:
        sock.close()
        raise
    return sock


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
