"""Values of single options: text that a user wrote to numbers. Nothing is opened here."""

import re
import signal
from datetime import datetime, timedelta

from monit_agent.config.errors import BadInputError
from monit_agent.wire.places import BadNameError, check_name

INSTANCES_MAX = 1000
"""Most instances of one app: a slip of the finger must not fork a machine to death."""

DURATION_MAX_S = 366 * 86400.0

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_size(text: str) -> int:
    """Give the bytes that ``200M``, ``1.5G``, ``512k`` or a plain number mean (k is 1024)."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise BadInputError(f"{text!r} is not a size; write for example 512k, 200M or 1G")
    return int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])


def parse_memory_limit(text: str) -> int:
    """Give the bytes of a memory limit; less than 1 MiB is taken for a forgotten unit."""
    size = parse_size(text)
    if size < 1024 * 1024:
        raise BadInputError(
            f"{text!r} is {size} bytes, and every process needs more; write for example 200M"
        )
    return size


def parse_duration(text: str) -> float:
    """Give the seconds that ``500ms``, ``10s``, ``2m``, ``1h30m`` or ``1d`` mean.

    A bare number is refused: pm2 takes it for milliseconds, most others for seconds.
    """
    plain = text.strip().lower()
    if plain == "0":
        return 0.0
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", plain):
        raise BadInputError(f"{text!r} has no unit; write {plain}s, or {plain}ms as pm2 means it")
    if not _DURATION.fullmatch(plain):
        raise BadInputError(f"{text!r} is not a duration; write for example 500ms, 10s, 2m or 1h")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(plain))
    if seconds > DURATION_MAX_S:
        raise BadInputError(f"{text!r} is longer than a year")
    return seconds


def parse_instances(text: str, cores: int) -> int:
    """Give how many instances ``4``, ``max`` (or 0: one a core) or ``-1`` (cores less one) are."""
    plain = text.strip().lower()
    if plain == "max":
        return cores
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", plain):
        raise BadInputError(
            f"{text!r} is not a number of instances; write a number, max (one a core), "
            "or -1 (a core less)"
        )
    number = int(plain)
    if number > INSTANCES_MAX:
        raise BadInputError(f"{number} instances are too many; at most {INSTANCES_MAX}")
    return number if number > 0 else max(1, cores + number)


def parse_scale(text: str, now: int) -> int:
    """Give the new number of instances for ``N``, ``+N`` or ``-N`` of an app that has ``now``."""
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise BadInputError(f"{text!r} is not a number of instances; write 4, +2 or -1")
    count = now + int(text) if text[0] in "+-" else int(text)
    if count < 1:
        raise BadInputError(
            f"{text} would leave {count} instances; at least 1 stays (monit stop, monit delete)"
        )
    if count > INSTANCES_MAX:
        raise BadInputError(f"{count} instances are too many; at most {INSTANCES_MAX}")
    return count


def parse_number(text: str, least: int, most: int) -> int:
    """Give a whole number from ``least`` to ``most``."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise BadInputError(f"{text!r} is not a number from {least} to {most}")
    return int(text)


