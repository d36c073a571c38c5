"""systemctl and loginctl: what monit lets them do, and what it learns from them."""

import os
import shutil
import subprocess

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.units.service import Service

TIMEOUT_S = 120
"""``enable --now`` waits until all apps were started."""


def systemd_runs() -> bool:
    """Return whether this machine was started by systemd (sd_booted)."""
    return os.path.isdir("/run/systemd/system") and shutil.which("systemctl") is not None


def systemctl(*words: str, own_manager: bool) -> None:
    """Run systemctl; raise `CommandError` with what it printed when it fails."""
    done = _run(words, own_manager=own_manager)
    if done.returncode:
        shown = " ".join(["systemctl", *(["--user"] if own_manager else []), *words])
        why = done.stderr.strip() or f"exit code {done.returncode}"
        raise CommandError(ExitCode.FAILED, f"{shown}: {why}{_no_bus(why)}")


def state_of(unit: str, question: str, *, own_manager: bool) -> str:
    """Return the answer of ``systemctl is-active`` or ``is-enabled``."""
    done = _run((question, unit), own_manager=own_manager)
    return done.stdout.strip() or done.stderr.strip() or "unknown"


def lingers(service: Service) -> bool:
    """Return whether the user's own manager runs from boot on, and after the last logout."""
    return os.path.exists(f"/var/lib/systemd/linger/{service.user}")


def _run(words: tuple[str, ...], *, own_manager: bool) -> "subprocess.CompletedProcess[str]":
    env = dict(os.environ)
    runtime = f"/run/user/{os.getuid()}"
    if own_manager and not env.get("XDG_RUNTIME_DIR") and os.path.isdir(runtime):
        env["XDG_RUNTIME_DIR"] = runtime  # missing after su and sudo, and in cron
    command = ["systemctl", *(["--user"] if own_manager else []), "--no-ask-password", *words]
    try:
        return subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(ExitCode.FAILED, f"{' '.join(command)}: {error}") from error


def _no_bus(why: str) -> str:
    if "bus" not in why:
        return ""
    return "; log in as this user (ssh or a terminal): su and sudo do not reach its manager"
