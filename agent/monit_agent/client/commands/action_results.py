"""Results of actions as lines for people. Pure."""

import json
from typing import Any

LONG = 100
"""Values with more characters get lines of their own."""


def parse_value(text: str) -> Any:
    """Return the value in a result's JSON, or the text itself when it is not JSON."""
    try:
        return json.loads(text, parse_constant=str)  # NaN is Python's, not JSON's
    except ValueError:  # a probe may send anything
        return text


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