def parse_port(text: str) -> int:
    """Give the port, 1 to 65535."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise BadInputError(f"{text!r} is not a port; write a number from 1 to 65535")
    return int(text)


def parse_listen(text: str) -> str:
    """Give ``unix:PATH``, ``HOST:PORT``, or ``:PORT`` for a port alone (on every address).

    An IPv6 address stands in brackets.
    """
    plain = text.strip()
    if plain.startswith("unix:"):
        if len(plain) == len("unix:") or "\0" in plain:
            raise BadInputError(f"{text!r} names no path; write for example unix:/run/web.sock")
        return plain
    host, _, port = plain.rpartition(":")
    ipv6 = host.startswith("[") and host.endswith("]")
    if (":" in host and not ipv6) or (set("[]/ ") & set(host) and not ipv6):
        raise BadInputError(
            f"{text!r} is nothing to listen on; write 8000, 127.0.0.1:8000, [::1]:8000 "
            "or unix:/run/web.sock"
        )
    return f"{'' if host == '*' else host}:{parse_port(port)}"


def parse_signal(text: str) -> int:
    """Give the number of the signal called ``HUP``, ``SIGHUP``, ``hup`` or ``1``."""
    plain = text.strip().upper()
    try:
        if plain.isascii() and plain.isdigit():
            return int(signal.Signals(int(plain)))
        return int(signal.Signals["SIG" + plain.removeprefix("SIG")])
    except (ValueError, KeyError):
        raise BadInputError(
            f"{text!r} is not a signal of this system; write a name such as HUP, TERM, USR1, "
            "or its number"
        ) from None


def parse_exit_codes(text: str) -> tuple[int, ...]:
    """Give the exit codes in ``0,3,42``, each 0 to 255."""
    parts = [part for part in re.split(r"[\s,]+", text.strip()) if part]
    if not parts or not all(
        re.fullmatch(r"[0-9]{1,3}", part) and int(part) < 256 for part in parts
    ):
        raise BadInputError(f"{text!r} are not exit codes; write numbers from 0 to 255, as 0,3")
    return tuple(sorted({int(part) for part in parts}))


def parse_variable(text: str) -> tuple[str, str]:
    """Give name and value of ``NAME=VALUE``; the value is taken as it is."""
    name, equals, value = text.partition("=")
    if not equals or not is_variable(name):
        raise BadInputError(f"{text!r} is not NAME=VALUE; write for example --env DEBUG=1")
    if "\0" in value:
        raise BadInputError(f"the value of {name} holds a NUL, which no environment can carry")
    return name, value


def parse_variable_name(text: str) -> str:
    """Return ``text`` if it can name an environment variable."""
    if not is_variable(text):
        raise BadInputError(f"{text!r} cannot name a variable; write for example PORT")
    return text


def is_variable(name: str) -> bool:
    """Whether ``name`` can name an environment variable in every shell."""
    return _VARIABLE.fullmatch(name) is not None


def parse_cron(text: str) -> str:
    """Return ``text`` if it is a cron pattern of five fields, as the agent will read it."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 — only for this option

    plain = " ".join(text.split())
    why = "it has not five fields" if plain.count(" ") != 4 else None
    try:
        CronSim(plain, datetime.now())  # noqa: DTZ005 — without a zone, as the agent does
    except CronSimError as error:
        why = why or str(error)
    if why is not None:
        raise BadInputError(
            f"{text!r} is not a cron pattern: {why}; write five fields, as '0 4 * * *' "
            "(each day at 4:00)"
        )
    return plain


def parse_namespace(text: str) -> str:
    """Return ``text`` if a namespace may be called so: the rules are those of app names."""
    try:
        return check_name(text)
    except BadNameError:
        raise BadInputError(
            f"{text!r} cannot name a namespace; use letters, digits, '-', '_' and '.', "
            "beginning with a letter or digit"
        ) from None


def parse_moment(text: str, now: float) -> float:
    """Give the wall second that ``10m`` (ago), ``14:03``, ``14:03:20`` or an ISO date means.

    A time of day is the last one that was; a date without a zone is local time.
    """
    plain = text.strip()
    if _DURATION.fullmatch(plain.lower()):
        return now - parse_duration(plain)
    here = datetime.fromtimestamp(now).astimezone()
    try:
        if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", plain):
            at = here.replace(second=0, microsecond=0)
            parts = [int(part) for part in plain.split(":")]
            at = at.replace(**dict(zip(("hour", "minute", "second"), parts, strict=False)))
            return (at if at <= here else at - timedelta(days=1)).timestamp()
        return datetime.fromisoformat(plain).astimezone().timestamp()
    except (ValueError, OverflowError) as error:
        raise BadInputError(
            f"{text!r} is not a time; write 10m (ago), 14:03, or 2026-11-22T14:03"
        ) from error
