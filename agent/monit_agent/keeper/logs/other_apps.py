"""The log files of the other apps of a home, which have keepers of their own or are deleted."""

import os
import time

from monit_agent.keeper.logs.rotated_files import Key, OldFile, OldFiles, remove_old_file
from monit_agent.supervise.spec import LogSettings
from monit_agent.system.suppress import suppress
from monit_agent.wire.paths import AppPaths, apps_folder, home_of


def files_of_others(paths: AppPaths) -> list[OldFile]:
    """Return the rotated files of the other apps, and all files of those that were deleted."""
    found: list[OldFile] = []
    for other in _other_apps(paths):
        files = OldFiles(other, _usual_place).look(set())
        found += [file for file in files if file.rotated or _is_deleted(other)]
    return found


def remove_old_logs_of_deleted_apps(paths: AppPaths) -> None:
    """Remove what nobody looks after any more, when it has reached the usual age."""
    oldest = time.time() - LogSettings().max_age_s
    for other in _other_apps(paths):
        if not _is_deleted(other):
            continue
        for file in OldFiles(other, _usual_place).look(set()):
            if file.at < oldest:
                remove_old_file(file)


def app_of(file: OldFile) -> str:
    """Return the name of the app to which a file in its folder belongs."""
    return os.path.basename(os.path.dirname(file.names.folder))


def _other_apps(paths: AppPaths) -> list[AppPaths]:
    folder = apps_folder(home_of(paths.folder))
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir(folder)
    return [AppPaths(os.path.join(folder, name)) for name in names if name != paths.name]


def _is_deleted(paths: AppPaths) -> bool:
    return not os.path.lexists(paths.state)


def _usual_place(_key: Key) -> str:
    """Return that a log is in its app's folder: the settings of others are not known here."""
    return ""
