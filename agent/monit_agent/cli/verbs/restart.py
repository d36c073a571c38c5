"""``monit restart``: stop and start apps or instances."""

from collections.abc import Iterable, Sequence

import click

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.hosts import host_option, is_local
from monit_agent.cli.control.requests import (
    CommandWords,
    current_environment,
    run_requests,
)
from monit_agent.cli.control.selection import TargetSelection, select_targets
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import monit_home
from monit_agent.cli.keepers.restored import restore_apps
from monit_agent.cli.options.params import targets_argument, update_env_option
from monit_agent.cli.render import output
from monit_agent.client.source import Source
from monit_agent.client.targets import names_many
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.messages import Restart

HELP = """\b
Examples:
  monit restart web --update-env
  monit restart all                  everything that runs or should run
"""


@click.command("restart", epilog=HELP)
@targets_argument
@update_env_option
@host_option
def restart(targets: tuple[str, ...], update_env: bool) -> int:
    """Stop and start apps or instances, all at once.

    An app or instance that is named is started also if it is stopped. With all, @namespace or a
    pattern, what is stopped stays stopped. To replace instances one by one, use monit reload.
    """
    folder, env = monit_home(), current_environment(update_env)
    with open_fleet(folder, targets) as (source, chosen):
        if not chosen.apps:
            output.write_message("There are no apps.")
            return ExitCode.DONE
        named = _named_instances(source, targets)
        meant = _without_stopped(source, chosen, named, targets)
        apps = source.fleet.apps
        gone = [name for name in chosen.apps if is_local(name) and apps[name].link == "gone"]
        alive = _with_worker(source, gone)
        codes = restore_apps(source, folder, gone)
        done = {each for each in meant.instances if each.app_id in gone}
        done -= alive | (named & _stopped(source, gone))
        left = TargetSelection(meant.apps, meant.instances - done)
        requests = {
            name: Restart(instances=numbers, env=env)
            for name in left.apps
            if not codes.get(name) and (numbers := left.instance_numbers(source, name)) != ()
        }
        words = CommandWords("restarting", "restarted")
        code = run_requests(source, folder, requests, words) if requests else ExitCode.DONE
    code = max(code, *codes.values(), ExitCode.DONE)
    if code == ExitCode.DONE:
        output.write_message(f"restarted {' '.join(targets)}")
    return code


def _named_instances(source: Source, targets: Sequence[str]) -> frozenset[InstanceId]:
    named = [target for target in targets if not names_many(target)]
    return select_targets(source.fleet, named).instances if named else frozenset()


def _stopped(source: Source, apps: Iterable[AppId]) -> frozenset[InstanceId]:
    """Return the instances that are stopped. Of an app without a keeper that is what was to be
    stopped: its dead workers are shown as stopped too."""
    return frozenset(
        view.identity
        for name in apps
        for view in source.fleet.apps[name].instances.values()
        if view.record.status == "stopped"
        and (view.record.desired == "stopped" or source.fleet.apps[name].link != "gone")
    )


def _with_worker(source: Source, apps: Iterable[AppId]) -> frozenset[InstanceId]:
    return frozenset(
        view.identity
        for name in apps
        for view in source.fleet.apps[name].instances.values()
        if view.record.pid is not None
    )


def _without_stopped(
    source: Source,
    chosen: TargetSelection,
    named: frozenset[InstanceId],
    targets: Sequence[str],
) -> TargetSelection:
    """Return the selection without what is stopped and was not named, and report that."""
    skipped = (_stopped(source, chosen.apps) & chosen.instances) - named
    if not skipped:
        return chosen
    instances = chosen.instances - skipped
    if not instances:
        words = " ".join(targets)
        raise CommandError(
            ExitCode.FAILED,
            f"nothing was restarted: what {words} means is stopped; run monit start {words}",
        )
    apps = [
        name
        for name in chosen.apps
        if not source.fleet.apps[name].instances
        or any(identity.app_id == name for identity in instances)
    ]
    for name in chosen.apps:
        numbers = sorted(each for each in skipped if each.app_id == name)
        what = name if name not in apps else ", ".join(map(str, numbers))
        target = f"{name}/{numbers[0].instance}" if len(numbers) == 1 and name in apps else name
        if numbers:
            output.write_message(
                f"{what} is stopped and stays stopped; monit start {target} starts it"
            )
    return TargetSelection(apps, instances)
