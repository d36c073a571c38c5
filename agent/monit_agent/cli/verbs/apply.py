"""``monit apply``: make what runs follow a config file, with the least that this needs."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import click

from monit_agent.cli.control.applying import apply_lock, known_apps, works_of
from monit_agent.cli.control.fleet import wait_for_agents
from monit_agent.cli.control.requests import (
    CommandWords,
    print_instances,
    report_deleted,
    report_dependencies,
    report_environment,
    report_results,
    report_silent_agents,
    show_progress,
)
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import app_names, monit_home
from monit_agent.cli.keepers.launches import FileLaunches, file_launches
from monit_agent.cli.keepers.launching import Launches
from monit_agent.cli.options.params import update_env_option
from monit_agent.cli.options.start_options import profile_option
from monit_agent.cli.render import output
from monit_agent.cli.render.plan import plan_json, plan_lines
from monit_agent.cli.render.terminal import is_interactive
from monit_agent.client.commands.keeper_exits import KeeperExits
from monit_agent.client.commands.operation import CommandProgress
from monit_agent.client.commands.start_order import StartOrder
from monit_agent.client.commands.works import run_works
from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.source import Source
from monit_agent.config.app import Launch
from monit_agent.config.changes import AppPlan, KnownApp, PlanOptions, plan_app, plan_prune
from monit_agent.config.files.faults import shown_path
from monit_agent.wire.ids import AppId, local_app
from monit_agent.wire.order import read_dependencies

APPLYING = CommandWords(
    "changing",
    "changed",
    "what was begun for {names} continues; run monit apply again for the rest",
)

DOING = {
    "start": "starting",
    "scale": "scaling",
    "reload": "reloading",
    "restart": "restarting",
    "delete": "deleting",
}
"""What the progress says of an app, by the action of its plan; "changing" of others."""

HELP = """\b
Examples:
  monit apply                        the config file of this folder
  monit apply --dry-run              print the plan, and do nothing
  monit apply --only web
  monit apply --reload               after a deploy: new code for all apps
  monit apply prod.toml --profile production --prune

