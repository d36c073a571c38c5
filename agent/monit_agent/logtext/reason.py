"""The line that says why a worker exited, out of the last lines that it printed."""

import json
import re
import signal
from collections.abc import Sequence
from typing import Any

from monit_agent.logtext.blocks import Block, find_blocks
from monit_agent.logtext.expression import SGR
from monit_agent.logtext.levels import level_of

LINES = 200
"""Lines before an exit that are examined: a long traceback has them."""

CHARACTERS = 500

_RAISED = re.compile(
    r"^\s*(?:Uncaught |Unhandled |thread '[^']*' panicked |Exception in thread )?"
    r"(?:[A-Za-z_][\w.]*\.)*[A-Za-z_]\w*"
    r"(?:Error|Exception|Exit|Interrupt|Timeout|Refused|Failure|Warning|Fault)\b(?: \[[^\]]*\])?"
    r"(?::\s.*|$)"
    r"|^(?:Error|panic|fatal error|FATAL|Segmentation fault|Killed)\b.*"
)
_DULL = re.compile(
    r"^\s*(?:at |\^|~|Node\.js v|File \"|goroutine \d|exit status|[\]})]*;?$|\.\.\. )"
)
_BEFORE_REASON = re.compile(r"^[ ]*[|] |^Caused by: ")
_FIELDS = ("error", "err", "exception", "exc_info", "message", "msg", "event")


def exit_reason(lines: Sequence[bytes], code: int | None, signal_number: int | None) -> str:
    """Return the line that says why a worker exited, "" without one. Neither exit code 0 nor
    SIGKILL, which comes from outside, is explained by whatever happened to be printed last: then
    only a line that names an error is a reason."""
    errors_only = code == 0 or signal_number == signal.SIGKILL
    return reason_of(lines, errors_only=errors_only)


def reason_of(lines: Sequence[bytes], *, errors_only: bool = False) -> str:
    """Return the line of ``lines`` that names an error best, "" when nothing was printed.

    The line of the last exception if there is one, else the last line of level error, else the
    last line that is no part of a stack, unless ``errors_only``. It is text of the worker: not safe
    for a terminal.
    """
    kept = lines[-LINES:]
    texts = [SGR.sub(b"", raw).decode("utf-8", "backslashreplace").rstrip() for raw in kept]
    raised = [text for block in find_blocks(kept) if (text := _raised(block, texts))]
    if raised:
        return _short(raised[-1])
    errors = [at for at, raw in enumerate(kept) if raw.strip() and level_of(raw) == "error"]
    if errors:
        return _short(_of_json(kept[errors[-1]]) or texts[errors[-1]])
    if errors_only:
        return ""
    plain = [text for text in texts if text and not text[:1].isspace() and not _DULL.match(text)]
    return _short(plain[-1]) if plain else ""


def _raised(block: Block, texts: Sequence[str]) -> str:
    """Return the line of a block that names an exception, "" without one."""
    text = texts[block.reason]
    if block.kind is not None:
        return _BEFORE_REASON.sub("", text)
    return text if _RAISED.match(text) else ""


def _short(text: str) -> str:
    return " ".join(text.split())[:CHARACTERS]


def _of_json(raw: bytes) -> str:
    """Return the message of a JSON line, "" for other lines."""
    if not raw.lstrip().startswith(b"{"):
        return ""
    try:
        found: Any = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    for name in _FIELDS:
        value = found.get(name)
        if isinstance(value, dict):
            value = value.get("message") or value.get("msg")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(value, str) and value.strip():
            lines = [line for line in value.splitlines() if line.strip()]
            return lines[-1] if name == "exc_info" else lines[0]
    return ""
