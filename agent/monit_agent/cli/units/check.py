"""Whether everything is in place for the next boot, with what to do where it is not."""

import os
from collections.abc import Iterator

from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.boot_link import boot_pid
from monit_agent.cli.render import output
from monit_agent.cli.units.manager import lingers, state_of, systemd_runs
from monit_agent.cli.units.service import Service
from monit_agent.cli.units.systemd import unit_name, unit_path, unit_text
from monit_agent.system.sockets import listening_pid
from monit_agent.wire.paths import AppPaths, app_paths, apps_folder


def check_unit(service: Service, *, own_manager: bool) -> int:
    """Print what is missing for the next boot, or that nothing is; return the exit code."""
    unit = unit_name(service, own_manager=own_manager)
    problems = list(_problems(service, own_manager=own_manager))
    for text in problems:
        output.write_error(text)
    outside = [name for name, where in _keeper_cgroups(service) if unit not in where]
    if outside and not problems:
        output.write_message(
            f"outside the unit, because they were started before: {', '.join(outside)}. They keep "
            "running and come back at boot, but a session that ends may end them "
            "(KillUserProcesses=), and systemctl stop reaches them only through monit boot"
        )
    if problems:
        return ExitCode.FAILED
    output.write_message(f"{unit}: the apps of {service.user} start at boot")
    return ExitCode.DONE


def _problems(service: Service, *, own_manager: bool) -> Iterator[str]:
    path = unit_path(service, own_manager=own_manager)
    again = f"monit startup{' --user' if own_manager else ''}"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            written = file.read().splitlines()
    except OSError as error:
        yield f"there is no unit {path} ({error.strerror}); run {again}"
        return
    wanted = unit_text(service, own_manager=own_manager).splitlines()
    changed = [line for line in wanted if line not in written]
    if changed:
        yield f"{path} differs from what monit would write: {changed[0]!r} is missing; run {again}"
    if not os.access(service.command[0], os.X_OK):
        yield f"{service.command[0]} cannot be run"
    if not systemd_runs():
        yield "systemd does not run here"
        return
    unit = unit_name(service, own_manager=own_manager)
    for question, good in (("is-enabled", "enabled"), ("is-active", "active")):
        answer = state_of(unit, question, own_manager=own_manager)
        if answer != good:
            yield f"systemctl {question} {unit}: {answer}; run {again}"
    if boot_pid(service.home, service.uid) is None:
        yield f"monit boot does not answer in {service.home}; see journalctl -u {unit}"
    if own_manager and not lingers(service):
        yield (
            f"{service.user} does not linger: without it your apps start at your first login and "
            f"end with your last logout. Run: sudo loginctl enable-linger {service.user}"
        )


def _keeper_cgroups(service: Service) -> Iterator[tuple[str, str]]:
    """Yield each app with the control groups of its keeper."""
    try:
        names = sorted(os.listdir(apps_folder(service.home)))
    except OSError:
        return
    for name in names:
        where = _cgroups(app_paths(service.home, name), service.uid)
        if where is not None:
            yield name, where


def _cgroups(paths: AppPaths, uid: int) -> str | None:
    pid = listening_pid(paths.keeper, uid)
    try:
        if pid:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
                return file.read()
    except OSError:
        pass  # it exited
    return None
