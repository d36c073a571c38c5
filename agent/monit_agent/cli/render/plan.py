"""What `monit apply` is going to do, as lines for a person and as JSON."""

import os
from collections.abc import Iterable
from typing import Any, cast

from monit_agent.client.text.settings import format_setting
from monit_agent.client.text.shell import shell_words
from monit_agent.config.changes import AppPlan, Change
from monit_agent.config.files.faults import shown_path
from monit_agent.config.options import BY_KEY
from monit_agent.supervise.spec import Increment

WORDS = {
    "start": "start",
    "nothing": "nothing to do",
    "live": "change without touching its workers",
    "scale": "scale",
    "reload": "rolling reload",
    "restart": "stop and start",
    "delete": "delete",
}

LONGEST = 60
"""Characters of a value: a command may have thousands."""


def plan_lines(plans: Iterable[AppPlan]) -> list[str]:
    """Return a line for each app, and below it one for each key that changed."""
    lines: list[str] = []
    for plan in plans:
        lines.append(f"{plan.app}: {_what(plan)}")
        lines += [f"  {change_text(change)}" for change in plan.changes if _is_shown(change, plan)]
        if plan.scale is not None:
            lines.append(f"  instances: {plan.scale[0]} → {plan.scale[1]}{_by_hand(plan)}")
    return lines


def _what(plan: AppPlan) -> str:
    text = "reload in place" if plan.in_place else WORDS[plan.action]
    if plan.starts_stopped:
        return "start; it was stopped" if plan.action == "start" else f"{text}, and start the rest"
    if plan.is_stopped and plan.action != "delete":
        return f"{text}; it is stopped and stays stopped (monit start {plan.app})"
    if plan.state == "down" and plan.action == "start":
        return "start; it is not running"
    if plan.state == "done" and plan.action == "restart":
        return "run again"
    return text


def _by_hand(plan: AppPlan) -> str:
    if not plan.by_hand or plan.scale is None:
        return ""
    now, then = plan.scale
    return f" ({plan.app} runs {now}, scaled by hand; the file says {then})"


def _is_shown(change: Change, plan: AppPlan) -> bool:
    return change.key != "instances" or plan.scale is None


def change_text(change: Change) -> str:
    """Return ``kill-timeout: 10s → 30s``, or ``env: LEVEL changed``; no values of variables."""
    if change.names:
        if change.key == "inherited":
            return f"inherited from the shell: {', '.join(change.names)}"
        path = f" {shown_path(change.after[0])}" if change.after else ""
        return f"{change.key}{path}: {', '.join(change.names)}"
    if change.key == "origin":
        before = shown_path(change.before) if change.before else "the command line"
        return f"origin: {before} → {shown_path(change.after)}"
    return f"{change.key}: {_value(change.key, change.before)} → {_value(change.key, change.after)}"


def _value(key: str, value: Any) -> str:
    if value in (None, "", ()):
        return "none"
    option = BY_KEY.get(key)
    if option is not None and option.field:
        text = format_setting(option, value)
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = value if isinstance(value, str) else shell_words(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def plan_json(plan: AppPlan) -> dict[str, Any]:
    """Return the documented object for one app; no values of variables."""
    return {
        "app": plan.app,
        "action": plan.action,
        "changes": [
            {
                "key": change.key,
                "apply": change.apply,
                "before": None if change.names else _plain(change.before),
                "after": None if change.names else _plain(change.after),
                "variables": list(change.names),
            }
            for change in plan.changes
        ],
        "instances": None
        if plan.scale is None
        else {"before": plan.scale[0], "after": plan.scale[1], "scaled_by_hand": plan.by_hand},
        "stopped": plan.is_stopped,
        "in_place": plan.in_place,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Increment):
        return value._asdict()
    return list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value


def file_text(path: str) -> str:
    """Return the name of a config file for a sentence."""
    return os.path.basename(path)