\b
docs/configuration.md lists what a change of each key needs.
"""


class _Options(NamedTuple):
    dry_run: bool
    prune: bool
    reload: bool
    take_over: bool
    as_json: bool
    yes: bool
    update_env: bool
    start: bool
    keep_scale: bool


@click.command("apply", epilog=HELP)
@click.argument("file", required=False, type=click.Path())
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--only", multiple=True, metavar="APP", help="Only this app. Can be repeated.")
@click.option(
    "--prune", is_flag=True, help="Delete the apps that came from this file and are not in it now."
)
@click.option("--yes", is_flag=True, help="Delete with --prune without a question.")
@click.option(
    "--reload", is_flag=True, help="Reload also what has not changed, so that it loads new code."
)
@click.option(
    "--take-over", is_flag=True, help="Take over apps that came from another config file."
)
@click.option(
    "--start", is_flag=True, help="Start also what was stopped with monit stop, as the file has it."
)
@click.option(
    "--keep-scale", is_flag=True, help="Leave the number of instances where it was scaled by hand."
)
@update_env_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan and its outcome as JSON.")
@click.pass_context
def apply(
    ctx: click.Context,
    file: str | None,
    only: tuple[str, ...],
    profile: str | None = None,
    **flags: bool,
) -> int:
    """Make what runs follow a config file, with the least that each change needs.

    The file is compared with what runs, the plan is printed and carried out: new apps start, a
    changed number of instances is scaled, settings such as limits and checks change without
    touching a worker, a changed command or variable needs a rolling reload, a changed port a stop
    and start. What has not changed is left alone, so a second apply does nothing.

    If a reload fails, the old workers keep running with the old settings, and the exit code is 1.
    What is stopped stays stopped without --start. An app that was removed from the file is deleted
    only with --prune; in a terminal, monit asks first.

    Without FILE, the config file of the current folder is used, as with monit start.
    """
    del ctx
    options = _Options(**flags)
    if options.prune and only:
        raise click.UsageError("--prune deletes what the file lacks; it cannot be used with --only")
    wanted = file_launches(file, only, profile)
    folder = monit_home()
    with apply_lock(folder), closing(LiveSource(folder)) as source:
        return _apply(source, folder, wanted, options)


apply.params.append(profile_option())


def _apply(source: Source, folder: str, wanted: FileLaunches, options: _Options) -> int:
    path, launches = wanted.path, wanted.launches
    by_name = {launch.spec.name: launch for launch in launches}
    names = set(app_names(folder))
    wait_for_agents(source, folder, lambda name: name in names)
    concerned = [local_app(name) for name in by_name if name in names]
    silent = [name for name in concerned if source.fleet.apps[name].link == "stale"]
    if silent:
        report_silent_agents(source, silent)
        raise CommandError(ExitCode.NO_ANSWER, "nothing was changed")
    if not options.take_over:
        _refuse_others(source, path, concerned)
    known = known_apps(
        source, folder, launches, touch=not options.dry_run, update_env=options.update_env
    )
    how = PlanOptions(options.reload, options.start, options.keep_scale)
    plans = [plan_app(known.get(each.spec.name), each.spec, how) for each in launches]
    pruned = _missing(source, wanted)
    if options.prune:
        plans += [plan_prune(name.app) for name in pruned]
    if not options.as_json:
        output.write_lines(plan_lines(plans))
    _report_left(plans, known, [] if options.prune else pruned)
    if options.prune and pruned and not options.dry_run:
        _confirm(pruned, options)
    ends = [] if options.dry_run else _carry_out(source, folder, plans, by_name)
    code = _report(source, folder, plans, ends, options)
    if options.as_json:
        output.write_json(_as_json(path, plans, ends, options))
    return code


def _refuse_others(source: Source, path: str, apps: Sequence[AppId]) -> None:
    """Refuse apps that came from another file: two files would change them in turns."""
    for name in apps:
        record = source.fleet.apps[name].record
        other = record.origin_file if record else None
        if other is not None and other != path:
            raise CommandError(
                ExitCode.FAILED,
                f"{name} came from {shown_path(other)}; nothing was changed. Give it another name "
                f"in {shown_path(path)}, run monit delete {name}, or use --take-over",
            )


def _missing(source: Source, wanted: FileLaunches) -> list[AppId]:
    """Return the apps that came from the file and are not in it."""
    return sorted(
        name
        for name, app in source.fleet.apps.items()
        if app.record and app.record.origin_file == wanted.path and name.app not in wanted.names
    )


def _confirm(doomed: Sequence[AppId], options: _Options) -> None:
    """Ask in a terminal whether these apps are to be deleted; raise `CommandError` if not."""
    if options.yes or options.as_json or not is_interactive():
        return
    names = ", ".join(map(str, doomed))
    count = "1 app" if len(doomed) == 1 else f"{len(doomed)} apps"
    if not click.confirm(f"Delete {count} that the file does not have any more ({names})?"):
        raise CommandError(ExitCode.FAILED, "nothing was changed")


def _report_left(
    plans: Sequence[AppPlan], known: Mapping[str, KnownApp], left: Sequence[AppId]
) -> None:
    for name in left:
        output.write_message(f"{name} is not in the file any more; --prune deletes it")
    for plan in plans:
        drift = known[plan.app] if plan.app in known and plan.by_hand else None
        if drift is not None and plan.scale is None:
            output.write_message(
                f"{plan.app} has {drift.instances} instances, scaled by hand; "
                f"the file says {drift.spec.instances}"
            )


def _carry_out(
    source: Source, folder: str, plans: Sequence[AppPlan], by_name: Mapping[str, Launch]
) -> list[CommandProgress]:
    doomed = [local_app(plan.app) for plan in plans if plan.action == "delete"]
    doing = {local_app(plan.app): DOING.get(plan.action, APPLYING.running) for plan in plans}
    new = sum(plan.action == "start" for plan in plans)
    with (
        closing(Launches(folder, new)) as launches,
        closing(KeeperExits(source.fleet.apps[name] for name in doomed)) as keepers,
    ):
        works = works_of(folder, plans, by_name, launches)
        after = {name: read_dependencies(each.spec.after) for name, each in by_name.items()}
        order = StartOrder(after, source.wall())
        ends = show_progress(run_works(source, works, order), APPLYING, doing)
        report_dependencies(source, order.failed)
        if all(end.ok for end in ends if end.app in doomed):
            keepers.wait()
    return ends


def _report(
    source: Source,
    folder: str,
    plans: Sequence[AppPlan],
    ends: Sequence[CommandProgress],
    options: _Options,
) -> ExitCode:
    touched = [local_app(plan.app) for plan in plans if plan.action not in ("nothing", "delete")]
    if options.dry_run:
        if not touched and not any(plan.action == "delete" for plan in plans):
            output.write_message("nothing to do")
        return ExitCode.DONE
    there = [name for name in touched if name in source.fleet.apps]
    if not options.as_json:
        shown = {v.identity for name in there for v in source.fleet.apps[name].instances.values()}
        print_instances(source, folder, there, shown)
    code = report_results(source, ends)
    report_environment(source, there)
    for plan in plans:
        failed = any(end.app.app == plan.app and not end.ok for end in ends)
        if failed and plan.action == "reload" and not plan.in_place:
            output.write_message(
                f"{plan.app}: the old workers keep running with the old settings; "
                "monit apply tries it again"
            )
    doomed = [local_app(plan.app) for plan in plans if plan.action == "delete"]
    report_deleted(folder, doomed)
    if code == ExitCode.DONE and (touched or not doomed):
        names = ", ".join(map(str, touched))
        output.write_message(f"applied: {names}" if touched else "nothing to do")
    return code


def _as_json(
    path: str, plans: Sequence[AppPlan], ends: Sequence[CommandProgress], options: _Options
) -> dict[str, Any]:
    by_app = {end.app.app: end for end in ends}
    return {
        "file": path,
        "dry_run": options.dry_run,
        "apps": [{**plan_json(plan), **_outcome(by_app.get(plan.app))} for plan in plans],
    }


def _outcome(end: CommandProgress | None) -> dict[str, Any]:
    if end is None:
        return {"ok": None, "error": None}
    failed = end.error or "; ".join(f"{end.app}/{number}: {why}" for number, why in end.failed)
    return {"ok": end.ok, "error": failed or None}
