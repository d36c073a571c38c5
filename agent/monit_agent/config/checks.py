"""Settings that contradict each other."""

import re
import shlex
import signal
from collections.abc import Collection, Mapping

from monit_agent.config.errors import BadInputError
from monit_agent.config.options import BY_KEY, HEALTH_CHECKS, OPTIONS
from monit_agent.supervise.spec import AppSpec, Checks, RestartPolicy
from monit_agent.system.timezone import BadZoneError, zone_of
from monit_agent.system.users import BadUserError, is_only_roots, run_as
from monit_agent.wire.checkurl import wants_port

_MAINPID = re.compile(r"\$MAINPID(?!\w)|\$\{MAINPID\}")


def refuse_contradictions(spec: AppSpec, env: Mapping[str, str]) -> AppSpec:
    """Return ``spec``, or raise `BadInputError` for what cannot be done as configured.

    ``env`` is the environment of the workers.
    """
    checks = spec.checks
    for what, url, command in (
        ("ready", checks.ready_url, checks.ready_command),
        ("health", checks.health_url, checks.health_command),
    ):
        if url and command:
            raise BadInputError(f"use either --{what}-url or --{what}-command, not both")
        if url and wants_port(url) and spec.port is None:
            raise BadInputError(
                f"--{what}-url {url}: the app has no port to fill in; set one with --port"
            )
    if spec.wait_ready and (checks.ready_url or checks.ready_command):
        raise BadInputError(
            "use either --wait-ready (the app reports that it is ready) or a check with "
            "--ready-url or --ready-command, not both"
        )
    _refuse_user(spec)
    _refuse_log_files(spec)
    _refuse_reload(spec.policy)
    if spec.policy.backoff_first_s > spec.policy.backoff_cap_s:
        raise BadInputError(
            f"--backoff {spec.policy.backoff_first_s:g}s is longer than --backoff-max "
            f"{spec.policy.backoff_cap_s:g}s"
        )
    if spec.instance_var and spec.increment and spec.instance_var == spec.increment.name:
        raise BadInputError(
            f"--instance-var {spec.instance_var}: --increment-var uses the same variable"
        )
    if spec.watch_ignore and not spec.watch_paths:
        raise BadInputError("--ignore-watch: there is nothing to ignore without --watch")
    if spec.policy.cron is not None:
        _refuse_unknown_zone(env.get("TZ"))
    unused = _settings_without_a_check(checks)
    if unused:
        flags = " and ".join(BY_KEY[key].flags[0] for key in unused)
        raise BadInputError(f"{flags}: add a check with --health-url or --health-command")
    return spec


def _refuse_user(spec: AppSpec) -> None:
    """Refuse a user who cannot be had, and log files that this user could replace: root writes
    them."""
    try:
        user = run_as(spec.worker_user, spec.worker_group)
    except BadUserError as error:
        raise BadInputError(f"{'--user' if spec.worker_user else '--group'}: {error}") from error
    for flag, path in (("--log-out", spec.log.out), ("--log-err", spec.log.err)):
        if user is not None and path not in ("", "none") and not is_only_roots(path):
            raise BadInputError(
                f"{flag} {path}: others than root can change a folder of this path, and root would "
                "write where they want; choose a folder such as /var/log/APP, made by root"
            )


def _refuse_log_files(spec: AppSpec) -> None:
    if spec.log.to != "file" and (spec.log.out or spec.log.err):
        flag = "--log-out" if spec.log.out else "--log-err"
        raise BadInputError(f"{flag} names a file, and with --log-to {spec.log.to} there is none")


def _refuse_reload(policy: RestartPolicy) -> None:
    """Refuse two ways to reload, a variable that nobody replaces, and a signal that stops the
    worker."""
    number, words = policy.reload_signal, policy.reload_command
    if not any(map(_lets_shell_run, words)) and any(map(_MAINPID.search, words)):
        again = shlex.join(["sh", "-c", " ".join(map(_quoted_for_shell, words))])
        raise BadInputError(
            "--reload-command: no shell runs it, so $MAINPID would stay as it is; write "
            f"{again}, or use --reload-signal"
        )
    if number is None:
        return
    if words:
        raise BadInputError("use either --reload-command or --reload-signal, not both")
    if number in (signal.SIGKILL, signal.SIGSTOP, policy.stop_signal):
        raise BadInputError(
            f"--reload-signal {signal.Signals(number).name} stops the worker; name the signal at "
            "which the program reloads itself, often HUP"
        )


def _lets_shell_run(word: str) -> bool:
    """Return whether a word is an option of a shell before a script, such as ``-c`` or ``-ec``."""
    return word.startswith("-") and not word.startswith("--") and word.endswith("c")


def _quoted_for_shell(word: str) -> str:
    """Return a word that a shell reads as it is, but for $MAINPID."""
    parts = _MAINPID.split(word)
    found = iter(_MAINPID.findall(word))
    quoted = (shlex.quote(part) if part else "" for part in parts)
    return "".join(part + next(found, "") for part in quoted) or "''"


def _refuse_unknown_zone(value: str | None) -> None:
    try:
        zone_of(value)
    except BadZoneError as error:
        raise BadInputError(
            f"--cron: {error}; set TZ to one such as Europe/Berlin (--env TZ=Europe/Berlin)"
        ) from error


def _settings_without_a_check(checks: Checks) -> Collection[str]:
    """Return the keys of changed settings that need a health check, when there is none."""
    if checks.health_url or checks.health_command:
        return ()
    default = Checks()
    return [
        option.key
        for option in OPTIONS
        if option.shown_with == HEALTH_CHECKS
        and (name := option.field.partition(".")[2])
        and getattr(checks, name) != getattr(default, name)
    ]
