"""``monit start``: start a new app, or one that exists and does not run."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import click

from monit_agent.cli.control.current_folder import current_folder
from monit_agent.cli.control.fleet import open_fleet, wait_for_agents
from monit_agent.cli.control.requests import (
    CommandWords,
    print_instances,
    report_dependencies,
    report_environment,
    report_results,
    report_silent_agents,
    request_in_order,
    show_progress,
)
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import app_exists, app_names, monit_home
from monit_agent.cli.keepers.keepers import take_over
from monit_agent.cli.keepers.launches import launches_of_file, launches_of_targets, typed_in
from monit_agent.cli.keepers.launching import Launches
from monit_agent.cli.keepers.saved_apps import read_spec, read_variables
from monit_agent.cli.options.params import PM2_NAMES, SEPARATED
from monit_agent.cli.options.start_options import (
    StartCommand,
    add_start_parameters,
    used_settings,
)
from monit_agent.cli.render import output
from monit_agent.client.commands.blocking import run_commands
from monit_agent.client.commands.keeper_exits import KeeperExits
from monit_agent.client.commands.start_order import StartOrder, known_order
from monit_agent.client.commands.works import AT_ONCE, run_works
from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.source import Source
from monit_agent.client.targets import names_many, split_host, without_host
from monit_agent.client.text.manager import with_name
from monit_agent.client.view import AppView
from monit_agent.config.app import Launch, change_launch
from monit_agent.config.errors import BadInputError, TargetNotFoundError
from monit_agent.config.files.find import find_config
from monit_agent.config.options import BY_KEY, FIXED
from monit_agent.config.ports import skipped_code_hint
from monit_agent.config.target import is_config_file
from monit_agent.supervise.spec import AppSpec
from monit_agent.wire.ids import THIS_HOST, AppId, local_app
from monit_agent.wire.messages import Delete, Start
from monit_agent.wire.order import read_dependencies
from monit_agent.wire.paths import app_paths

RESTING = ("stopped", "errored", "backoff")
STARTING = CommandWords("starting", "started")

HELP = """\b
Examples:
  monit start app.py
  monit start server.js -i max --name web -- --verbose
  monit start -m http.server -- 8000
  monit start --name api -i 2 --max-memory 300M -- uvicorn main:app
  monit start "npm run dev"           run a command, like the words after '--'
  monit start api.js worker.js        start two apps
  monit start web                     start a stopped app with its settings
  monit start monit.toml              start the apps of a config file
  monit start monit.toml web --profile production

