"""Says when files of an app changed: ``watching``.

watchfiles waits in a thread of its own (its core is native and takes no time when nothing
changes) and wakes the loop through a socket pair. This module is imported only when an app
asks for it.
"""

import os
import socket
import threading
from collections.abc import Callable

from watchfiles import Change, watch

from monit_agent.observe.loop import Loop
from monit_agent.observe.trouble import say_caught

QUIET_MS = 500
"""Changes are told when none came for this long, so that a checkout is one change."""

LONGEST_MS = 5000
"""When files change all the time: tell at least this often."""

NAMED = 3
"""How many files a reason names."""

_SKIPPED = frozenset({"__pycache__", "node_modules"})
_SKIPPED_ENDS = (".log", ".pyc", ".swp", "~")


class FileWatch:
    """Watches the files below ``folder``, except those below ``home`` (MONIT_HOME)."""

    def __init__(self, loop: Loop, folder: str, home: str, changed: Callable[[str], None]) -> None:
        self.folder = folder
        self._home = os.path.realpath(home)
        self._loop = loop
        self._changed = changed
        self._stop = threading.Event()
        self._receiver, self._sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        loop.watch(self._receiver.fileno(), self._woken)
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self, wait_s: float = 0.0) -> None:
        """Stop watching; the thread ends by itself within a second, or is waited for.

        At the end of the process it must be: a native thread that comes back to an interpreter
        that is gone aborts.
        """
        self._stop.set()
        self._thread.join(wait_s)
        self._loop.unwatch(self._receiver.fileno())
        self._receiver.close()

    def _run(self) -> None:
        try:
            changes = watch(
                self.folder,
                watch_filter=self._matters,
                step=QUIET_MS,
                debounce=LONGEST_MS,
                rust_timeout=1000,
                stop_event=self._stop,
                raise_interrupt=False,
            )
            for batch in changes:
                names = sorted({os.path.relpath(path, self.folder) for _, path in batch})
                self._tell(names)
        except Exception:  # noqa: BLE001 (the border of the thread: a folder that went, limits)
            say_caught(f"watching {self.folder} ended")
        finally:
            self._sender.close()

    def _tell(self, names: list[str]) -> None:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        text = ", ".join(names[:NAMED]) + more
        try:
            self._sender.send(text.encode(errors="replace")[:1000])
        except OSError:
            return  # closed, or so many wait that this change is among them

    def _woken(self, _events: int) -> None:
        try:
            text = self._receiver.recv(2000)
        except BlockingIOError:
            return
        self._changed(text.decode(errors="replace"))

    def _matters(self, _change: Change, path: str) -> bool:
        real = os.path.realpath(path)
        if os.path.commonpath([real, self._home]) == self._home:
            return False
        parts = os.path.relpath(path, self.folder).split(os.sep)
        if any(part.startswith(".") or part in _SKIPPED for part in parts):
            return False
        return not path.endswith(_SKIPPED_ENDS)
