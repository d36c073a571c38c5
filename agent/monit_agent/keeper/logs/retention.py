"""Which log files of an app are removed by its limits, and what others removed of them.

The limits are looked at after each rotation and once a minute. Files that still grow are never
removed.
"""

import time
from collections.abc import Callable, Iterable

from monit_agent.keeper.logs.disk_floor import DiskFloor
from monit_agent.keeper.logs.other_apps import remove_old_logs_of_deleted_apps
from monit_agent.keeper.logs.rotated_files import (
    Key,
    OldFile,
    OldFiles,
    is_there,
    remove_old_file,
    remove_stray_parts,
)
from monit_agent.supervise.spec import LogSettings
from monit_agent.wire.paths import AppPaths

LEAST_SIZE_BYTES = 64 * 1024
"""A smaller file is rotated more often than it is written to."""

LOOK_S = 60.0
"""One look of an app without rotated files takes 30 µs."""

ORPHANS_LOOKS = 60
"""The logs of deleted apps are looked at once an hour."""


class Retention:
    """Keeps one app's logs within their limits, and the disk of its home above the floor."""

    def __init__(
        self,
        paths: AppPaths,
        record_event: Callable[[str, int | None, str], None],
        chosen: Callable[[Key], str],
    ) -> None:
        """``chosen(key)`` returns the path that the settings name for a stream."""
        self._paths = paths
        self._record_event = record_event
        self._chosen = chosen
        self._old_files = OldFiles(paths, chosen)
        self._files: dict[Key, dict[int, OldFile]] = {}
        self.floor = DiskFloor(paths, self._oldest_first, self._drop, record_event)
        self._looks = 0
        self.dropped_bytes: dict[Key, int] = {}
        """Bytes of each stream that were removed before their time."""

    def files_of(self, key: Key) -> list[OldFile]:
        """Return the rotated files of a stream, as they were seen last, oldest first."""
        return sorted(self._files.get(key, {}).values(), key=lambda file: file.base)

    def forget(self, key: Key) -> None:
        """Forget the files of a stream that continues at another place; they stay."""
        self._files.pop(key, None)

    def stream_runs(self, key: Key) -> None:
        """Note that the last file of an instance that had been scaled away grows again."""
        files = self._files.get(key, {})
        self._files[key] = {base: file for base, file in files.items() if file.rotated}

    def remove_all(self, key: Key, running: Iterable[Key]) -> None:
        """Remove the rotated files of a stream."""
        self._see(set(running))
        for file in self.files_of(key):
            self._remove(file)

    def file_rotated(self, file: OldFile, settings: LogSettings, running: dict[Key, int]) -> None:
        """Note that a file was rotated, and remove what is beyond a limit now."""
        self._files.setdefault(file.key, {})[file.base] = file
        if files_beyond_limits(self._oldest_first(), settings, running, time.time()):
            self.look(settings, running)
        else:
            self.floor.keep()

    def look(self, settings: LogSettings, running: dict[Key, int]) -> None:
        """Remove what is beyond a limit; ``running`` has the size of each file that grows."""
        self._see(set(running))
        for file in files_beyond_limits(self._oldest_first(), settings, running, time.time()):
            self._remove(file)
        self.floor.keep()

    def look_at_disk(self) -> None:
        """Look whether the disk is still nearly full."""
        self.floor.keep()

    def _oldest_first(self) -> list[OldFile]:
        files = [file for each in self._files.values() for file in each.values()]
        return sorted(files, key=lambda file: (file.at, file.base))

    def look_after_rest(self) -> None:
        """Do what is not urgent: remove what is left of deleted apps and of removed files."""
        if self._looks % ORPHANS_LOOKS == 0:
            remove_stray_parts(self._paths, self._chosen)
            remove_old_logs_of_deleted_apps(self._paths)
        self._looks += 1

    def _see(self, running: set[Key]) -> None:
        """Look what is there, and count what somebody else removed."""
        present: dict[Key, dict[int, OldFile]] = {}
        for file in self._old_files.look(running):
            present.setdefault(file.key, {})[file.base] = file
        gone = {
            key: [file for base, file in files.items() if base not in present.get(key, {})]
            for key, files in self._files.items()
        }
        for key, files in gone.items():
            hidden = [file for file in files if is_there(file)]
            for file in hidden:
                present.setdefault(key, {})[file.base] = file
            self._record_gone(key, [file for file in files if file not in hidden])
        self._files = present

    def _record_gone(self, key: Key, files: list[OldFile]) -> None:
        removed = [file for file in files if file.rotated]  # else its instance came back
        for file in removed:
            self._count_dropped(file)
        if removed:
            length = sum(file.length for file in removed)
            text = f"{key[1]}: {length} bytes of its rotated log files were removed from outside"
            self._record_event("log_dropped", key[0], text)

    def _remove(self, file: OldFile) -> bool:
        done = remove_old_file(file)
        if done:
            self._files.get(file.key, {}).pop(file.base, None)
        return done

    def _drop(self, file: OldFile) -> bool:
        """Remove a file before its time; return whether it is gone."""
        done = self._remove(file)
        if done:
            self._count_dropped(file)
        return done

    def _count_dropped(self, file: OldFile) -> None:
        self.dropped_bytes[file.key] = self.dropped_bytes.get(file.key, 0) + file.length


def files_beyond_limits(
    files: list[OldFile], settings: LogSettings, running: dict[Key, int], now: float
) -> list[OldFile]:
    """Return which of the files, oldest first, are to be removed by an app's own limits."""
    beyond: list[OldFile] = []
    kept: list[OldFile] = []
    later: dict[Key, int] = {}
    for file in files:
        later[file.key] = later.get(file.key, 0) + file.rotated
    for file in files:
        surplus = bool(settings.max_files) and file.rotated and later[file.key] > settings.max_files
        later[file.key] -= file.rotated
        too_old = bool(settings.max_age_s) and file.at < now - settings.max_age_s
        (beyond if surplus or too_old else kept).append(file)
    total = sum(file.size for file in kept) + sum(running.values())
    for file in kept:
        if not settings.max_total_bytes or total <= settings.max_total_bytes:
            break
        beyond.append(file)
        total -= file.size
    return beyond


def size_limit(settings: LogSettings, streams: int) -> int:
    """Return the size at which each of so many files that grow is rotated, 0 for never: together
    they take at most half of what the app may."""
    if not settings.max_size_bytes or not settings.max_total_bytes:
        return settings.max_size_bytes
    share = settings.max_total_bytes // (2 * max(1, streams))
    return min(settings.max_size_bytes, max(share, LEAST_SIZE_BYTES))
