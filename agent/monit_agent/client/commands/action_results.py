"""Results of actions as lines for people. Pure."""

import json
import math
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

LONG = 100
"""Values with more characters get lines of their own."""

LEVELS = 100
"""Lists and objects within each other that are read; writing deeper ones would exceed Python's own
limit."""


def parse_value(text: str) -> Any:
    """Return the value in a result's JSON; the text itself when it is not JSON, or too deep."""
    if _levels(text) > LEVELS:
        return text
    try:
        # NaN and numbers without end are Python's, not JSON's
        return json.loads(text, parse_constant=str, parse_float=_finite)
    except ValueError:  # a probe may send anything
        return text


def _levels(text: str) -> int:
    """Return how deep brackets are within each other; those in texts count too."""
    steps = (1 if each in "[{" else -1 for each in text if each in "[]{}")
    return max(accumulate(steps), default=0)


def _finite(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def why_no_action(target: str, action: str, offered: Iterable[str]) -> str:
    """Return why nothing ran: the processes of ``target`` offer these other actions, or none."""
    names = sorted(set(offered))
    if not names:
        return (
            f"{target} offers no actions: no probe reports from it. Actions need a running Python "
            "or Node program that was started without --no-probe"
        )
    return f"no process of {target} offers {action!r}; there are {', '.join(names)}"


def result_lines(who: str, value: Any, *, stacks: bool = False) -> list[str]:
    """Return the result of ``who``, on one line where that is readable. The lines are the
    app's own, so they are not safe for a terminal yet."""
    if value is None:
        return [f"{who}: done"]
    body = (_stacks(value) if stacks else None) or _body(value)
    if len(body) == 1 and len(body[0]) <= LONG:
        return [f"{who}: {body[0]}"]
    return [f"{who}:", *(f"  {line}" for line in body)]


def _body(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.splitlines() or [""]
    short = json.dumps(value, ensure_ascii=False)
    if len(short) <= LONG:
        return [short]
    return json.dumps(value, ensure_ascii=False, indent=2).splitlines()


def _stacks(value: Any) -> list[str] | None:
    """Return threads like tracebacks, the innermost call last; None for another shape."""
    lines: list[str] = []
    try:
        for thread in value:
            if "thread" not in thread:
                lines.append(f"and {int(thread['threads_left_out'])} more threads")
                continue
            lines.append(str(thread["thread"]))
            frames = reversed(thread["stack"])
            lines += [f"  {at['file']}:{at['line']} {at['function']}" for at in frames]
    except (TypeError, KeyError, ValueError):
        return None
    return lines