\b
The extension selects the interpreter: .py runs with the Python of the active
virtualenv or with python3, .js with node, .sh with bash; .rb, .pl, .php and .ts
with theirs. Executables run by themselves.
"""


@click.command("start", cls=StartCommand, epilog=HELP, context_settings=PM2_NAMES)
@add_start_parameters
@click.pass_context
def start(ctx: click.Context, targets: tuple[str, ...], **parameters: Any) -> int:
    """Start apps and keep them running.

    TARGET is a script or any executable, and each of several TARGETs becomes an app. Text with
    spaces is a command; a shell runs it if it has shell syntax such as && or $NAME. Use -m for a
    Python module. Without TARGET and -m, the words after '--' are the command to run. With TARGET
    or -m, they are the arguments of the app. If TARGET is the name of an existing app, its stopped
    instances are started. TARGET may be all: then whatever is known and does not run is started,
    also what was stopped on purpose (after a reboot, monit resurrect starts only what was running).

    If the first TARGET is a config file, its apps are started, or those whose names follow. Without
    TARGET and command, the config file of the current folder is used.

    The command returns when all instances are online. If one fails, it prints the last log lines
    and exits with code 1.
    """
    words: tuple[str, ...] = ctx.meta.get(SEPARATED, ())
    folder, settings = monit_home(), used_settings(parameters)
    if settings.get("log.to") == "stdout":
        raise click.UsageError(
            "--log-to stdout: only monit run has a standard output to print to; "
            "write file, journald or none"
        )
    names, profile = app_names(folder), parameters["profile"]
    if _names_config(targets, names, settings, words, profile):
        return _start_file(folder, targets, settings, words, profile)
    if profile:
        raise click.UsageError("--profile is for config files: monit start monit.toml --profile P")
    apps = () if "module" in settings else tuple(t for t in targets if _is_app(t, names))
    if apps and len(apps) == len(targets):
        return _start_existing(folder, apps, settings, words)
    try:
        launches = launches_of_targets([t for t in targets if t not in apps], words, settings)
    except TargetNotFoundError as error:
        raise CommandError(ExitCode.NO_TARGET, str(error)) from error
    except BadInputError as error:
        raise CommandError(ExitCode.USAGE, str(error)) from error
    if apps and (words or settings):
        raise click.UsageError(
            f"{apps[0]} is an app and {launches[0].spec.script} a script; with options or "
            "arguments, start them one by one"
        )
    _delete_stopped_apps(folder, launches)
    code = _start_new(folder, launches)
    return max(code, _start_existing(folder, apps, settings, words)) if apps else code


def _is_app(target: str, names: Sequence[str]) -> bool:
    """Return whether the target names apps and not a script."""
    host, rest = split_host(target)
    name, slash, number = rest.partition("/")
    if set(target) & set("*?["):
        return not os.path.exists(target)
    if host not in (None, THIS_HOST) or (slash and not number.isdigit()):
        return False
    return name in names or name == "all" or target[:1] == "@" or name.isdigit()


# ---------------------------------------------------------------- the apps of a config file


def _names_config(
    targets: Sequence[str],
    names: Sequence[str],
    settings: Mapping[str, Any],
    words: Sequence[str],
    profile: str | None,
) -> bool:
    """Return whether the apps of a config file are to be started."""
    if {"module", "interpreter"} & {*settings}:
        return False
    if targets:
        return targets[0] not in names and is_config_file(targets[0])
    if words or settings:
        return False
    return bool(profile) or find_config(typed_in())[0] is not None


def _start_file(
    folder: str,
    targets: Sequence[str],
    settings: Mapping[str, Any],
    words: Sequence[str],
    profile: str | None,
) -> int:
    """Start the apps of the file that is the first target; of those the others name, if any."""
    launches = launches_of_file(targets, settings, words, profile)
    running = _running_apps(folder, [launch.spec.name for launch in launches], targets[1:])
    new = [launch for launch in launches if launch.spec.name not in running]
    _delete_stopped_apps(folder, new)
    return _start_new(folder, new) if new else ExitCode.DONE


def _running_apps(folder: str, names: Sequence[str], named: Sequence[str]) -> set[str]:
    """Return which of the apps run already, or ran once and were not ``named``, and print that they
    are left as they are."""
    known = [local_app(name) for name in names if app_exists(folder, name)]
    if not known:
        return set()
    with open_fleet(folder, [str(name) for name in known]) as (source, _):
        done = _done_apps(source, [name for name in known if name.app not in named])
        running = {name.app for name in known if name in done or _runs(source.fleet.apps[name])}
        for name in known:
            if name in done:
                output.write_message(
                    f"{name} is done and stays as it is; monit start {name} runs it again"
                )
            elif name.app in running and (not named or name.app in named):
                output.write_message(
                    f"{name} is already running and stays as it is; monit reload {name} loads new "
                    f"code, and monit apply changes what differs from the file"
                )
        shown = [name for name in known if name.app in running]
        views = [view for name in shown for view in source.fleet.apps[name].instances.values()]
        if views and len(running) == len(names):
            print_instances(source, folder, shown, {view.identity for view in views})
    return running


def _runs(app: AppView) -> bool:
    return any(view.record.status not in RESTING for view in app.instances.values())


# ---------------------------------------------------------------- a new app


def _start_new(folder: str, launches: Sequence[Launch]) -> int:
    """Start the keepers of these apps, all at once, and wait until their instances are online."""
    names = [local_app(launch.spec.name) for launch in launches]
    with closing(LiveSource(folder)) as source, closing(Launches(folder, len(names))) as started:
        works = {name: [started.work(each)] for name, each in zip(names, launches, strict=True)}
        after = {each.spec.name: read_dependencies(each.spec.after) for each in launches}
        order = StartOrder(after, source.wall())
        ends = show_progress(run_works(source, works, order), STARTING)
        if len(launches) == 1 and started.codes:
            code = started.codes[launches[0].spec.name]
            raise CommandError(code, ends[0].error or "it did not start")
        there = [name for name in names if name in source.fleet.apps]
        apps = [source.fleet.apps[name] for name in there]
        shown = {view.identity for app in apps for view in app.instances.values()}
        print_instances(source, folder, there, shown)
        code = report_results(source, ends)
        report_dependencies(source, order.failed)
        known = set(source.fleet.apps)
    for launch in launches:
        if launch.spec.name not in started.codes and (hint := skipped_code_hint(launch.spec)):
            output.write_message(hint)
    for end in ends:
        if not end.ok and end.app in known:
            output.write_message(
                f"{end.app} is still listed; see monit describe {end.app}, "
                f"or run monit delete {end.app}"
            )
    return max(code, *started.codes.values(), ExitCode.DONE)


# ---------------------------------------------------------------- the script of an existing app


def _delete_stopped_apps(folder: str, launches: Sequence[Launch]) -> None:
    """Make room for apps that are started with new options, unless one of them is running."""
    known = [launch for launch in launches if app_exists(folder, launch.spec.name)]
    if not known:
        return
    names = [local_app(launch.spec.name) for launch in known]
    with open_fleet(folder, [str(name) for name in names]) as (source, _):
        apps = [source.fleet.apps[name] for name in names]
        live = [app for app in apps if app.link == "live"]
        silent = [app.id for app in apps if app.link not in ("live", "gone")]
        if silent:
            report_silent_agents(source, silent)
            raise CommandError(ExitCode.NO_ANSWER, "nothing was started")
        for launch in known:
            app = source.fleet.apps[local_app(launch.spec.name)]
            if app in live:
                _refuse_if_running(app)
                _refuse_if_other(app, launch.spec)
        for app in apps:
            if app in live:
                _delete_stopped(source, app.id)
            else:
                output.write_message(f"{app.id}: its keeper was not running; a new one takes over")


def _refuse_if_running(app: AppView) -> None:
    running = [view for view in app.instances.values() if view.record.status not in RESTING]
    if running:
        raise CommandError(
            ExitCode.FAILED,
            f"{app.name} is already running ({len(running)} of {len(app.instances)} instances); "
            f"use monit restart {app.name}, monit reload {app.name} or monit scale {app.name} N, "
            "or choose another --name",
        )


def _refuse_if_other(app: AppView, spec: AppSpec) -> None:
    if app.record is not None and app.record.script != spec.script:
        raise CommandError(
            ExitCode.FAILED,
            f"{app.name} exists with another script ({app.record.script}) and is stopped; "
            f"choose another --name, or run monit delete {app.name} first",
        )


def _delete_stopped(source: Source, name: AppId) -> None:
    """Delete the stopped app, so that it can be started again from its script."""
    with closing(KeeperExits([source.fleet.apps[name]])) as keepers:
        for step in run_commands(source, {name: Delete()}):
            if step.error is not None:
                raise CommandError(ExitCode.FAILED, with_name(step.error, str(name)))
        if not keepers.wait():
            raise CommandError(ExitCode.FAILED, f"{name}: the keeper does not exit")


# ---------------------------------------------------------------- existing apps, by name


def _start_existing(
    folder: str, targets: tuple[str, ...], settings: Mapping[str, Any], words: tuple[str, ...]
) -> int:
    if words or settings:
        name = without_host(targets[0])
        if len(targets) != 1 or not app_exists(folder, name):
            raise click.UsageError("options need exactly one app, without an instance or a pattern")
        launch = _changed_launch(folder, name, settings, words)
        _delete_stopped_apps(folder, [launch])
        return _start_new(folder, [launch])
    with open_fleet(folder, targets) as (source, chosen):
        if not chosen.apps:
            output.write_message("There are no apps.")
        apps = source.fleet.apps
        gone = [name for name in chosen.apps if apps[name].link == "gone"]
        codes = take_over(source, folder, gone)
        known = [name for name in chosen.apps if not codes.get(name)]
        silent = report_silent_agents(source, known)
        done = _done_apps(source, known) if any(map(names_many, targets)) else set[AppId]()
        requests = {
            name: Start(instances=chosen.instance_numbers(source, name))
            for name in known
            if name not in silent | done
        }
        needed = _needed_apps(source, folder, requests)
        requests |= dict.fromkeys(needed, Start())
        after = known_order(apps[name] for name in requests)
        order = StartOrder(after, source.wall()) if after else AT_ONCE
        ends = show_progress(request_in_order(source, requests, order), STARTING)
        shown = {view.identity for name in needed for view in apps[name].instances.values()}
        print_instances(source, folder, requests, shown | chosen.instances)
        code = report_results(source, ends)
        if isinstance(order, StartOrder):
            report_dependencies(source, order.failed)
        report_environment(source, requests)
        for end in ends:
            if end.ok and not end.done:
                output.write_message(f"{end.app} is already running")
    return max(ExitCode.NO_ANSWER if silent else code, *codes.values(), ExitCode.DONE)


def _done_apps(source: Source, names: Iterable[AppId]) -> set[AppId]:
    """Return the apps that ran once and did their work: only who is named is run again."""
    return {
        name
        for name in names
        if (app := source.fleet.apps[name]).record
        and app.record.type == "once"
        and all(view.record.done for view in app.instances.values())
    }


def _needed_apps(source: Source, folder: str, names: Iterable[AppId]) -> list[AppId]:
    """Return what these apps come after and does not run, so that it is started with them."""
    chosen, found = set(names), dict[AppId, None]()
    waiting = list(chosen)
    while waiting:
        record = source.fleet.apps[waiting.pop()].record
        for dependency in read_dependencies(record.after if record else ()):
            name = local_app(dependency.app)
            if name in chosen | found.keys() or not app_exists(folder, name.app):
                continue
            wait_for_agents(source, folder, lambda each, name=name: each == str(name))
            records = [view.record for view in source.fleet.apps[name].instances.values()]
            if any(each.status in RESTING and not each.done for each in records):
                found[name] = None
                output.write_message(f"{name} is started too: others come after it")
                waiting.append(name)
    return list(found)


def _changed_launch(
    folder: str, name: str, settings: Mapping[str, Any], words: tuple[str, ...]
) -> Launch:
    """Return the existing app with the options that were used."""
    fixed = [BY_KEY[key].flags[-1] for key in FIXED if key in settings]
    if fixed or words:
        what = fixed[0] if fixed else "arguments after '--'"
        raise click.UsageError(f"{what}: to change this, start {name} from its script")
    try:
        paths = app_paths(folder, name)
        spec = read_spec(paths.state, name)
        return change_launch(
            spec, settings, os.environ, current_folder(), read_variables(paths.env, name)
        )
    except BadInputError as error:
        raise CommandError(ExitCode.USAGE, str(error)) from error
