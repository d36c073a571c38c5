"""Workers of another user: who that is, and the sockets at which they reach the keeper.

Only root's keeper has such workers. They cannot enter its home, so the sockets that they need are
also in a folder of ``/run/monit``, each with the user as its owner.
"""

import copy
import os

from monit_agent.keeper.journal import note
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.socket_file import SocketFile, SocketKind
from monit_agent.keeper.upgrade.inherited import NOTHING_INHERITED, Inherited, Values
from monit_agent.keeper.workers.environment import Env
from monit_agent.keeper.workers.lookups import START_WAIT_S, UnansweredError
from monit_agent.keeper.workers.workers import Workers
from monit_agent.supervise.spec import AppSpec
from monit_agent.system import procfs
from monit_agent.system.users import (
    BadUserError,
    RunAs,
    make_shared_folder,
    remove_shared_folder,
    run_as,
    shared_folder,
)
from monit_agent.typed import Any
from monit_agent.wire.paths import AppPaths


class WorkerUser:
    """The user of an app's workers, and their sockets. ``known`` are ``notify.sock`` and
    ``share.sock`` in the app's folder, which do the same; ``workers`` are those of the app."""

    def __init__(
        self,
        loop: Loop,
        paths: AppPaths,
        known: tuple[SocketFile, ...],
        workers: Workers,
        inherited: Inherited = NOTHING_INHERITED,
    ) -> None:
        self.run_as: RunAs | None = None
        self.app_folder = paths.folder
        self.lookups = workers.lookups
        self._is_unanswered = False
        """Whether the workers that run already have no sockets yet, for want of an answer."""
        self._loop = loop
        self._paths = paths
        self._known: dict[str, SocketFile] = dict(zip(("notify", "share"), known, strict=True))
        self._sockets: dict[str, SocketFile] = {}
        self._pids = workers.pids
        self._is_removed = False
        """Whether new workers are of the keeper's user again."""
        self._inherited = inherited
        self._given = inherited.part("worker_user")
        loop.at_round_end(self._close_unneeded)

    def prepare(self, spec: AppSpec, wait_s: float = START_WAIT_S) -> RunAs | None:
        """Look the user up, make the sockets, and return the user; raise `BadUserError`, OSError,
        or `UnansweredError` when there is no answer within ``wait_s``."""
        before, self.run_as = self.run_as, self.look_up(spec, wait_s)
        self._is_removed = self.run_as is None
        if self.run_as is None:
            return None
        if before is not None and before.uid != self.run_as.uid:
            self._close()
        make_shared_folder(shared_folder(self._paths.folder))
        places = self._paths_of_user()
        for name, path in (("notify", places.notify), ("share", places.share)):
            if name not in self._sockets:
                self._sockets[name] = self._open(name, path, self.run_as.uid)
            self._sockets[name].repair()
            problem = self._sockets[name].problem
            if problem is not None:
                raise problem
        return self.run_as

    def look_up(self, spec: AppSpec, wait_s: float) -> RunAs | None:
        """Return as whom workers of ``spec`` run; raise as `prepare` does."""
        names = spec.worker_user, spec.worker_group
        if names == ("", ""):
            return None
        found = self.lookups.look_up("the user database", names, lambda: _found(*names), wait_s)
        if isinstance(found, str):
            raise BadUserError(found)
        if found is None:
            return None
        uid, gid, groups, *rest = found
        return RunAs(uid, gid, tuple(groups), *rest)

    def resume(self, spec: AppSpec) -> None:
        """Serve the workers that run already."""
        try:
            self.prepare(spec)
        except UnansweredError as error:
            self._is_unanswered = True
            note(f"workers of another user reach no socket yet: {error.strerror}")
        except (BadUserError, OSError) as error:
            note(f"workers of another user reach no socket: {error}")

    def resume_if_unanswered(self, spec: AppSpec) -> None:
        """`resume` again if there was no answer."""
        if self._is_unanswered:
            self._is_unanswered = False
            self.resume(spec)

    def paths_for(self, env: Env) -> AppPaths:
        """Return the paths of the app as its workers use them, and put them into ``env``."""
        paths = self._paths if self.run_as is None else self._paths_of_user()
        if b"MONIT_SHARE" in env:
            env[b"MONIT_SHARE"] = os.fsencode(paths.share)
        return paths

    def _paths_of_user(self) -> AppPaths:
        """A Python program of another user finds no folder for requests: root writes into no folder
        that others can change."""
        paths, folder = copy.copy(self._paths), shared_folder(self._paths.folder)
        paths.notify, paths.share = f"{folder}/notify.sock", f"{folder}/share.sock"
        paths.probe, paths.node_probe = f"{folder}/probe.sock", f"{folder}/node.sock"
        paths.probe_requests = ""
        return paths

    def hand_on(self, keep: Any) -> Values:
        """Return what the next program needs to serve the same sockets."""
        return {name: file.hand_on(keep) for name, file in self._sockets.items()}

    def remove(self) -> None:
        """Remove the folder: the app is deleted."""
        self._close()
        if os.geteuid() == 0:  # also where the user was removed from the settings since
            remove_shared_folder(shared_folder(self._paths.folder))

    def _close_unneeded(self) -> None:
        """Close the sockets when the last worker has exited that was started for the user."""
        if self._sockets and self._is_removed and not any(map(_is_of_another_user, self._pids())):
            self._close()

    def _close(self) -> None:
        for file in self._sockets.values():
            file.close()
        self._sockets.clear()

    def _open(self, name: str, path: str, uid: int) -> SocketFile:
        like = self._known[name]
        kind = SocketKind(like.kind.backlog, owner=uid)
        return SocketFile(
            self._loop,
            path,
            kind,
            like.ready,
            inherited=self._inherited,
            given=self._given.pop(name, None) if self._given else None,
        )


def _found(user: str, group: str) -> list[Any] | str | None:
    """Return the values of the `RunAs`, or the text of the `BadUserError`."""
    try:
        found = run_as(user, group)
    except BadUserError as error:
        return str(error)
    return None if found is None else [*found]


def _is_of_another_user(pid: int) -> bool:
    ids = procfs.ids_of(pid)
    return ids is not None and ids[:2] != (os.getuid(), os.getgid())
