"""``monit save``: check that everything is on disk, and print what a reboot brings back."""

from collections.abc import Iterable, Mapping

import click

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import monit_home
from monit_agent.cli.keepers.boot_link import boot_pid
from monit_agent.cli.keepers.saved_apps import read_slots
from monit_agent.cli.render import output
from monit_agent.cli.render.reports import report_problems
from monit_agent.cli.render.table import TableCell, TableColumn, plain_table
from monit_agent.client.commands.blocking import poll_until
from monit_agent.client.source import Source
from monit_agent.client.text.environment import lost_at_reboot
from monit_agent.client.view import AppView
from monit_agent.wire.ids import AppId
from monit_agent.wire.paths import app_paths

SAVED_WITHIN_S = 5.0
"""A keeper saves within a tenth of a second; a slow disk needs more."""
NAMES_SHOWN = 8


@click.command("save")
def save() -> int:
    """Check that the state of every app is on disk, and print what a reboot brings back.

    monit saves every change by itself: what was started comes back, what was stopped stays
    stopped, with today's settings and number of instances. So there is no list to freeze, and
    monit save changes nothing.
    """
    folder = monit_home()
    with open_fleet(folder, ("all",)) as (source, chosen):
        if not chosen.apps:
            output.write_message("There are no apps.")
            return ExitCode.DONE
        kept: dict[AppId, str] = {}
        code = ExitCode.DONE
        for name in chosen.apps:
            try:
                kept[name] = _what_comes_back(source, folder, name)
            except CommandError as error:
                output.write_error(str(error))
                code = error.code
        _print(kept)
        report_problems(source.fleet.apps[name] for name in kept)
        _report_environment(source.fleet.apps[name] for name in kept)
    if code == ExitCode.DONE:
        output.write_message("Everything is saved; monit saves each change by itself.")
    if boot_pid(folder) is None:
        output.write_message(
            "After a reboot monit resurrect brings this back; after monit startup every boot does."
        )
    else:
        output.write_message("The next boot brings this back.")
    return code


def _what_comes_back(source: Source, folder: str, name: AppId) -> str:
    """Return what a reboot starts of the app, once that is on disk. Raise `CommandError`."""
    path = app_paths(folder, name.app).state
    app = source.fleet.apps[name]

    def saved() -> bool:
        on_disk = {slot.instance: slot.desired for slot in read_slots(path, name.app)}
        live = {number: view.record.desired for number, view in app.instances.items()}
        return app.link != "live" or on_disk == live

    if not poll_until(source, saved, SAVED_WITHIN_S):
        problems = app.record.problems if app.record else ()
        why = "; ".join(problems) or f"{path} is older than what the app's keeper reports"
        raise CommandError(ExitCode.FAILED, f"{name} is not saved: {why}")
    slots = read_slots(path, name.app)
    back = [slot for slot in slots if slot.desired == "running" and not slot.finished]
    if back:
        return f"{len(back)} of {len(slots)} instances" if len(slots) > 1 else "started"
    return "has finished" if any(slot.finished for slot in slots) else "stays stopped"


def _print(kept: Mapping[AppId, str]) -> None:
    columns = [TableColumn("name"), TableColumn("after a reboot")]
    rows = [[TableCell(str(name)), TableCell(text)] for name, text in kept.items()]
    output.write_lines(plain_table(columns, rows))


def _report_environment(apps: Iterable[AppView]) -> None:
    """Report which inherited variables no reboot brings back: they are kept in memory only."""
    of_app = {app.name: names for app in apps if (names := lost_at_reboot(app.record))}
    if not of_app:
        return
    names = sorted({name for each in of_app.values() for name in each})
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    output.write_message(
        f"Inherited from a shell, and not kept over a reboot: {', '.join(names[:NAMES_SHOWN])}"
        f"{more} ({', '.join(of_app)}). What an app needs, name with --env or --env-file."
    )
