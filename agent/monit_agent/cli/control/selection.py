"""What the targets of a command select. Imports no more than ``cli/quick_logs.py`` needs."""

from collections.abc import Sequence

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.client.targets import (
    AmbiguousTargetError,
    NoSuchTargetError,
    matching_apps,
    resolve_apps,
    resolve_instances,
    split_host,
    without_host,
)
from monit_agent.client.view import Fleet
from monit_agent.typed import TYPE_CHECKING, NamedTuple
from monit_agent.wire.ids import THIS_HOST, AppId, InstanceId

if TYPE_CHECKING:
    from monit_agent.client.source import Source


class TargetSelection(NamedTuple):
    """The apps and instances that the targets of a command mean."""

    apps: list[AppId]
    """Sorted; also those of which no instance is known."""
    instances: frozenset[InstanceId]

    def instance_numbers(self, source: "Source", app: AppId) -> tuple[int, ...] | None:
        """Return which instances of ``app`` are meant; None for all of them."""
        numbers = {each.instance for each in self.instances if each.app_id == app}
        everything = numbers >= source.fleet.apps[app].instances.keys()
        return None if everything else tuple(sorted(numbers))


def needed_apps(targets: Sequence[str], names: Sequence[str]) -> set[str] | None:
    """Return which of this machine's apps, which have these names, must be known to resolve
    ``targets``; None for all of them. A number may also be the id of an instance of any app."""
    plain = {without_host(target).partition("/")[0] for target in targets}
    known = plain <= set(names) and not any(name.isdecimal() for name in plain)
    return plain if known else None


def select_targets(fleet: Fleet, targets: Sequence[str]) -> TargetSelection:
    """Return what ``targets`` mean; ``all`` is empty, and no error, when there are no apps."""
    everything = [split_host(target) in ((None, "all"), (THIS_HOST, "all")) for target in targets]
    if everything == [True] and not fleet.apps:
        return TargetSelection([], frozenset())
    try:
        apps = resolve_apps(fleet, targets)
        some = [target for target in targets if not _is_bare(fleet, target)]
        return TargetSelection(apps, frozenset(resolve_instances(fleet, some)))
    except NoSuchTargetError as error:
        raise CommandError(ExitCode.NO_TARGET, str(error)) from error
    except AmbiguousTargetError as error:
        raise CommandError(ExitCode.USAGE, str(error)) from error


def _is_bare(fleet: Fleet, target: str) -> bool:
    """Return whether the target is an app without known instances."""
    apps = matching_apps(fleet, target)
    return len(apps) == 1 and not apps[0].instances
