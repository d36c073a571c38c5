"""What is run for an instance: its worker, and the command that lets the worker reload itself."""

import binascii
import errno
import os

from monit_agent.keeper.logs.logs import Logs, error_stream
from monit_agent.keeper.ports.ports import PortSetup
from monit_agent.keeper.workers.app_environment import OF_SHELL, AppEnvironment
from monit_agent.keeper.workers.environment import command_environment, worker_environment
from monit_agent.keeper.workers.preflight import find_program
from monit_agent.keeper.workers.spawn import SpawnOrder
from monit_agent.keeper.workers.worker_user import WorkerUser
from monit_agent.supervise.spec import AppSpec


class SpawnOrders:
    """Makes the orders of one app."""

    def __init__(self, variables: AppEnvironment, user: WorkerUser, logs: Logs) -> None:
        self._variables = variables
        self._user = user
        self.logs = logs

    def prepare(self, spec: AppSpec) -> None:
        """Look up the user as whom the next process is to run; raise `BadUserError` or OSError."""
        self._variables.user = self.logs.reader = self._user.prepare(spec)

    def worker(
        self, spec: AppSpec, instance: int, setup: PortSetup, *, node_probe: bool
    ) -> SpawnOrder:
        """Return the order for a worker, after `prepare`."""
        facts = self._variables.merged(spec), self._user.paths_for(setup.env), spec, instance
        return SpawnOrder(
            argv=_encoded(spec.argv),
            env=worker_environment(*facts, setup.env, node_probe=node_probe, user=setup.user),
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
        self.prepare(spec)
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
