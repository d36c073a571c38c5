"""Crash reports as `monit describe --crash` writes them."""

from typing import Any

import msgspec

from monit_agent.cli.render.terminal import TerminalTraits
from monit_agent.cli.render.visible import visible
from monit_agent.client.text.format import (
    format_bytes,
    format_clock,
    format_date_and_time,
    format_duration,
    format_ms,
    format_number,
    format_percent,
    format_rate,
)
from monit_agent.client.text.outcomes import exit_text
from monit_agent.client.view import InstanceView
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.messages import CrashReport

LABEL_WIDTH = 12

SHOWN = (
    ("cpu", "cpu_percent", format_percent),
    ("memory", "rss_bytes", format_bytes),
    ("heap used", "heap_used_bytes", format_bytes),
    ("threads", "threads", format_number),
    ("open files", "fds", format_number),
    ("loop lag p95", "loop_lag_p95_ms", format_ms),
    ("requests", "http_requests_per_s", format_rate),
    ("errors", "http_errors_per_s", format_rate),
)
"""The metrics for a person; ``--json`` has all."""


def crash_lines(
    who: InstanceId, report: CrashReport, screen: TerminalTraits, now: float
) -> list[str]:
    """Return what a report says, safe for a terminal."""
    ended = report.exit
    head = f"{who} crashed {format_date_and_time(ended.at)} ({format_duration(now - ended.at)} ago)"
    pid = "" if report.pid is None else f", pid {report.pid}"
    lines = [
        screen.paint(head, "bold"),
        _pair("exit", exit_text(ended) + pid, screen),
        _pair(
            "reason", screen.paint(visible(report.reason) or "it printed nothing", "red"), screen
        ),
    ]
    if report.hint:
        lines.append(_pair("hint", visible(report.hint), screen))
    labels = iter(("before it", *[""] * len(report.before)))
    for event in report.before:
        by = f" by {event.by}" if event.by else ""
        text = f"{format_clock(event.at)}  {event.kind.replace('_', ' ')}: {event.text}{by}"
        lines.append(_pair(next(labels), visible(text), screen))
    labels = iter(("last minute", *[""] * len(SHOWN)))
    for label, name, show in SHOWN:
        values = [value for value in report.figures.get(name, ()) if value is not None]
        if values:
            text = f"{label} {show(values[0])} → {show(values[-1])}, at most {show(max(values))}"
            lines.append(_pair(next(labels), text, screen))
    lines += [
        screen.paint(
            f"  {format_clock(line.at_ns / 1e9) if line.at_ns else '':8} {line.stream} | ", "dim"
        )
        + visible(line.text)
        for line in report.lines
    ]
    return lines


def crash_fields(view: InstanceView, report: CrashReport) -> dict[str, Any]:
    """Return the fields of a report's JSON object."""
    return {
        "host": view.identity.host,
        "app": view.identity.app,
        **msgspec.to_builtins(report),
        "lines": [
            {
                "stream": line.stream,
                "offset": line.offset,
                "at": line.at_ns / 1e9 if line.at_ns else None,
                "line": line.text,
            }
            for line in report.lines
        ],
    }


def _pair(label: str, text: str, screen: TerminalTraits) -> str:
    return f"  {screen.paint(label.ljust(LABEL_WIDTH), 'dim')} {text}"
