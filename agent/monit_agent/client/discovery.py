"""Which apps exist, and whether their keepers and agents are running.

The kernel knows whether a keeper or an agent is running: connecting to a Unix socket succeeds
while a process listens on it and fails at once otherwise. A pid in a file may belong to another
process by now, and a client that tries the keeper's lock could make a keeper that starts at that
moment believe that another keeper has it.
"""

import os
import socket
import time

from monit_agent.wire.paths import AppPaths, BadNameError, app_paths, apps_folder, check_name

SETTLED_NS = 1_000_000_000
"""A listing of a folder that changed within this time is read again."""


class AppsFolder:
    """Finds apps; the folder is only listed again when it has changed."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._folder = apps_folder(home)
        self._changed_ns = -1
        self._settled = False
        self._names: tuple[str, ...] = ()

    def find_apps(self) -> dict[str, int]:
        """Return the apps that exist, each with the time of its ``state.json`` (ns)."""
        self._list_names()
        found: dict[str, int] = {}
        for name in self._names:
            try:
                found[name] = os.stat(self.paths(name).state).st_mtime_ns
            except OSError:
                continue  # not an app yet, or a deleted one that left its logs
        return found

    def paths(self, name: str) -> AppPaths:
        """Return where the app called ``name`` keeps its things."""
        return app_paths(self._home, name)

    def _list_names(self) -> None:
        try:
            changed_ns = os.stat(self._folder).st_mtime_ns
            if self._settled and changed_ns == self._changed_ns:
                return
            entries = sorted(os.listdir(self._folder))
        except OSError:
            self._changed_ns, self._names = -1, ()
            return
        self._changed_ns = changed_ns
        # a second change within one tick of the kernel's clock leaves the same time
        self._settled = time.time_ns() - changed_ns > SETTLED_NS
        self._names = tuple(name for name in entries if self._is_usable(name))

    def _is_usable(self, name: str) -> bool:
        try:
            check_name(name)
        except BadNameError:
            return False
        return self.paths(name).too_long() is None


def is_listening(path: str) -> bool:
    """Return whether a process listens on the Unix socket ``path``, busy or not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            return True  # its backlog is full: running, if overloaded
        except OSError:
            return False
    return True
