"""The apps of a home, from a listing of its folders: no socket is opened."""

import os

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.system.files.ownership import NotOursError, check_ours
from monit_agent.system.memory.memory_folder import (
    is_private_memory,
    make_memory_folder,
    memory_folders,
)
from monit_agent.typed import TYPE_CHECKING
from monit_agent.wire import paths

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


def monit_home() -> str:
    """Return the folder of all files: ``$MONIT_HOME`` or the user's state folder; where that cannot
    be, the one in memory that ``monit run`` has made, if it has.

    Raise `CommandError` when it, or an app in it, belongs to another user.
    """
    home = paths.home(os.environ)
    if needs_memory_home(home):
        in_memory = memory_home(make=False)
        home = in_memory if in_memory is not None and os.path.isdir(in_memory) else home
    apps = paths.apps_folder(home)
    try:
        names = sorted(os.listdir(apps))
    except OSError:
        names = []  # whoever needs them reports it
    try:
        check_ours([home, apps, *(os.path.join(apps, name) for name in names)])
    except NotOursError as error:
        raise CommandError(ExitCode.FAILED, str(error)) from error
    return home


def needs_memory_home(home: str) -> bool:
    """Return whether nobody chose the home, and it cannot be made or written: the file system of a
    container may be read-only."""
    if os.environ.get("MONIT_HOME"):
        return False
    while not os.path.exists(home):
        home = os.path.dirname(home)
    return not os.access(home, os.W_OK | os.X_OK)


def memory_home(*, make: bool) -> str | None:
    """Return the home in memory; None where there can be none. With ``make``, its parent exists
    then, and nobody else can look into it."""
    folder = (
        make_memory_folder() if make else next(filter(is_private_memory, memory_folders()), None)
    )
    return folder and os.path.join(folder, "home")


def app_names(folder: str) -> list[str]:
    """Return the names of the apps in the home ``folder``, sorted."""
    try:
        names = os.listdir(paths.apps_folder(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CommandError(
            ExitCode.FAILED,
            f"cannot list the apps in {folder}: {error.strerror or error}; check MONIT_HOME",
        ) from error
    return sorted(name for name in names if app_exists(folder, name))


def app_exists(folder: str, name: str) -> bool:
    """Return whether the app ``name`` exists: it has a state file."""
    return os.path.exists(paths.app_paths(folder, name).state)


def complete_target(
    ctx: "click.Context", param: "click.Parameter", incomplete: str
) -> "list[CompletionItem]":
    """Complete the names of apps; none when they cannot be listed."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 — only while completing

    _ = ctx, param
    try:
        names = [*app_names(monit_home()), "all"]
    except CommandError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_start(
    ctx: "click.Context", param: "click.Parameter", incomplete: str
) -> "list[CompletionItem]":
    """Complete files, and the names of apps that exist."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 — only while completing

    return [*complete_target(ctx, param, incomplete), CompletionItem(incomplete, type="file")]
