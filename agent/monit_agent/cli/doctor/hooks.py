"""Checks of the hooks of alerts: commands that cannot be run, hooks that deliver nothing."""

import os
import shutil
from typing import Any

from monit_agent.cli.control.fleet import wait_for_agents
from monit_agent.cli.doctor.findings import FAIL, OK, Examined, Finding
from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.saved_state import read_saved_app
from monit_agent.system.executable import explain_not_run
from monit_agent.system.procfs import environment_of
from monit_agent.wire.messages import AppRecord, HookRecord

_COMMAND = "command"


def check_hooks(examined: Examined) -> list[Finding]:
    """Hooks of apps: what is named must run, and must have taken the last notice."""
    saved = {app: read_saved_app(examined.paths(app).state) for app in examined.answers()}
    apps = {
        app: state.app
        for app, state in saved.items()
        if state is not None and (state.app.alerts.command or state.app.alerts.webhook)
    }
    if not apps:
        return []
    found: list[Finding] = []
    hooks = _hooks(examined.home, apps)
    for app, record in apps.items():
        wrong = _why_not_run(record, examined.answers()[app])
        if wrong:
            todo = f"correct alerts.command, then run monit alerts test {app}"
            found.append(Finding(FAIL, f"{app}: alert command {wrong}", todo))
        ca = record.alerts.webhook_ca
        if ca not in ("", "none") and record.alerts.webhook and not os.access(ca, os.R_OK):
            todo = f"correct alerts.webhook-ca, then run monit alerts test {app}"
            found.append(Finding(FAIL, f"{app}: alerts.webhook-ca {ca} cannot be read", todo))
        found += [
            Finding(FAIL, f"{app}: {hook.problem}", f"correct it, then run monit alerts test {app}")
            for hook in hooks.get(app, ())
            if hook.problem and not (wrong and hook.hook == _COMMAND)
        ]
    return found or [_fine(apps, hooks)]


def _fine(apps: dict[str, AppRecord], hooks: dict[str, tuple[HookRecord, ...]]) -> Finding:
    sent = sum(hook.sent for each in hooks.values() for hook in each)
    failed = sum(hook.failed for each in hooks.values() for hook in each)
    names = ", ".join(apps)
    if not sent:
        return Finding(OK, f"no notice was sent yet ({names}); monit alerts test APP sends one")
    took = f"{sent} notice{'' if sent == 1 else 's'}"
    before = f"; {failed} failed earlier" if failed else ""
    return Finding(OK, f"the hooks of {names} took {took}{before}")


def _hooks(home: str, apps: dict[str, Any]) -> dict[str, tuple[HookRecord, ...]]:
    """Return what the agents of these apps say of their hooks; of a silent one nothing, which
    another check tells."""
    source = LiveSource(home)
    try:
        wait_for_agents(source, home, lambda name: name in apps)
        return {app.name: app.hooks for app in source.fleet.apps.values() if app.name in apps}
    finally:
        source.close()


def _why_not_run(app: AppRecord, keeper: dict[str, Any]) -> str:
    """Return why the command of the app's alerts cannot be run; "" where it can, or is not set."""
    if not app.alerts.command:
        return ""
    name = app.alerts.command[0]
    pid = keeper.get("pid")
    environment = (environment_of(pid) if isinstance(pid, int) else None) or {}
    search = os.fsdecode(environment.get(b"PATH", os.fsencode(os.defpath)))
    if not os.path.isdir(app.cwd):
        return f"{name} runs in {app.cwd}, which is not a folder"
    path = os.path.join(app.cwd, name) if "/" in name else shutil.which(name, path=search)
    if path is None:
        return f"{name} is not in the PATH of the shell that started the app"
    if not os.path.exists(path):
        return f"{path} does not exist"
    if os.path.isdir(path) or not os.access(path, os.X_OK):
        return f"{path} is not executable; run chmod +x {path}"
    why = explain_not_run(path, search)
    return f"{path} cannot be run: {why}" if why else ""
