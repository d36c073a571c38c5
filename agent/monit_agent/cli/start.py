"""``monit start``: an app that is new, or one that is there and does not run."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, Unpack

import click

from monit_agent.cli import output
from monit_agent.cli.apps import app_names, exists, home
from monit_agent.cli.checkoptions import changed_checks
from monit_agent.cli.farewell import Keepers
from monit_agent.cli.launch import launch_app
from monit_agent.cli.operate import Doing, follow, print_rows, tell_ends, tell_silent
from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.cli.params import SEPARATED, SplitCommand
from monit_agent.cli.startoptions import Said, changed, given, options_of, start_parameters
from monit_agent.cli.takeover import await_agent, take_over
from monit_agent.cli.verbs import fleet_of
from monit_agent.client.ask import attend, operate
from monit_agent.client.live import LiveSource
from monit_agent.client.view import AppView
from monit_agent.config.app import Launch, make_launch, worker_env
from monit_agent.config.checks import check_checks
from monit_agent.config.errors import BadInputError, NotThereError
from monit_agent.config.increment import check_increment, increment_of
from monit_agent.config.sharing import absolute, mode_of
from monit_agent.supervise.spec import AppSpec, BadSpecError, Increment, from_json
from monit_agent.wire.messages import Delete, Start
from monit_agent.wire.places import app_places

RESTING = ("stopped", "errored", "backoff")
STARTING = Doing("starting", "started")

HELP = """\b
Examples:
  monit start app.py
  monit start server.js -i max --name web -- --verbose
  monit start -m http.server -- 8000
  monit start --name api -i 2 --max-memory 300M -- uvicorn main:app
  monit start web                     what was stopped, as it was

\b
The interpreter is chosen by the extension: .py is run by the Python of the active
virtualenv or else python3, .js by node, .sh by bash, .rb .pl .php .ts by theirs;
executables run themselves.
"""


@click.command("start", cls=SplitCommand, epilog=HELP)
@start_parameters
@click.pass_context
def start(ctx: click.Context, **said: Unpack[Said]) -> int:
    """Start an app and keep it running.

    TARGET is a script or any executable; -m names a Python module; without both, what follows '--'
    is the command. What follows '--' after a TARGET are the app's arguments. With the name of
    a known app, what of it is stopped is started again.

    Returns when every instance is online, or with exit code 1 and its last lines when it gave up.
    """
    words: tuple[str, ...] = ctx.meta.get(SEPARATED, ())
    folder, targets = home(), said["targets"]
    if targets and not said["module"] and _are_apps(targets, app_names(folder)):
        return _start_known(folder, said, words)
    if len(targets) > 1 or (targets and said["module"]):
        raise click.UsageError(
            f"{targets[-1]!r} is one TARGET too many; arguments for the app follow '--': "
            + _with_arguments(said["module"], targets)
        )
    try:
        launch = make_launch(options_of(said, words), os.environ, _here())
    except NotThereError as error:
        raise CommandError(Exit.NO_TARGET, str(error)) from error
    except BadInputError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    if exists(folder, launch.spec.name):
        return _start_again(folder, launch)
    return _start_new(folder, launch)


def _with_arguments(module: str | None, targets: Sequence[str]) -> str:
    """Give the command as it was probably meant."""
    what, words = (f"-m {module}", targets) if module else (targets[0], targets[1:])
    return f"monit start {what} -- {' '.join(words)}"


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError as error:
        raise BadInputError("the folder you are in was removed; cd to another one") from error


def _are_apps(targets: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the targets name apps and not scripts."""

    def is_app(target: str) -> bool:
        name, slash, number = target.partition("/")
        if not slash or number.isdigit():
            return name in names or name == "all" or target[:1] == "@" or name.isdigit()
        return False

    return all(is_app(target) or set(target) & set("*?[") for target in targets)


# ---------------------------------------------------------------- an app that is new


def _start_new(folder: str, launch: Launch) -> int:
    begun = time.time()
    launch_app(folder, launch)
    name = launch.spec.name
    with closing(LiveSource(folder)) as source:
        app = await_agent(source, folder, name)
        ends = follow(attend(source, [name], begun), STARTING)
        print_rows(source, folder, [name], {view.identity for view in app.instances.values()})
        code = tell_ends(source, ends)
    if code != Exit.DONE:
        output.say(f"{name} stays listed: monit describe {name}, monit delete {name}")
    return code


# ---------------------------------------------------------------- a script that was started before


def _start_again(folder: str, launch: Launch) -> int:
    """Start the app of that name with new options, if nothing of it runs."""
    name = launch.spec.name
    with fleet_of(folder, [name]) as (source, _):
        app = source.fleet.apps[name]
        if app.link == "gone":
            output.say(f"{name}: its keeper was gone, a new one takes it over")
        elif app.link != "live":
            tell_silent(source, [name])
            return Exit.NO_ANSWER
        else:
            _refuse_if_running(app)
            _refuse_if_other(app, launch.spec)
            _forget(source, name)
    return _start_new(folder, launch)


