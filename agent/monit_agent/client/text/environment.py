"""Where the variables of an app come from, by name, and its schedule, as labels and texts."""

from datetime import UTC, datetime

from monit_agent.system.timezone import BadZoneError, zone_of
from monit_agent.wire.messages import AppRecord, EnvFile, EnvironmentRecord

NAMES_SHOWN = 12
"""Of the inherited variables, of which there may be a hundred; ``--json`` has them all."""


def environment_pairs(environment: EnvironmentRecord | None) -> list[tuple[str, str]]:
    """Return label and text of each source of variables that has any; never a value."""
    if environment is None:
        return []
    pairs = [("env (--env)", ", ".join(environment.named))] if environment.named else []
    pairs += [("env (file)", _file_text(file)) for file in environment.files]
    if environment.inherited:
        shown = environment.inherited[:NAMES_SHOWN]
        more = len(environment.inherited) - len(shown)
        pairs.append(("env (shell)", ", ".join(shown) + (f" and {more} more" if more else "")))
    return pairs


OF_MONIT = ("MONIT_APP", "MONIT_HOME", "MONIT_INSTANCE", "MONIT_PID", "NODE_APP_INSTANCE")
"""Variables that every worker gets of monit, whatever else sets them."""


def variable_sources(record: AppRecord) -> list[tuple[str, str]]:
    """Return the name of each variable of the workers and which source its value is from."""
    environment = record.environment or EnvironmentRecord()
    found = dict.fromkeys(environment.inherited, "inherited from the shell")
    if record.worker_user:
        names = ("HOME", "USER", "LOGNAME", "SHELL")
        found |= dict.fromkeys(names, f"user {record.worker_user}")
    for file in environment.files:
        found |= dict.fromkeys(file.names, file.path)
    named = f"env in {record.origin_file}" if record.origin_file else "--env"
    found |= dict.fromkeys(environment.named, named)
    found |= dict.fromkeys(OF_MONIT, "monit")
    own = {
        "TZ": "timezone" if record.timezone else "",
        "PORT": "port" if record.port is not None else "",
        record.increment.name if record.increment else "": "increment-var",
        record.instance_var: "instance-var",
    }
    found |= {name: source for name, source in own.items() if name and source}
    return sorted(found.items())


_OF_SESSION = {
    "COLORTERM", "COLUMNS", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "EDITOR", "HISTFILE", "HOME",
    "HOSTNAME", "INVOCATION_ID", "JOURNAL_STREAM", "LANG", "LANGUAGE", "LESS", "LESSCLOSE",
    "LESSOPEN", "LINES", "LOGNAME", "LS_COLORS", "MAIL", "OLDPWD", "PAGER", "PATH", "PS1", "PWD",
    "SHELL", "SHLVL", "TERM", "TMUX", "TMUX_PANE", "USER", "VIRTUAL_ENV_PROMPT", "VISUAL", "_",
}  # fmt: skip
"""Variables of a login or a terminal, which every login sets again or which no program needs."""
_OF_SESSION_PREFIXES = ("LC_", "SSH_", "SUDO_", "XDG_", "GPG_", "TERM_", "VTE_")


def lost_at_reboot(record: AppRecord | None) -> list[str]:
    """Return the inherited variables that a reboot loses and that an app may need."""
    environment = record.environment if record else None
    if environment is None:
        return []
    other = {*environment.named, *(name for file in environment.files for name in file.names)}
    return [
        name
        for name in environment.inherited
        if name not in _OF_SESSION | other and not name.startswith(_OF_SESSION_PREFIXES)
    ]


def _file_text(file: EnvFile) -> str:
    text = f"{file.path}: {', '.join(file.names) or 'no variables'}"
    return f"{text} (read earlier; now: {file.problem})" if file.problem else text


def schedule_pairs(record: AppRecord) -> list[tuple[str, str]]:
    """Return when the schedule restarts the app next, on the clock of its zone."""
    if record.policy.cron is None or record.cron_zone is None:
        return []
    if record.cron_next_at is None:
        return [("next restart", f"never, by {record.cron_zone}")]
    timezone = record.environment.timezone if record.environment else None
    try:
        zone = zone_of(timezone)
    except BadZoneError:
        zone = UTC
    at = datetime.fromtimestamp(record.cron_next_at, zone)
    return [("next restart", f"{at:%Y-%m-%d %H:%M:%S %z}, {record.cron_zone}")]


def environment_warnings(record: AppRecord | None) -> list[str]:
    """Return a text for each env file that could not be read."""
    environment = record.environment if record else None
    return [
        f"{file.path}: {file.problem}; the workers have the values that were read before"
        for file in (environment.files if environment else ())
        if file.problem
    ]
