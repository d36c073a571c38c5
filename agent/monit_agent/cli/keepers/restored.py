"""Apps without keepers are brought back: what was to run starts again, the rest stays stopped."""

from collections.abc import Iterable
from contextlib import closing

from monit_agent.cli.control.requests import (
    CommandWords,
    print_instances,
    report_dependencies,
    report_environment,
    report_results,
    show_progress,
)
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.keepers import report_new_keeper
from monit_agent.cli.keepers.launching import Launches
from monit_agent.client.commands.start_order import StartOrder, known_order
from monit_agent.client.commands.works import run_works
from monit_agent.client.source import Source
from monit_agent.client.view import AppView
from monit_agent.wire.ids import AppId, local_app
from monit_agent.wire.order import After

STARTING = CommandWords("starting", "started")


def restore_apps(source: Source, folder: str, gone: Iterable[AppId]) -> dict[AppId, ExitCode]:
    """Start the keepers of these apps, each after what it comes after, and wait until what they
    start is online. Print the rows of these apps, report what fails, and return the exit code of
    each."""
    names = sorted(gone)
    if not names:
        return {}
    order = StartOrder(_saved_order(source, names), source.wall())
    with closing(Launches(folder, len(names))) as keepers:
        works = {name: [keepers.bring_back(name)] for name in names}
        ends = show_progress(run_works(source, works, order), STARTING)
    live = [name for name in names if source.fleet.apps[name].link == "live"]
    for name in live:
        report_new_keeper(name)
    who = {view.identity for name in live for view in source.fleet.apps[name].instances.values()}
    print_instances(source, folder, live, who)
    codes: dict[AppId, ExitCode] = {}
    for end in ends:
        code = report_results(source, [end])
        silent = end.app.app in keepers.begun and end.app not in live
        codes[end.app] = keepers.codes.get(end.app.app, ExitCode.NO_ANSWER if silent else code)
    report_dependencies(source, order.failed)
    report_environment(source, live)
    return codes


def _saved_order(source: Source, names: Iterable[AppId]) -> After:
    """Return what the apps come after. One whose workers still run waits for nothing, and nobody
    waits for an app that was not to run: all is to be as it was."""
    apps = source.fleet.apps
    starting = [apps[name] for name in names if not _has_worker(apps[name])]
    return {
        name: [each for each in dependencies if _was_to_run(apps.get(local_app(each.app)))]
        for name, dependencies in known_order(starting).items()
    }


def _has_worker(app: AppView) -> bool:
    return any(view.record.pid is not None for view in app.instances.values())


def _was_to_run(app: AppView | None) -> bool:
    views = app.instances.values() if app else ()
    return any(view.record.desired == "running" or view.record.done for view in views)
