"""pm2's keys in ecosystem files, and what each of them means here.

Those with a counterpart are in the tables of keys (``Option.pm2``, ``ProgramKey.pm2``). The others
have no effect, or an answer that is printed once.
"""

import json
import re
from collections.abc import Callable
from typing import Any, cast

from monit_agent.config.files.entries import BadValueError, variable_text
from monit_agent.config.files.keys import PROGRAM_KEYS
from monit_agent.config.options import OPTIONS, Option

OWN_KEYS = {
    **{pm2: option.key for option in OPTIONS for pm2 in option.pm2},
    **{pm2: row.key for row in PROGRAM_KEYS for pm2 in row.pm2},
    "cmd": "script",
    "command": "script",
    "out": "log.out",
    "err": "log.err",
}
"""monit's key for each of pm2's."""

SERVICE = "of pm2's paid service"
BY_TIME = "monit knows when each line was printed: `monit logs --since`, `--json`"
BY_NODE = "Node maps sources by itself: `node_args: '--enable-source-maps'`"
NO_GIT = "monit runs no git commands"

MERGED = ("merge_logs", "combine_logs")

NOT_MERGED = (
    "each instance has a log file of its own, with -1, -2, … in its name from the second one on; "
    "for one file: monit start --name all-lines --log-out FILE -- monit logs NAME --lines 0"
)

NO_EFFECT = {
    **dict.fromkeys(
        ("vizion", "pmx", "automation", "deep_monitoring", "trace", "disable_trace", "io",
         "km_link", "v8", "event_loop_inspector", "username"), SERVICE,
    ),
    **dict.fromkeys(
        MERGED,
        "each instance has log files of its own (`web.log`, `web-1.log`, …); `monit logs NAME` "
        "merges them by time, and an app can [keep the merged lines](logs.md#other-places). A note "
        "where several instances have a file of the user's",
    ),
    **dict.fromkeys(("log_date_format", "time"), BY_TIME),
    "log_type": "`monit logs --json` prints one object a line",
    **dict.fromkeys(
        ("pid_file", "pid"), "there are no pid files; `monit list --json` has the pids",
    ),
    **dict.fromkeys(("source_map_support", "disable_source_map_support"), BY_NODE),
    **dict.fromkeys(("post_update", "install_url"), NO_GIT),
    "append_env_to_name": "a name stays as it is in each profile",
    "execute_command": "a script that is no file is run as a command",
    "windows_hide": "only for Windows",
    "watch_options": "`watch`, `ignore_watch` and `watch_delay` say what is watched",
    "kill_retry_time": "the keeper learns of an exit at once",
    "force": "`monit apply` changes an app that runs already",
    "write": "monit changes no config file",
    "description": "for people only",
    "version": "that of the nearest package.json is shown",
}  # fmt: skip
"""Keys that change nothing here, or of which monit does the same by itself, and why."""

LOGS = "monit logs merges both streams by time; out_file and error_file choose their files"

ANSWERS = {
    **dict.fromkeys(("log_file", "log"), LOGS),
    "disable_logs": "to keep no logs, set out_file and error_file to /dev/null",
    "shutdown_with_message": "a worker is stopped by a signal, see stop-signal",
    "name_prefix": "names have no prefix",
}  # fmt: skip
"""What is printed for keys whose meaning is lost."""

CRON_FIELDS = 5

AUTOSTART = "autostart"
NOT_STARTED = "autostart: false has no effect; name the apps to start: monit start FILE NAME …"

KNOWN = tuple(sorted({*OWN_KEYS, *NO_EFFECT, *ANSWERS, AUTOSTART}))

_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def snake_case(key: str) -> str:
    """Return a key as pm2's documentation writes it; pm2 reads camelCase too."""
    if key in KNOWN or key.startswith("env_"):
        return key
    return _CAMEL.sub(lambda found: "_" + found[1].lower(), key)


def own_value(option: Option, value: Any) -> Any:
    """Return a value of pm2 as a monit.toml has it, None where it means that nothing is set."""
    return _VALUES.get(option.kind, _text)(value)


def pm2_variable(value: Any) -> str:
    """Return the value of a variable as pm2 passes it on: objects as JSON, as Node writes it."""
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return variable_text(value)


def _written(value: Any) -> str:
    """Return a value as it stands in the file."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _duration(value: Any) -> Any:
    """Bare numbers are milliseconds in pm2."""
    if isinstance(value, bool):
        raise BadValueError(f"{_written(value)} is not a time; write milliseconds, or '10s'")
    text = str(value).strip()
    return f"{text}ms" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else text


def _size(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise BadValueError(f"{_written(value)} is not a size; write bytes, or '300M'")
    return str(int(value) if isinstance(value, float) else value)


def _number(value: Any) -> Any:
    text = str(value).strip()
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else value


def _yes_or_no(value: Any) -> Any:
    if isinstance(value, list):
        return bool(cast("list[Any]", value))
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    return {"true": True, "false": False}.get(str(value).lower(), value)


def _restart(value: Any) -> Any:
    found = _yes_or_no(value)
    return {True: "always", False: "never"}[found] if isinstance(found, bool) else found


def _kill_mode(value: Any) -> Any:
    found = _yes_or_no(value)
    return {True: "mixed", False: "process"}[found] if isinstance(found, bool) else found


def _watched(value: Any) -> Any:
    """A boolean, or paths, which count from the working directory."""
    if isinstance(value, list):
        return [str(each) for each in cast("list[Any]", value) if each]
    found = _yes_or_no(value)
    return found if isinstance(found, bool) else [str(value)]


def _cron(value: Any) -> Any:
    """A pattern may begin with seconds, of which only a number has a counterpart: the minute."""
    if value in (0, "0", False, ""):
        return None
    words = value.split() if isinstance(value, str) else []
    has_second = len(words) == CRON_FIELDS + 1 and re.fullmatch(r"[0-5]?[0-9]", words[0])
    return " ".join(words[1:]) if has_second else value


def _patterns(value: Any) -> Any:
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [
        each.removeprefix(".") if isinstance(each, str) and each.startswith("./") else each
        for each in values
    ]


def _dropped(value: Any) -> Any:
    """pm2 drops every variable whose name contains an entry of a list."""
    if isinstance(value, list):
        return [f"*{each}*" for each in cast("list[Any]", value)]
    return value


def _instances(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_VALUES: dict[str, Callable[[Any], Any]] = {
    "duration": _duration,
    "size": _size,
    "size or none": _size,
    "count": _number,
    "port": _number,
    "instances": _instances,
    "exit codes": lambda value: value,
    "yes or no": _yes_or_no,
    "restart": _restart,
    "kill mode": _kill_mode,
    "cron": _cron,
    "watch path": _watched,
    "watch pattern": _patterns,
    "variable pattern": _dropped,
}
"""How values of pm2 are read, by the kind of the option; others are text."""
