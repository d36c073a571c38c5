"""The settings of an app as labels and texts, from the table of options.

`monit describe` and the screen list the same settings in the same words.
"""

from collections.abc import Callable
from operator import attrgetter
from signal import Signals
from typing import Any

from monit_agent.client.text.format import format_setting_bytes, format_setting_s
from monit_agent.client.text.shell import shell_words
from monit_agent.config.options import BY_KEY, OPTIONS, Kind, Option
from monit_agent.wire.messages import AppRecord
from monit_agent.wire.webhook import redacted

_OWN_PORT = (
    "fork: each worker opens the port itself; a reload stops the old worker first, and requests "
    "fail until the new one is online"
)
_MODES = {
    "reuseport": "reuseport: each worker opens the port itself (SO_REUSEPORT); a reload may lose "
    "connections that wait for the old worker"
}


def mode_text(record: AppRecord) -> str:
    """Return the mode of an app, explained where a reload may lose requests in it."""
    if record.mode == "fork" and record.port is not None and not record.policy.reloads_itself:
        return _OWN_PORT
    return _MODES.get(record.mode, record.mode)


def setting_pairs(record: AppRecord) -> list[tuple[str, str]]:
    """Return label and text of each setting that has a value and matters for this app."""
    return [
        (option.label, format_setting(option, value_of(option, record)))
        for option in OPTIONS
        if option.label and _is_set(option, record) and _matters(option, record)
    ]


def value_of(option: Option, record: AppRecord) -> Any:
    """Return what the app has for an option."""
    return attrgetter(option.field)(record)


def format_setting(option: Option, value: Any) -> str:
    """Return a value in the words of its kind: ``300M``, ``10s``, ``SIGTERM``, ``never``."""
    return _FORMATS.get(option.kind, str)(value)


def _is_set(option: Option, record: AppRecord) -> bool:
    return value_of(option, record) not in (None, "", ())


def _matters(option: Option, record: AppRecord) -> bool:
    if record.type == "once" and option.key in ("restart", "max-restarts"):
        return False
    keys = option.shown_with
    return not keys or any(value_of(BY_KEY[key], record) for key in keys)


def _signal(value: int | str) -> str:
    return value if isinstance(value, str) else Signals(value).name


def _increment(value: Any) -> str:
    return f"{value.name}={value.start} in instance 0, one more in each further instance"


_FORMATS: dict[Kind, Callable[[Any], str]] = {
    "size": format_setting_bytes,
    "duration": format_setting_s,
    "size or none": lambda value: format_setting_bytes(value) if value else "none",
    "time or none": lambda value: format_setting_s(value) if value else "none",
    "signal": _signal,
    "exit codes": lambda codes: ", ".join(map(str, codes)),
    "command": shell_words,
    "reload command": shell_words,
    "text": lambda value: shell_words((value,)),
    "socket": ", ".join,
    "watch pattern": ", ".join,
    "variable pattern": ", ".join,
    "notices": ", ".join,
    "webhook": redacted,
    "alert rule": lambda rules: ", ".join(rule.replace("=", ": ", 1) for rule in rules),
    "variable name": _increment,
    "yes or no": lambda value: "yes" if value else "no",
    "dependency": ", ".join,
    "watch path": shell_words,
}
