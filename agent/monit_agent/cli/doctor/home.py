"""Checks of the home: whose it is, its paths, what is left over in it, room on its disk."""

import os
import time

from monit_agent.cli.doctor.findings import FAIL, OK, WARN, Examined, Finding
from monit_agent.client.text.format import format_bytes
from monit_agent.system.files.ownership import NotOursError, check_ours
from monit_agent.system.memory.memory_folder import make_memory_folder
from monit_agent.wire.paths import SOCKET_PATH_MAX, AppPaths, apps_folder

NAME_ROOM = 20
"""Characters that an app's name should have room for."""

LOW_SHARE, LOW_BYTES = 0.05, 500 << 20
LEFT_BYTES = 1 << 30
"""Logs of deleted apps are kept on purpose; beyond this, somebody should look."""
AHEAD_S = 120.0


def check_home(examined: Examined) -> list[Finding]:
    """Whose the home is, and who can look into it."""
    home = examined.home
    try:
        mode = os.stat(home).st_mode & 0o777
        check_ours(
            (home, apps_folder(home), *(examined.paths(app).folder for app in examined.keepers))
        )
    except FileNotFoundError:
        return [Finding(OK, f"{home} is not there yet; monit start makes it")]
    except NotOursError as error:
        return [Finding(FAIL, str(error))]
    except OSError as error:
        return [Finding(FAIL, f"{home}: {error.strerror}", "set MONIT_HOME to another folder")]
    if not os.access(home, os.W_OK | os.X_OK):
        return [Finding(FAIL, f"{home} is not writable", "set MONIT_HOME to another folder")]
    if mode & 0o077:
        todo = f"run chmod 700 {home}, or set MONIT_HOME to a folder of its own"
        return [Finding(WARN, f"other users can look into {home} (mode {mode:04o})", todo)]
    return [Finding(OK, f"{home} is yours alone")]


def check_paths(examined: Examined) -> list[Finding]:
    """Whether the paths of sockets fit into the kernel's limit."""
    for app in examined.keepers:
        path = examined.paths(app).too_long()
        if path is not None:
            return [
                Finding(FAIL, f"{path} is too long for a socket", "choose a shorter MONIT_HOME")
            ]
    longest = AppPaths(os.path.join(apps_folder(examined.home), "a"))
    used = max(len(os.fsencode(path)) for path in (longest.notify, longest.keeper, longest.share))
    room = SOCKET_PATH_MAX - used + 1
    if room < NAME_ROOM:
        text = f"names of apps may have only {max(room, 0)} characters in {examined.home}"
        return [Finding(WARN if room > 0 else FAIL, text, "choose a shorter MONIT_HOME")]
    return [Finding(OK, f"names of apps may have {room} characters")]


def check_leftovers(examined: Examined) -> list[Finding]:
    """Folders of apps that were deleted: their logs are kept, all else should be gone."""
    folder = apps_folder(examined.home)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    left = [name for name in names if not os.path.exists(examined.paths(name).state)]
    size = sum(_size(os.path.join(folder, name)) for name in left)
    if size > LEFT_BYTES:
        todo = "remove those that nobody needs: " + " ".join(
            os.path.join(folder, name) for name in sorted(left)
        )
        return [Finding(WARN, f"logs of deleted apps take {format_bytes(size)}", todo)]
    if left:
        text = f"logs of deleted apps ({', '.join(sorted(left))}) take {format_bytes(size)}"
        return [Finding(OK, text)]
    return [Finding(OK, "no folder of a deleted app is left")]


def _size(folder: str) -> int:
    total = 0
    for where, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(where, name)).st_blocks * 512
            except OSError:
                continue  # removed meanwhile
    return total


def check_disk(examined: Examined) -> list[Finding]:
    """Bytes and inodes that are free where logs and states are written."""
    folder = examined.home
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    disk = os.statvfs(folder)
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    todo = "free some; monit flush TARGET empties log files"
    if free == 0:
        return [Finding(FAIL, f"the disk of {folder} is full: lines of apps are dropped", todo)]
    found = [Finding(OK, f"{format_bytes(free)} are free")]
    if free < min(LOW_BYTES, LOW_SHARE * size):
        found = [Finding(WARN, f"only {format_bytes(free)} are free on the disk of {folder}", todo)]
    if disk.f_files and disk.f_favail < LOW_SHARE * disk.f_files:
        text = f"only {disk.f_favail} of {disk.f_files} inodes are free on the disk of {folder}"
        found.append(Finding(WARN if disk.f_favail else FAIL, text, "remove files there"))
    return found


def check_memory_folder(_: Examined) -> list[Finding]:
    """Where inherited variables survive the death of a keeper."""
    folder = make_memory_folder()
    if folder is None:
        text = "no private folder in memory: inherited variables do not survive a keeper's death"
        return [Finding(WARN, text, "mount a tmpfs at /dev/shm")]
    return [Finding(OK, f"inherited variables are kept in {folder}")]


def check_clock(examined: Examined) -> list[Finding]:
    """A clock that is behind what was written under it, and the time of the last boot."""
    now = time.time()
    booted = now - time.clock_gettime(time.CLOCK_BOOTTIME)
    newest = max((_changed_at(examined.paths(app).state) for app in examined.keepers), default=0.0)
    if newest > now + AHEAD_S:
        text = f"the clock is {newest - now:.0f} s behind the newest state.json: it was set back"
        return [Finding(WARN, text, "set the clock, or start a time service: timedatectl")]
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(booted))
    return [Finding(OK, f"the machine was started on {when}")]


def _changed_at(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
