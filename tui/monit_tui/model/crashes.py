"""The last exits of an app, and the last lines of each worker with its tracebacks folded. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from monit_agent.client.view import Fleet
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.messages import Exit
from monit_tui.model.processes.rows import RowKey
from monit_tui.palettes import Tone

CRASHES = 10
"""Most exits that are shown side by side."""

_STACK = re.compile(r"^\s+(?:at |File \"|\.{3} |~|\^|\|)|^\s{2,}\S|^\t|^\s*$|^goroutine \d")
_HEAD = re.compile(
    r"^(?:Traceback \(most recent call last\):|During handling of|The above exception)"
)


class Crash(NamedTuple):
    """One exit of a worker that nobody requested."""

    identity: InstanceId
    exit: Exit


def crashes_of(fleet: Fleet, key: RowKey) -> list[Crash]:
    """Return the last unrequested exits of a row's instances, the newest first."""
    app = fleet.apps.get(key.app)
    if app is None:
        return []
    found = [
        Crash(view.identity, one)
        for number, view in app.instances.items()
        if key.instance in {None, number}
        for one in view.record.exits
        if not one.requested
    ]
    return sorted(found, key=lambda crash: -crash.exit.at)[:CRASHES]


def shown_lines(texts: Sequence[str], *, folded: bool) -> list[tuple[str, Tone]]:
    """Return what a worker printed, with stacks as one line each if ``folded``."""
    lines: list[tuple[str, Tone]] = []
    stack: list[str] = []

    def close_stack() -> None:
        if len(stack) > 1:
            lines.append((f"  {len(stack)} lines of stack; Enter shows them", "muted"))
        else:
            lines.extend((text, "muted") for text in stack)
        stack.clear()

    for text in texts:
        in_stack = bool(_HEAD.match(text)) or (bool(lines or stack) and bool(_STACK.match(text)))
        if folded and in_stack:
            stack.append(text)
            continue
        close_stack()
        lines.append((text, "muted" if in_stack else "plain"))
    close_stack()
    return lines