def _refuse_if_running(app: AppView) -> None:
    running = [view for view in app.instances.values() if view.record.status not in RESTING]
    if running:
        raise CommandError(
            Exit.FAILED,
            f"{app.name} runs already ({len(running)} of {len(app.instances)} instances); "
            f"monit restart {app.name}, monit reload {app.name}, monit scale {app.name} N, "
            "or start another one with --name",
        )


def _refuse_if_other(app: AppView, spec: AppSpec) -> None:
    if app.record is not None and app.record.script != spec.script:
        raise CommandError(
            Exit.FAILED,
            f"an app called {app.name} is there, stopped, of another script "
            f"({app.record.script}); choose another --name, or monit delete {app.name} first",
        )


def _forget(source: LiveSource, name: str) -> None:
    """Delete the stopped app, so that it can begin anew."""
    with closing(Keepers([source.fleet.apps[name]])) as keepers:
        for step in operate(source, {name: Delete()}):
            if step.trouble is not None:
                raise CommandError(Exit.FAILED, step.trouble)
        if not keepers.await_end():
            raise CommandError(Exit.FAILED, f"{name}: its keeper was told to end and does not")


# ---------------------------------------------------------------- apps that are there, by name


def _start_known(folder: str, said: Said, words: tuple[str, ...]) -> int:
    targets = said["targets"]
    if words or given(said):
        if len(targets) != 1 or not exists(folder, targets[0]):
            raise click.UsageError("options are for one app; name it without instance or pattern")
        return _start_again(folder, _changed_launch(folder, targets[0], said, words))
    with fleet_of(folder, targets) as (source, chosen):
        if not chosen.apps:
            output.say("There are no apps.")
        apps = source.fleet.apps
        for name in chosen.apps:
            if apps[name].link == "gone":
                take_over(source, folder, name)
        silent = tell_silent(source, chosen.apps)
        requests = {
            name: Start(instances=chosen.numbers(source, name))
            for name in chosen.apps
            if name not in silent
        }
        ends = follow(operate(source, requests), STARTING)
        print_rows(source, folder, requests, set(chosen.instances))
        code = tell_ends(source, ends)
        for end in ends:
            if end.ok and not end.done:
                output.say(f"{end.app}: runs already")
    return Exit.NO_ANSWER if silent else code


def _changed_launch(folder: str, name: str, said: Said, words: tuple[str, ...]) -> Launch:
    """Give the app's spec with the options that were used."""
    fixed = [each for each in ("name", "cwd", "interpreter", "module") if said[each]]
    if fixed or words:
        what = f"--{fixed[0]}" if fixed else "arguments after '--'"
        raise click.UsageError(f"{what}: start {name} from its script to change that")
    spec = _read_spec(app_places(folder, name).state, name)
    options = options_of(said, ())
    named = {*spec.env_named, *options.env_file, *options.env}
    env = worker_env(os.environ, {**options.env_file, **options.env})
    instances, port = said["instances"] or spec.instances, said["port"] or spec.port
    increment = _changed_increment(spec, said, env, instances)
    listen = absolute(said["listen"], spec.cwd) or spec.listen
    changed_spec = spec._replace(
        mode=mode_of(spec.argv, instances, port, listen, counts=increment is not None),
        instances=instances,
        port=port,
        namespace=said["namespace"] or spec.namespace,
        watching=said["watch"] or spec.watching,
        wait_ready=said["wait_ready"] or spec.wait_ready,
        env_named=tuple(sorted(named)),
        created_at=time.time(),
        policy=changed(spec.policy, said),
        checks=changed_checks(spec.checks, said),
        increment=increment,
        listen=listen,
    )
    try:
        return Launch(check_checks(changed_spec), env)
    except BadInputError as error:
        raise CommandError(Exit.USAGE, str(error)) from error


def _changed_increment(
    spec: AppSpec, said: Said, env: Mapping[str, str], instances: int
) -> Increment | None:
    """Give what counts, begun anew where the variable or its beginning was said."""
    name = said["increment_var"] or (spec.increment.name if spec.increment else None)
    begun = said["increment_var"] or said["port"] or any(key == name for key, _ in said["env"])
    try:
        if name is not None and begun:
            return increment_of(name, said["port"] or spec.port, env, instances)
        return check_increment(spec.increment, instances) if spec.increment else None
    except BadInputError as error:
        raise CommandError(Exit.USAGE, str(error)) from error


def _read_spec(path: str, name: str) -> AppSpec:
    try:
        with open(path, "rb") as file:
            state: Any = json.load(file)
        return from_json(state["spec"])
    except (OSError, ValueError, KeyError, TypeError, BadSpecError) as error:
        raise CommandError(
            Exit.FAILED, f"{name}: cannot read {path} ({error}); start it from its script"
        ) from error
