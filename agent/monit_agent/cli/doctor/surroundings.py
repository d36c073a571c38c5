"""Checks of what is around monit: the init system, Node, the terminal."""

import os
import pwd
import shutil
import subprocess

from monit_agent.cli.doctor.findings import OK, WARN, Examined, Finding
from monit_agent.cli.render import terminal
from monit_agent.client.saved_state import read_saved_app
from monit_agent.system.procfs import read_file

NODE_S = 5.0
_LINGER = "/var/lib/systemd/linger"


def check_boot(examined: Examined) -> list[Finding]:
    """What ends keepers: a logout, or the restart of a service that they were started in."""
    if not os.path.isdir("/run/systemd/system"):
        return [Finding(OK, "systemd does not run here, so it ends no processes at a logout")]
    found: list[Finding] = []
    for app, about in examined.answers().items():
        group = os.fsdecode((read_file(f"/proc/{about.get('pid')}/cgroup") or b"").strip())
        found += _about_group(app, group.rpartition("::")[2])
    return found or [Finding(OK, "no keeper is in a session or service that may end it")]


def _about_group(app: str, group: str) -> list[Finding]:
    unit = group.rpartition("/")[2]
    user = pwd.getpwuid(os.getuid()).pw_name if os.getuid() else "root"
    if unit.startswith("session-") and _kills_at_logout() and not _lingers(user):
        text = f"{app}: its keeper is in {unit}, and KillUserProcesses=yes ends it at the logout"
        return [Finding(WARN, text, f"run loginctl enable-linger {user}")]
    if "/user@" in group and not _lingers(user):
        text = f"{app}: its keeper is in {unit} of user {user}, which ends at the last logout"
        return [Finding(WARN, text, f"run loginctl enable-linger {user}")]
    if (
        group.startswith("/system.slice/")
        and unit.endswith(".service")
        and not unit.startswith("monit")
    ):
        text = f"{app}: it was started in {unit}, and ends with it unless it has KillMode=process"
        return [Finding(WARN, text, f"start it outside, or set KillMode=process in {unit}")]
    return []


def _lingers(user: str) -> bool:
    return user == "root" or os.path.exists(os.path.join(_LINGER, user))


def _kills_at_logout() -> bool:
    text = read_file("/etc/systemd/logind.conf") or b""
    lines = [line.strip().lower() for line in text.splitlines()]
    return any(line.replace(b" ", b"") == b"killuserprocesses=yes" for line in lines)


def check_node(examined: Examined) -> list[Finding]:
    """Whether Node is there, for apps that need it."""
    records = (read_saved_app(examined.paths(app).state) for app in examined.keepers)
    needs = sorted(
        saved.app.name
        for saved in records
        if saved is not None and os.path.basename((*saved.app.argv, "")[0]) in ("node", "nodejs")
    )
    node = shutil.which("node", path=examined.environ.get("PATH"))
    if node is None and needs:
        text = f"Node is not in PATH, and {', '.join(needs)} needs it"
        return [Finding(WARN, text, "install Node, or add its folder to PATH")]
    if node is None:
        return [Finding(OK, "Node is not installed; only Node programs need it")]
    version = _node_version(node)
    if version is None:
        return [Finding(WARN, f"{node} does not run", f"see what {node} --version says")]
    return [Finding(OK, f"Node {version} in {node}")]


def _node_version(node: str) -> str | None:
    try:
        done = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=NODE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def check_terminal(examined: Examined) -> list[Finding]:
    """Whether the screen can be shown, and lines and boxes with it."""
    traits, term = terminal.stdout_terminal(), examined.environ.get("TERM", "")
    if terminal.is_dumb():
        text = f"TERM is {term or 'not set'}: the screen cannot be shown"
        return [Finding(WARN, text, "set TERM, for example TERM=xterm-256color")]
    if not traits.unicode:
        text = "the locale is not UTF-8: boxes and signs are replaced by ASCII"
        return [Finding(WARN, text, "set LANG, for example LANG=C.UTF-8")]
    return [Finding(OK, f"TERM is {term}, and the locale is UTF-8")]
