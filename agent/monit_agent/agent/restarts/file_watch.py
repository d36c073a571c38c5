"""Reports changed files of an app, for ``--watch``.

watchfiles waits in a thread of its own: its core is native and takes no time when nothing changes.
Its `awatch` does the same with anyio, whose import takes 1.4 MB. This module is imported only when
an app uses it.
"""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import NamedTuple

from watchfiles import Change, watch
from watchfiles.main import FileChange

from monit_agent.agent.journal_errors import log_exception
from monit_agent.system.mounts import waiting_mount
from monit_agent.system.procfs import read_file

STEP_MS, GROUP_MS = 50, 200
"""What comes so close together is handed over from the native thread in one piece."""

LOOK_MS = 1000
"""How often it is checked that the folder is still the one that is watched."""

SILENT_S = 2.0
"""After this, it is reported that a file system does not answer."""

RETRY_S = 10.0
"""After this, watching is tried again where it failed."""

ENTRIES = 10_000
"""Files of a new folder that are looked at; one with more than that counts as a change."""


class WatchReports(NamedTuple):
    """What a `FileWatch` calls, in the loop."""

    changed: Callable[[set[str]], None]
    """With the paths of changed files, or the folder itself where another took its place."""
    failed: Callable[[str], None]
    """With the reason why nothing can be noticed for now."""
    works: Callable[[], None]
    """When changes are noticed, the first time and again after a failure."""


class FileWatch:
    """Watches the files below ``folder`` that count, by its path: where another folder takes its
    place, or a symbolic link leads elsewhere, that one is watched."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        folder: str,
        matters: Callable[[str], bool],
        reports: WatchReports,
    ) -> None:
        self.folder = folder
        self._matters = matters
        self._loop = loop
        self._reports = reports
        self._stop = threading.Event()
        run = copy_context().run  # what goes wrong is written to the log of this agent
        self._thread = threading.Thread(target=run, args=(self._run,), name="watch", daemon=True)
        self._thread.start()

    def close(self, wait_s: float = 0.0) -> None:
        """Stop watching; the thread ends by itself within a second, or is waited for.

        Where the interpreter is finalized it must be: a native thread that comes back to one that
        is gone aborts.
        """
        self._stop.set()
        self._thread.join(wait_s)

    def _run(self) -> None:
        watched: tuple[int, int] | None = None
        while not self._stop.is_set():
            self._await_answer()
            found = _identity(self.folder)
            if found is None:
                self._call(self._reports.failed, f"{self.folder} does not exist")
            elif watched is not None and found != watched:
                self._call(self._reports.changed, {self.folder})
            watched = found or watched
            if found is None or not self._watch(found):
                self._stop.wait(LOOK_MS / 1000 if found is None else RETRY_S)

    def _await_answer(self) -> None:
        """Wait until the file system answers, if it may not: the native code would wait for it with
        Python's lock held, and so stop all threads of this process."""
        mount = waiting_mount(self.folder)
        if mount is None:
            return
        text = f"waiting for the file system at {mount}"
        late = threading.Timer(SILENT_S, self._call, (self._reports.failed, text))
        late.daemon = True
        late.start()
        for _ in os.walk(self.folder):
            if self._stop.is_set():
                break
        late.cancel()

    def _watch(self, identity: tuple[int, int]) -> bool:
        """Report changes until the folder is another one; return False when that fails."""
        try:
            batches = watch(
                self.folder,
                watch_filter=None,
                step=STEP_MS,
                debounce=GROUP_MS,
                rust_timeout=LOOK_MS,
                yield_on_timeout=True,
                stop_event=self._stop,
                raise_interrupt=False,
            )
            for count, batch in enumerate(batches):
                if count == 0:
                    self._call(self._reports.works)
                found = self._changed_files(batch)
                if found:
                    self._call(self._reports.changed, found)
                # what a link leads to is watched only where it led to before
                relinked = any(os.path.islink(path) for _, path in batch)
                if relinked or _identity(self.folder) != identity:
                    return True
        except Exception as error:  # noqa: BLE001 (the border of the thread: limits, permissions)
            if _identity(self.folder) == identity:
                log_exception(f"watching {self.folder} failed")
                self._call(self._reports.failed, _reason(error))
                return False
        return True

    def _call(self, report: Callable[..., None], *arguments: object) -> None:
        if not self._stop.is_set():
            self._loop.call_soon_threadsafe(self._report, report, arguments)

    def _report(self, report: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if not self._stop.is_set():
            report(*arguments)

    def _changed_files(self, batch: set[FileChange]) -> set[str]:
        """Return the files that changed, and new folders none of whose files is among them.

        A folder counts only when it holds a file that matters: it may have come with one that does
        not. One that was moved here as a whole is reported without its files.
        """
        folders = {path for _, path in batch if os.path.isdir(path) and not os.path.islink(path)}
        found = {path for _, path in batch if path not in folders and self._matters(path)}
        added = {path for change, path in batch if change is Change.added} & folders
        for folder in sorted(added, reverse=True):  # those inside others first
            inside = folder + os.sep
            if self._holds_files(folder) and not any(path.startswith(inside) for path in found):
                found.add(folder)
        return found

    def _holds_files(self, folder: str) -> bool:
        count = 0
        if not self._matters(folder):
            return False
        for parent, folders, names in os.walk(folder):
            folders[:] = [each for each in folders if self._matters(os.path.join(parent, each))]
            count += len(names)
            if count > ENTRIES or any(self._matters(os.path.join(parent, name)) for name in names):
                return True
        return False


def _reason(error: Exception) -> str:
    """Return why watching failed, and what to do. watchfiles passes on the texts of its core."""
    text = str(error)
    if "MaxFilesWatch" in text:
        limit = _limit("max_user_watches")
        return (
            f"a user may watch {limit} folders and files, and there are more: "
            "raise it with sysctl fs.inotify.max_user_watches=N, or watch less with --watch FOLDER"
        )
    if f"os error {errno.EMFILE}" in text:
        limit = _limit("max_user_instances")
        return (
            f"a user may have {limit} watchers, and they are in use: "
            "raise it with sysctl fs.inotify.max_user_instances=N"
        )
    return text.partition(" (Error {")[0]


def _limit(name: str) -> str:
    raw = read_file(f"/proc/sys/fs/inotify/{name}")
    return raw.decode("ascii").strip() if raw else "only so many"


def _identity(folder: str) -> tuple[int, int] | None:
    """Return what tells a folder from others at the same path; None when there is none."""
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino
