"""Parsing of single values that a user wrote. Nothing is opened here.

`parse_option` parses the value of any row of the table in ``options.py`` by its kind.
"""

import os
import re
import shlex
import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any

from monit_agent.config.errors import BadInputError
from monit_agent.config.options import Kind, Option
from monit_agent.supervise.spec import KILL_MODES, LOG_PLACES, MODES, RESTARTS, TYPES
from monit_agent.system.timezone import BadZoneError, zone_of
from monit_agent.wire.checkurl import BadUrlError, filled, read_url
from monit_agent.wire.order import STATES, USUAL, Dependency, dependency_text
from monit_agent.wire.paths import BadNameError, check_name
from monit_agent.wire.quantities import bytes_of, moment_of, seconds_of
from monit_agent.wire.webhook import BadWebhookError, check_webhook

INSTANCES_MAX = 1000
"""Most instances of one app: a typing error must not fill the machine with processes."""

NOTICE_KINDS = ("alert", "exited", "errored", "ready", "reload_failed", "unhealthy")
"""What notices may be about: alerts, and events of these kinds."""

DURATION_MAX_S = 366 * 86400.0

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_size(text: str) -> int:
    """Return the bytes of ``200M``, ``1.5G``, ``512k`` or a plain number (k is 1024)."""
    size = bytes_of(text)
    if size is None:
        raise BadInputError(f"{text!r} is not a size; write for example 512k, 200M or 1G")
    return size


def parse_duration(text: str) -> float:
    """Return the seconds of ``500ms``, ``10s``, ``2m``, ``1h30m`` or ``1d``.

    A bare number is refused: pm2 takes it for milliseconds, most others for seconds.
    """
    plain = text.strip().lower()
    if plain == "0":
        return 0.0
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", plain):
        raise BadInputError(f"{text!r} has no unit; write {plain}s, or {plain}ms as in pm2")
    seconds = seconds_of(plain)
    if seconds is None:
        raise BadInputError(f"{text!r} is not a duration; write for example 500ms, 10s, 2m or 1h")
    if seconds > DURATION_MAX_S:
        raise BadInputError(f"{text!r} is longer than a year")
    return seconds


def parse_instances(text: str, cores: int) -> int:
    """Return the number of instances for ``4``, ``max`` or 0 (one per core), ``-1`` (one less)."""
    plain = text.strip().lower()
    if plain == "max":
        return cores
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", plain):
        raise BadInputError(
            f"{text!r} is not a number of instances; write a number, max (one per CPU core) "
            "or -1 (one less)"
        )
    number = int(plain)
    if number > INSTANCES_MAX:
        raise BadInputError(f"{number} instances are too many; the most is {INSTANCES_MAX}")
    return number if number > 0 else max(1, cores + number)


def parse_scale(text: str, now: int) -> int:
    """Return the new number of instances for ``N``, ``+N`` or ``-N`` of an app that has ``now``."""
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise BadInputError(f"{text!r} is not a number of instances; write 4, +2 or -1")
    count = now + int(text) if text[0] in "+-" else int(text)
    if count < 1:
        raise BadInputError(
            f"{text} would leave {count} instances; the least is 1 (see monit stop, monit delete)"
        )
    if count > INSTANCES_MAX:
        raise BadInputError(f"{count} instances are too many; the most is {INSTANCES_MAX}")
    return count


def parse_number(text: str, least: int, most: int) -> int:
    """Return a whole number from ``least`` to ``most``."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise BadInputError(f"{text!r} is not a number from {least} to {most}")
    return int(text)


def parse_port(text: str) -> int:
    """Return a port, 1 to 65535."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise BadInputError(f"{text!r} is not a port; write a number from 1 to 65535")
    return int(text)


def parse_port_address(text: str) -> tuple[str, int]:
    """Return host, "" for every interface, and port of ``9000``, ``[::1]:9000`` and the like."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), parse_port(port)


def parse_listen(text: str) -> str:
    """Return ``unix:PATH``, ``HOST:PORT``, or ``:PORT`` for a port alone (on every address).

    An IPv6 address stands in brackets.
    """
    plain = text.strip()
    if plain.startswith("unix:"):
        if len(plain) == len("unix:") or "\0" in plain:
            raise BadInputError(f"{text!r} has no path; write for example unix:/run/web.sock")
        return plain
    host, _, port = plain.rpartition(":")
    ipv6 = host.startswith("[") and host.endswith("]")
    if (":" in host and not ipv6) or (set("[]/ ") & set(host) and not ipv6):
        raise BadInputError(
            f"{text!r} is not an address to listen on; write 8000, 127.0.0.1:8000, [::1]:8000 "
            "or unix:/run/web.sock"
        )
    return f"{'' if host == '*' else host}:{parse_port(port)}"


def parse_signal(text: str) -> int:
    """Return the number of the signal called ``HUP``, ``SIGHUP``, ``hup`` or ``1``."""
    plain = text.strip().upper()
    try:
        if plain.isascii() and plain.isdigit():
            return int(signal.Signals(int(plain)))
        return int(signal.Signals["SIG" + plain.removeprefix("SIG")])
    except (ValueError, KeyError):
        raise BadInputError(
            f"{text!r} is not a signal; write a name such as HUP, TERM or USR1, or a number"
        ) from None


def parse_kill_mode(text: str) -> str:
    """Return the kill mode; pm2's ``treekill: false`` is ``process``, and ``true`` the default."""
    plain = text.strip().lower()
    mode = {"true": KILL_MODES[0], "false": "process"}.get(plain, plain)
    if mode not in KILL_MODES:
        raise BadInputError(
            f"{text!r} is not a kill mode; write {', '.join(KILL_MODES[:-1])} or {KILL_MODES[-1]}"
        )
    return mode


def parse_mode(text: str) -> str:
    """Return ``fork`` or ``cluster``; pm2 also writes ``fork_mode`` and ``cluster_mode``."""
    mode = text.strip().lower().removesuffix("_mode")
    if mode not in MODES:
        raise BadInputError(f"{text!r} is not a mode; write {' or '.join(MODES)}")
    return mode


def parse_exit_codes(text: str) -> tuple[int, ...]:
    """Return the exit codes in ``0,3,42``, each 0 to 255."""
    parts = [part for part in re.split(r"[\s,]+", text.strip()) if part]
    if not parts or not all(
        re.fullmatch(r"[0-9]{1,3}", part) and int(part) < 256 for part in parts
    ):
        raise BadInputError(
            f"{text!r} is not a list of exit codes; write numbers from 0 to 255, such as 0,3"
        )
    return tuple(sorted({int(part) for part in parts}))


def parse_variable(text: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``; the value is not changed."""
    name, equals, value = text.partition("=")
    if not equals or not is_variable(name):
        profile = f"; for env_NAME of pm2's file: --profile {text}" if is_variable(text) else ""
        raise BadInputError(f"{text!r} is not NAME=VALUE; write for example DEBUG=1{profile}")
    if "\0" in value:
        raise BadInputError(f"the value of {name} contains a NUL character")
    return name, value


def parse_variable_name(text: str) -> str:
    """Return ``text`` if it can name an environment variable."""
    if not is_variable(text):
        raise BadInputError(f"{text!r} is not the name of a variable; write for example PORT")
    return text


def parse_instance_variable(text: str) -> str:
    """Return the name of a variable that monit does not set itself."""
    if text.startswith("MONIT_") or text == "PORT":
        raise BadInputError(f"{text} is a variable of monit's own; write for example WORKER_NUMBER")
    return parse_variable_name(text)


def parse_zone(text: str) -> str:
    """Return the name of a time zone, as ``TZ`` has it."""
    plain = text.strip()
    try:
        zone_of(plain)
    except BadZoneError:
        plain = ""
    if not plain or "\0" in plain:
        raise BadInputError(f"{text!r} is not a time zone; write for example Europe/Berlin or UTC")
    return plain


def parse_variable_pattern(text: str) -> str:
    """Return ``text`` if it is the name of a variable, or a part of one with ``*`` for the rest."""
    middle = text.removeprefix("*").removesuffix("*")
    if not is_variable(f"_{middle}") or not middle:
        raise BadInputError(
            f"{text!r} is not the name of a variable; write for example AWS_PROFILE, or 'AWS_*'"
        )
    return text


def is_variable(name: str) -> bool:
    """Return whether ``name`` can name an environment variable in every shell."""
    return _VARIABLE.fullmatch(name) is not None


def parse_cron(text: str) -> str:
    """Return ``text`` if it is a cron pattern of five fields that the agent can read."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 — only for this option

    plain = " ".join(text.split())
    why = "it does not have five fields" if plain.count(" ") != 4 else None
    try:
        CronSim(plain, datetime.now())  # noqa: DTZ005 — without a zone, as the agent does
    except CronSimError as error:
        why = why or str(error)
    if why is not None:
        raise BadInputError(
            f"{text!r} is not a cron pattern: {why}; write five fields, such as '0 4 * * *' "
            "(every day at 04:00)"
        )
    return plain


def parse_watch_pattern(text: str) -> str:
    """Return ``text`` if it is a pattern as in ``.gitignore``."""
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 — only for this option

    plain = text.strip()
    try:
        usable = any(
            each.include is not None for each in GitIgnoreSpec.from_lines([plain]).patterns
        )
    except ValueError:
        usable = False
    if not usable or not plain.isprintable():
        raise BadInputError(
            f"{text!r} is not a pattern as in .gitignore; write a file, a folder or a pattern, "
            "such as 'data/' or '*.json'"
        )
    return plain


def parse_namespace(text: str) -> str:
    """Return ``text`` if it can name a namespace; the rules are those for apps."""
    try:
        return check_name(text)
    except BadNameError:
        raise BadInputError(
            f"{text!r} cannot name a namespace; use letters, digits, '-', '_' and '.', "
            "with a letter or digit first"
        ) from None


def parse_moment(text: str, now: float) -> float:
    """Return the wall time of ``10m`` (ago), ``14:03``, ``14:03:20`` or an ISO date.

    A time of day means its last occurrence; a date without a zone is local time.
    """
    at = moment_of(text, now)
    if at is None:
        raise BadInputError(f"{text!r} is not a time; write 10m (ago), 14:03, or 2026-11-22T14:03")
    return at


def parse_url(text: str) -> str:
    """Return the URL of a check; ``none`` gives "", no check."""
    url = text.strip()
    if url == "none":
        return ""
    try:
        read_url(filled(url, 1, 0))
    except BadUrlError as error:
        raise BadInputError(str(error)) from error
    return url


def parse_command(text: str) -> tuple[str, ...]:
    """Return the words of a command, split like a shell does; no shell runs it."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise BadInputError(f"{text!r} cannot be split into words: {error}") from error
    if not words or not words[0]:
        raise BadInputError("the command is empty; write for example 'redis-cli ping'")
    if "\0" in text:
        raise BadInputError("the command contains a NUL character, which no program can receive")
    return words


def parse_alert_rule(text: str) -> str:
    """Return ``NAME=RULE`` with single spaces if it is a rule of an alert."""
    from monit_agent.wire.alertrules import (  # noqa: PLC0415 (imports all messages)
        BadRuleError,
        hint_for_off,
        read_named_rule,
    )

    try:
        name, rule = read_named_rule(text)
    except BadRuleError as error:
        raise BadInputError(str(error)) from error
    wrong = hint_for_off(name) if rule is None else None
    if wrong is not None:
        raise BadInputError(wrong)
    return f"{name}={' '.join(text.partition('=')[2].split())}"


def parse_webhook(text: str) -> str:
    """Return the URL of a webhook; ``none`` gives "", no webhook. No error quotes it."""
    url = text.strip()
    try:
        return "" if url == "none" else check_webhook(url)
    except BadWebhookError as error:
        raise BadInputError(str(error)) from error


def parse_notices(text: str) -> tuple[str, ...]:
    """Return what notices are about, of ``alert,exited``."""
    words = tuple(dict.fromkeys(part for part in re.split(r"[\s,]+", text.strip()) if part))
    wrong = [word for word in words if word not in NOTICE_KINDS]
    if wrong or not words:
        what = wrong[0] if wrong else text
        raise BadInputError(f"{what!r} is nothing to notify about; write {', '.join(NOTICE_KINDS)}")
    return words


def parse_yes_or_no(text: str) -> bool:
    """Return True for ``yes`` and ``true``, False for ``no`` and ``false``."""
    plain = text.strip().lower()
    if plain not in ("yes", "true", "no", "false"):
        raise BadInputError(f"{text!r} is neither yes nor no")
    return plain in ("yes", "true")


def parse_restart(text: str) -> str:
    """Return when a worker that exits is restarted: ``always``, ``on-failure`` or ``never``."""
    plain = text.strip().lower().replace("_", "-")
    if plain not in RESTARTS:
        raise BadInputError(f"{text!r} is none of {', '.join(RESTARTS)}")
    return plain


def parse_account(text: str, what: str) -> str:
    """Return the name or number of a user or a group."""
    plain = text.strip()
    if not plain or set(plain) & set(":/\0 \t\n") or plain.startswith("-"):
        raise BadInputError(f"{text!r} is not the name or number of a {what}")
    return plain


def parse_watch_path(text: str) -> str:
    """Return a path; ``yes`` is ``.``, the working directory."""
    plain = text.strip()
    if not plain or "\0" in plain:
        raise BadInputError(f"{text!r} is not a file or folder; write for example src")
    return "." if plain.lower() in ("yes", "true") else plain


def parse_log_place(text: str) -> str:
    """Return ``file``, ``journald``, ``stdout`` or ``none``."""
    plain = text.strip().lower()
    if plain not in LOG_PLACES:
        raise BadInputError(f"{text!r} is none of {', '.join(LOG_PLACES)}")
    return plain


def parse_type(text: str) -> str:
    """Return ``service`` or ``once``."""
    if text not in TYPES:
        raise BadInputError(f"{text!r} is neither {' nor '.join(TYPES)}")
    return text


def parse_dependency(text: str) -> str:
    """Return ``db=ready`` for ``db`` or ``db=ready``, as `wire.order.read_dependency` reads it."""
    name, equals, state = text.strip().partition("=")
    if equals and state not in STATES:
        raise BadInputError(f"{state!r} is none of {', '.join(STATES)}")
    try:
        return dependency_text(Dependency(check_name(name), state or USUAL))
    except BadNameError as error:
        raise BadInputError(str(error).replace(" with --name", "")) from error


def cpu_cores() -> int:
    """Return how many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ---------------------------------------------------------------- rows of the table


def parse_option(option: Option, text: str) -> Any:
    """Return the value of an option, or raise `BadInputError`."""
    return PARSERS[option.kind](text, option)


def _size(text: str, option: Option) -> int:
    size = parse_size(text)
    if size < option.least:
        least, unit = (
            (option.least / 1024, "k") if option.least < 1024**2 else (option.least / 1024**2, "M")
        )
        raise BadInputError(
            f"{text!r} is {size} bytes; the least is {least:g}{unit}. Add a unit, as in 200M"
        )
    return size


def _size_or_none(text: str, option: Option) -> int:
    return 0 if text.strip().lower() in ("none", "0") else _size(text, option)


def _duration(text: str, option: Option) -> float:
    seconds = parse_duration(text)
    if seconds < option.least:
        raise BadInputError(f"{text!r} is too short; the least is {option.least:g}s")
    if seconds > option.most:
        raise BadInputError(f"{text!r} is too long; the most is {option.most:g}s")
    return seconds


def _duration_or_none(text: str, option: Option) -> float:
    return 0.0 if text.strip().lower() in ("none", "0") else _duration(text, option)


def parse_file(text: str) -> str:
    """Return a path, or ``none`` for no file (``/dev/null``, and ``NULL`` as in pm2)."""
    plain = text.strip()
    if plain in ("none", "/dev/null", "NULL"):
        return "none"
    if not plain or "\0" in plain or plain.endswith("/"):
        raise BadInputError(f"{text!r} is not a file; write a path, or none")
    return plain


def _whole_number(text: str, option: Option) -> int:
    return parse_number(text, int(option.least), int(option.most))


PARSERS: dict[Kind, Callable[[str, Option], Any]] = {
    "text": lambda text, _: text,
    "namespace": lambda text, _: parse_namespace(text),
    "instances": lambda text, _: parse_instances(text, cpu_cores()),
    "port": lambda text, _: parse_port(text),
    "socket": lambda text, _: parse_listen(text),
    "variable": lambda text, _: parse_variable(text),
    "variable name": lambda text, _: parse_variable_name(text),
    "size": _size,
    "duration": _duration,
    "count": _whole_number,
    "size or none": _size_or_none,
    "time or none": _duration_or_none,
    "file": lambda text, _: parse_file(text),
    "signal": lambda text, _: parse_signal(text),
    "kill mode": lambda text, _: parse_kill_mode(text),
    "mode": lambda text, _: parse_mode(text),
    "exit codes": lambda text, _: parse_exit_codes(text),
    "cron": lambda text, _: parse_cron(text),
    "variable pattern": lambda text, _: parse_variable_pattern(text),
    "instance variable": lambda text, _: parse_instance_variable(text),
    "zone": lambda text, _: parse_zone(text),
    "log place": lambda text, _: parse_log_place(text),
    "user": lambda text, _: parse_account(text, "user"),
    "group": lambda text, _: parse_account(text, "group"),
    "watch path": lambda text, _: parse_watch_path(text),
    "watch pattern": lambda text, _: parse_watch_pattern(text),
    "url": lambda text, _: parse_url(text),
    "command": lambda text, _: parse_command(text),
    "reload command": lambda text, _: () if text.strip() == "none" else parse_command(text),
    "alert rule": lambda text, _: parse_alert_rule(text),
    "webhook": lambda text, _: parse_webhook(text),
    "notices": lambda text, _: parse_notices(text),
    "yes or no": lambda text, _: parse_yes_or_no(text),
    "restart": lambda text, _: parse_restart(text),
    "type": lambda text, _: parse_type(text),
    "dependency": lambda text, _: parse_dependency(text),
}
"""How a value of each kind is parsed."""
