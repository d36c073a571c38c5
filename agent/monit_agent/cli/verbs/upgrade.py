"""``monit upgrade``: replace keepers and agents by the installed version."""

import click

from monit_agent.cli.control.boot_upgrade import upgrade_boot
from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.upgrades import FAILED, UpgradeOptions, UpgradeResult, upgrade_apps
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.apps import app_names, complete_target, monit_home
from monit_agent.cli.render import output

HELP = """\b
Examples:
  monit upgrade                 after a new version of monit was installed
  monit upgrade web --dry-run   try whether it would succeed
"""


@click.command("upgrade", epilog=HELP)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target)
@click.option("--dry-run", is_flag=True, help="Try whether it would succeed; replace nothing.")
@click.option("--force", is_flag=True, help="Also replace what is of the installed version.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per app.")
def upgrade(targets: tuple[str, ...], dry_run: bool, force: bool, as_json: bool) -> int:
    """Let the installed version of monit take over the running apps, or those that are named.

    The apps keep running: their workers stay the same processes, no request fails and no line of
    output is lost. One app is upgraded after the other. Where the installed version cannot take
    over, the old one keeps running, and the reason is printed. Without a target, the monit boot
    of the home is replaced too.
    """
    folder = monit_home()
    names = _chosen_apps(folder, targets)
    if not names:
        output.write_message("There are no apps to upgrade.")
    results: list[UpgradeResult] = []
    for each in upgrade_apps(folder, names, UpgradeOptions(force, dry_run)):
        results.append(each)
        if not as_json:
            _write(each)
    boot = None if targets else upgrade_boot(folder, force=force, rehearse=dry_run)
    if as_json:
        output.write_json([_fields(each) for each in results])
    if boot is not None and boot.failed:
        output.write_error(f"monit boot: {boot.text}")
    elif boot is not None:
        output.write_message(f"monit boot: {boot.text}")
    failed = any(each.result == FAILED for each in results) or (boot is not None and boot.failed)
    return ExitCode.FAILED if failed else ExitCode.DONE


def _chosen_apps(folder: str, targets: tuple[str, ...]) -> list[str]:
    if not targets:
        return app_names(folder)
    with open_fleet(folder, targets) as (source, chosen):
        for name in chosen.apps:
            if chosen.instance_numbers(source, name) is not None:
                raise click.UsageError(
                    f"upgrade replaces the keeper of a whole app: monit upgrade {name}"
                )
        return [name.app for name in chosen.apps]


def _write(result: UpgradeResult) -> None:
    if result.result == FAILED:
        output.write_error(f"{result.app}: {result.text}")
    else:
        output.write_lines([f"{result.app}: {result.text}"])


def _fields(result: UpgradeResult) -> dict[str, object]:
    return {
        "app": result.app,
        "result": result.result,
        "from": result.before,
        "version": result.now,
        "keeper_pid": result.keeper_pid,
        "agent_pid": result.agent_pid,
        "text": result.text,
    }
