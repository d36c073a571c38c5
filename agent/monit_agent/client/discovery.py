"""Which apps there are, and whether anybody of theirs can be reached.

Whether a keeper or an agent lives is asked of the kernel: connecting to a Unix socket works
as long as its process listens and fails at once when it does not. A pid in a file may be
another process's by now, and trying the keeper's lock could make a keeper that starts at that
moment believe that it is the second one.
"""

import os
import socket
import time

from monit_agent.wire.places import AppPlaces, BadNameError, app_places, apps_folder, check_name

SETTLED_NS = 1_000_000_000


class AppsFolder:
    """Looks for apps; the folder of folders is only listed again when it has changed."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._folder = apps_folder(home)
        self._changed_ns = -1
        self._settled = False
        self._names: tuple[str, ...] = ()

    def look(self) -> dict[str, int]:
        """Give the apps that exist, each with when its ``state.json`` was written (ns)."""
        self._list()
        found: dict[str, int] = {}
        for name in self._names:
            try:
                found[name] = os.stat(self.places(name).state).st_mtime_ns
            except OSError:
                continue  # no app (yet), or one that was deleted and left its logs
        return found

    def places(self, name: str) -> AppPlaces:
        """Give where the app called ``name`` keeps its things."""
        return app_places(self._home, name)

    def _list(self) -> None:
        try:
            changed_ns = os.stat(self._folder).st_mtime_ns
            if self._settled and changed_ns == self._changed_ns:
                return
            entries = sorted(os.listdir(self._folder))
        except OSError:
            self._changed_ns, self._names = -1, ()
            return
        self._changed_ns = changed_ns
        # a change within the same tick of the kernel's clock leaves the same time behind
        self._settled = time.time_ns() - changed_ns > SETTLED_NS
        self._names = tuple(name for name in entries if self._usable(name))

    def _usable(self, name: str) -> bool:
        try:
            check_name(name)
        except BadNameError:
            return False
        return self.places(name).too_long() is None


def listens(path: str) -> bool:
    """Say whether a process listens on the Unix socket ``path``, busy or not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            return True  # its backlog is full: alive, if not well
        except OSError:
            return False
    return True
