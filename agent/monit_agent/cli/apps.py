"""Which apps a home holds, read from its folders: no socket, nothing but a listing."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.wire import places

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def home() -> str:
    """Give the folder that holds everything: ``$MONIT_HOME`` or the user's state folder."""
    return places.home(os.environ)


def app_names(folder: str) -> list[str]:
    """Give the names of the apps that exist in the home ``folder``, sorted."""
    try:
        names = os.listdir(places.apps_folder(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CommandError(
            Exit.FAILED,
            f"cannot look for apps in {folder}: {error.strerror or error}; is MONIT_HOME right?",
        ) from error
    return sorted(name for name in names if exists(folder, name))


def exists(folder: str, name: str) -> bool:
    """Whether there is an app called ``name``: it has a state."""
    return os.path.exists(places.app_places(folder, name).state)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Give ``; did you mean 'list'?`` when a known word is near, else ""."""
    import difflib  # noqa: PLC0415 — only for errors

    near = difflib.get_close_matches(word, list(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(one) for one in near)}?" if near else ""


def complete_target(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> "list[CompletionItem]":
    """Complete the names of apps; none when they cannot be listed."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 — only while completing

    _ = ctx, param
    try:
        names = [*app_names(home()), "all"]
    except CommandError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_start(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> "list[CompletionItem]":
    """Complete files, and the names of apps that can be started again."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 — only while completing

    return [*complete_target(ctx, param, incomplete), CompletionItem(incomplete, type="file")]
