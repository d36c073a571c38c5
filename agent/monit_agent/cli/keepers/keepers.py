"""Starting keepers, and waiting for their agents."""

import contextlib
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor

from monit_agent.cli.control.fleet import wait_for_agents
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.folders import check_length, make_folders, remove_folders
from monit_agent.cli.keepers.keeper_process import KeeperProcess, SeveralKeepers
from monit_agent.cli.render import output
from monit_agent.client.commands.blocking import poll_until
from monit_agent.client.source import Source
from monit_agent.client.view import AppView
from monit_agent.config.app import Launch
from monit_agent.supervise.spec import spec_to_json
from monit_agent.system import jsonline
from monit_agent.wire.ids import AppId
from monit_agent.wire.paths import (
    AppPaths,
    app_paths,
)

KEEPERS_AT_ONCE = 8
"""Keepers that are started at the same time: each needs a tenth of a second of CPU."""

FORKED_FROM = 2
"""Keepers from which on they are forked: the process that forks takes as long as one keeper."""

_LINE_MAX_BYTES = 64 * 1024


@contextlib.contextmanager
def starting(home: str, keepers: int) -> Generator[SeveralKeepers | None]:
    """Yield what so many keepers share that are started now; None for a single one."""
    if keepers < FORKED_FROM:
        yield None
        return
    with contextlib.closing(SeveralKeepers(home)) as several:
        yield several


def launch_app(home: str, launch: Launch, several: SeveralKeepers | None = None) -> None:
    """Create the app's folders and start its keeper; on a failure remove both again.

    Raise `CommandError` when the home cannot be used or the keeper refuses.
    """
    paths = app_paths(home, launch.spec.name)
    check_length(paths)
    made = make_folders(home, paths)
    message = jsonline.dump(
        {"spec": spec_to_json(launch.spec), "env": launch.env, "named": launch.named}
    )
    with contextlib.ExitStack() as undo:
        undo.callback(remove_folders, made, paths)
        _run_keeper(paths, message, several)
        undo.pop_all()


def bring_back_app(home: str, name: str, several: SeveralKeepers | None = None) -> None:
    """Start a keeper for an app that has none: it adopts the workers that still run, and starts
    what was to run. Raise `CommandError` when it does not report that it runs."""
    _run_keeper(app_paths(home, name), b"", several)


def _run_keeper(paths: AppPaths, message: bytes, several: SeveralKeepers | None) -> None:
    """Start a keeper: with ``message`` for a new app, with none to take over an existing one.

    Raise `CommandError` when it does not report that it runs.
    """
    with (
        contextlib.closing(KeeperProcess(paths, several)) as keeper,
        contextlib.ExitStack() as undo,
    ):
        undo.callback(keeper.kill)
        answer = keeper.request(message)
        if answer is None:
            why = _new_log_text(paths, keeper.log_size) or keeper.silence()
            raise CommandError(ExitCode.FAILED, f"{paths.name}: its keeper did not start: {why}")
        if answer.get("ok") is not True:
            raise CommandError(
                ExitCode.FAILED, str(answer.get("message", "the keeper refused to start"))
            )
        undo.pop_all()


def _new_log_text(paths: AppPaths, start: int) -> str:
    try:
        with open(paths.keeper_log, "rb") as file:
            file.seek(start)
            text = file.read(_LINE_MAX_BYTES).decode(errors="replace")
    except OSError:
        return ""
    return " / ".join(text.strip().splitlines()[-3:])


# ---------------------------------------------------------------- agents of new keepers

AGENT_TIMEOUT_S = 60.0
"""A new agent answers within half a second; on a busy machine, with 1,000 new instances beside it,
it takes more than 15."""


def await_agent(source: Source, folder: str, name: AppId) -> AppView:
    """Wait until the app's agent answers, and return the app.

    Raise `CommandError` with `ExitCode.NO_ANSWER` when it does not.
    """

    def answers() -> bool:
        app = source.fleet.apps.get(name)
        return app is not None and app.epoch is not None and app.link == "live"

    if not poll_until(source, lambda: answers() or None, AGENT_TIMEOUT_S):
        wait_for_agents(source, folder, lambda each: each == str(name), 0.0)
        log = app_paths(folder, name.app).agent_log
        raise CommandError(
            ExitCode.NO_ANSWER,
            f"{name}: its keeper is running, but its agent does not answer; see {log}",
        )
    return source.fleet.apps[name]


def take_over(source: Source, folder: str, names: Iterable[AppId]) -> dict[AppId, ExitCode]:
    """Start a keeper for each of these apps, which have none. It adopts the workers that still run,
    and starts what was to run. Report what fails, and return the exit code of each app."""
    names = sorted(names)
    codes = dict.fromkeys(names, ExitCode.DONE)
    with starting(folder, len(names)) as several, ThreadPoolExecutor(KEEPERS_AT_ONCE) as pool:
        starts = {name: pool.submit(bring_back_app, folder, name.app, several) for name in names}
    for name in names:
        try:
            starts[name].result()
            await_agent(source, folder, name)
        except CommandError as error:
            output.write_error(str(error) if name.app in str(error) else f"{name}: {error}")
            codes[name] = error.code
        else:
            report_new_keeper(name)
    return codes


def report_new_keeper(name: AppId) -> None:
    """Print that an app without a keeper has one again."""
    output.write_message(f"{name}: its keeper was not running; a new one took over")
