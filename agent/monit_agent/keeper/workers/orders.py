"""What is run for an instance: its worker, and the command that lets the worker reload itself."""

import binascii
import errno
import os
from collections.abc import Callable

from monit_agent.keeper.clock import now
from monit_agent.keeper.logs.logs import Logs, error_stream
from monit_agent.keeper.ports.ports import PortSetup
from monit_agent.keeper.workers.app_environment import OF_SHELL, AppEnvironment, require_answers
from monit_agent.keeper.workers.environment import command_environment, worker_environment
from monit_agent.keeper.workers.lookups import REQUEST_WAIT_S, START_WAIT_S
from monit_agent.keeper.workers.preflight import find_program, missing_for_start, places_of
from monit_agent.keeper.workers.spawn import SpawnOrder
from monit_agent.keeper.workers.telemetry_env import revision_for_worker
from monit_agent.keeper.workers.worker_user import WorkerUser
from monit_agent.supervise import events as e
from monit_agent.supervise.spec import AppSpec
from monit_agent.system.files.ownership import require_own_folder
from monit_agent.system.mounts import waiting_mount
from monit_agent.system.users import BadUserError


class SpawnOrders:
    """Makes the orders of one app."""

    def __init__(self, variables: AppEnvironment, user: WorkerUser, logs: Logs) -> None:
        self._variables = variables
        self._user = user
        self._lookups = user.lookups
        self._revision: str | None = None
        self.logs = logs

    def prepare(self, spec: AppSpec, wait_s: float = START_WAIT_S) -> bool:
        """Look up what the next process needs: its user, the env files, and what is in its folder.
        Return whether the record of the environment changed.

        Raises:
            BadUserError: there is no such user.
            UnansweredError: an answer did not come within ``wait_s``.
            OSError: something else is missing.
        """
        user = self._user.prepare(spec, wait_s)
        self._variables.user = self.logs.reader = user
        ask = self._lookups.asking(wait_s)
        changed = self._variables.read_files(spec, ask)
        mount = waiting_mount(*places_of(spec))
        if mount is None:
            self._revision = revision_for_worker(spec, user)
        else:
            question = spec.cwd, user and user.uid
            self._revision = ask(
                f"the file system at {mount}", question, lambda: revision_for_worker(spec, user)
            )
        return changed

    def refusal(
        self, spec: AppSpec, *, beside: bool, changed: Callable[[], None]
    ) -> e.SpawnFailed | None:
        """Return why no worker may start now; `prepare` if one may. ``beside``: another worker of
        the instance runs. ``changed()`` is called when the record of the environment changed."""
        missing = self._variables.missing(spec)
        if missing is not None:
            return e.SpawnFailed(now(), missing, permanent=True, jitter=0.0, refused=True)
        try:
            require_own_folder(self._user.app_folder)
            # what runs is not to be replaced in vain, and what does not can wait for an answer
            if self.prepare(spec, REQUEST_WAIT_S if beside else START_WAIT_S):
                changed()
            self._lookups.used()
        except BadUserError as error:
            return e.SpawnFailed(now(), str(error), permanent=True, jitter=0.0, refused=True)
        except OSError as error:
            return e.SpawnFailed(now(), str(error.strerror), False, 0.0, shortage=True)
        return None

    def missing(self, spec: AppSpec, search_path: bytes | None) -> str | None:
        """Return what is missing for a start of the app, for a person; raise OSError when that is
        not known, because a file system or the user database does not answer. Nothing changes."""
        try:
            self._user.look_up(spec, REQUEST_WAIT_S)
        except BadUserError as error:
            return str(error)
        require_answers(spec, self._lookups.asking(REQUEST_WAIT_S))
        folders = os.fsdecode(search_path or b"").split(":")
        mount = waiting_mount(*places_of(spec), *(each for each in folders if each[:1] == "/"))
        if mount is None:
            return missing_for_start(spec, search_path)
        question = "missing", spec.cwd, spec.argv, search_path
        return self._lookups.asking(REQUEST_WAIT_S)(
            f"the file system at {mount}", question, lambda: missing_for_start(spec, search_path)
        )

    def changed_files(self) -> dict[str, list[str]]:
        """Return `AppEnvironment.changed_files`; raise OSError when that is not known."""
        return self._variables.changed_files(self._lookups.asking(REQUEST_WAIT_S))

    def worker(
        self, spec: AppSpec, instance: int, setup: PortSetup, *, node_probe: bool
    ) -> SpawnOrder:
        """Return the order for a worker, after `prepare`."""
        facts = self._variables.merged(spec), self._user.paths_for(setup.env), spec, instance
        return SpawnOrder(
            argv=_encoded(spec.argv),
            env=worker_environment(
                *facts, setup.env, node_probe=node_probe, revision=self._revision
            ),
            cwd=spec.cwd,
            umask=spec.umask,
            out=self.logs.worker_path(instance, "out"),
            err=self.logs.worker_path(instance, error_stream(spec.log)),
            flags=os.O_RDWR,
            fds=setup.fds,
            run_as=self._user.run_as,
        )

    def reload_command(self, spec: AppSpec, instance: int, pids: tuple[int, int]) -> SpawnOrder:
        """Return the order for the reload command of a worker. Raise FileNotFoundError if there is
        no such program, and `BadUserError` or OSError if it cannot run as the worker's user.

        Args:
            spec: the app.
            instance: its slot.
            pids: of the first process of the worker's tree, and of its main process.
        """
        self.prepare(spec, REQUEST_WAIT_S)
        leader, main = pids
        facts = self._variables.merged(spec), self._user.paths_for({}), spec, instance
        env = {**command_environment(*facts), b"MAINPID": b"%d" % main}
        name, *args = spec.policy.reload_command
        # here, because another user may not be able to read the modules that a search needs
        program = find_program(name, spec.cwd, env.get(b"PATH"))
        if program is None:
            raise FileNotFoundError(errno.ENOENT, f"the program {name} does not exist")
        return SpawnOrder(
            argv=_encoded((program, *args)),
            env=env,
            cwd=spec.cwd,
            umask=spec.umask,
            out=self.logs.worker_path(instance, "out"),
            err=self.logs.worker_path(instance, error_stream(spec.log)),
            flags=os.O_RDWR,
            run_as=self._user.run_as,
            worker=leader,
        )

    def settings_checksum(self, spec: AppSpec) -> int:
        """Return the checksum of what a worker that is started now would be started with, as far
        as it differs only after a change, after `prepare`. No value can be found out from it."""
        variables = sorted(
            pair
            for pair in self._variables.merged(spec).items()
            if os.fsdecode(pair[0]) not in OF_SHELL
        )
        who = spec.worker_user, spec.worker_group, spec.umask
        ports = spec.port, spec.listen, spec.increment, spec.instance_var
        return binascii.crc32(repr((spec.argv, spec.cwd, who, ports, variables)).encode())


def _encoded(words: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(word.encode("utf-8", "surrogateescape") for word in words)
