"""The environment of the workers, kept in memory for this boot.

What was named lies in `env`, on the disk. What was inherited must not reach a disk, but the next
keeper needs it: a worker's ``/proc/<pid>/environ`` is no substitute, because a program that sets
its title writes over it, and a worker may have died with its keeper.
"""

import os

from monit_agent.keeper.journal import note
from monit_agent.keeper.workers.app_environment import AppEnvironment
from monit_agent.keeper.workers.environment import Env
from monit_agent.system.claim import memory_name
from monit_agent.system.files.named_env import write_named
from monit_agent.system.memory.memory_folder import (
    has_memory_file,
    read_memory_file,
    remove_memory_file,
    write_memory_file,
)
from monit_agent.typed import NamedTuple

_FOLDER, _INHERITED, _NAMED, _FILE, _OF_FILE = b"folder ", b"i", b"n", b"file ", b"v"


class KeptVariables(NamedTuple):
    """What was kept, by source."""

    inherited: Env
    named: Env
    files: dict[str, Env]


class KeptEnvironment:
    """The file in memory of the app in ``folder``."""

    def __init__(self, folder: str) -> None:
        self._folder = os.fsencode(folder)
        self._name = memory_name(folder)
        self._written: bytes | None = None
        self._problem: str | None = None

    def write(self, variables: AppEnvironment) -> None:
        """Keep the variables, if they changed. A failure is logged: they are kept for safety."""
        raw = self._encode(variables)
        if raw == self._written:
            return
        try:
            done = write_memory_file(self._name, raw)
        except OSError as error:
            done, problem = False, error.strerror
        else:
            problem = "there is no private folder in memory"
        self._written = raw if done else None
        if not done and problem != self._problem:
            note(f"the environment is not kept for the next keeper: {problem}")
        self._problem = None if done else problem

    def write_again(self, variables: AppEnvironment, path: str) -> bool:
        """Write again what somebody removed: the file in memory, or the one at ``path`` with the
        named variables. Return whether it was that one; raise OSError where it cannot be written.
        """
        if not has_memory_file(self._name):
            self._written = None
            self.write(variables)
        if not variables.named or os.path.lexists(path):
            return False
        write_named(path, variables.named)
        return True

    def read(self) -> KeptVariables | None:
        """Return what an earlier keeper kept; None when there is nothing."""
        entries = (read_memory_file(self._name) or b"").split(b"\0")
        if entries[0] != _FOLDER + self._folder:
            return None
        kept = KeptVariables({}, {}, {})
        values: Env = {}
        for entry in entries[1:]:
            if entry.startswith(_FILE):
                values = kept.files[os.fsdecode(entry[len(_FILE) :])] = {}
                continue
            name, _, value = entry[1:].partition(b"=")
            into = {_INHERITED: kept.inherited, _NAMED: kept.named, _OF_FILE: values}
            if name and entry[:1] in into:
                into[entry[:1]][name] = value
        return kept

    def remove(self) -> None:
        """Remove the file: the app was deleted."""
        remove_memory_file(self._name)

    def _encode(self, variables: AppEnvironment) -> bytes:
        parts = [_FOLDER + self._folder]
        parts += _entries(_INHERITED, variables.inherited)
        parts += _entries(_NAMED, variables.named)
        for path, values in variables.file_values().items():
            parts += [_FILE + os.fsencode(path), *_entries(_OF_FILE, values)]
        return b"\0".join(parts)


def _entries(mark: bytes, env: Env) -> list[bytes]:
    return [mark + name + b"=" + value for name, value in sorted(env.items())]
