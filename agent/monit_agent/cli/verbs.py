"""What the verbs share: the fleet, and the targets found in it."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

from monit_agent.cli.apps import app_names
from monit_agent.cli.fleet import gather
from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.client.live import LiveSource
from monit_agent.client.targets import NoSuchTargetError, resolve, resolve_apps
from monit_agent.client.view import Identity


class Chosen(NamedTuple):
    """What the targets of a command mean."""

    apps: list[str]
    """Sorted; also those of which no instance is known."""
    instances: frozenset[Identity]

    def numbers(self, source: LiveSource, app: str) -> tuple[int, ...] | None:
        """Give which instances of ``app`` are meant; None for all that it has."""
        meant = {number for name, number in self.instances if name == app}
        return None if meant >= source.fleet.apps[app].instances.keys() else tuple(sorted(meant))


@contextlib.contextmanager
def fleet_of(folder: str, targets: Sequence[str]) -> Generator[tuple[LiveSource, Chosen]]:
    """Give a source that knows what ``targets`` mean, and that; let go of it at the end.

    Raises `CommandError` for a target that means nothing.
    """
    source = LiveSource(folder)
    try:
        gather(source, folder, concerned(targets, app_names(folder)))
        yield source, choose(source, targets)
    finally:
        source.close()


def concerned(targets: Sequence[str], names: Sequence[str]) -> Callable[[str], bool]:
    """Say which apps must be known before ``targets`` can be resolved: often only the named."""
    plain = {target.partition("/")[0] for target in targets}
    if plain <= set(names):
        return lambda name: name in plain
    return lambda _: True


def choose(source: LiveSource, targets: Sequence[str]) -> Chosen:
    """Find what ``targets`` mean; ``all`` means nothing, and no error, when there are no apps."""
    if list(targets) == ["all"] and not source.fleet.apps:
        return Chosen([], frozenset())
    try:
        apps = resolve_apps(source.fleet, targets)
        some = [target for target in targets if not _is_bare(source, target)]
        return Chosen(apps, frozenset(resolve(source.fleet, some)))
    except NoSuchTargetError as error:
        raise CommandError(Exit.NO_TARGET, str(error)) from error


def _is_bare(source: LiveSource, target: str) -> bool:
    """Whether the target is an app of which no instance is known."""
    app = source.fleet.apps.get(target)
    return app is not None and not app.instances
