"""What the metadata pane shows of the processes below a worker. Pure."""

from monit_agent.client.process_trees import processes_of
from monit_agent.client.text.format import (
    UNKNOWN,
    format_bytes,
    format_count,
    format_date_and_time,
    format_duration,
    format_ms,
    format_percent,
)
from monit_agent.client.view import InstanceView
from monit_agent.wire.messages import Process
from monit_tui.text.brief import present_text

Pair = tuple[str, str]


def process_pairs(view: InstanceView, pid: int, wall: float) -> list[Pair]:
    """Return the facts of one process; ``wall`` is the time now."""
    known = {each.pid: each for each in processes_of(view)}
    process = known.get(pid)
    if process is None:
        return [("process", f"{pid} has exited")]
    started = process.started_at
    age = "" if started is None else f", {format_duration(wall - started)} ago"
    use = process.loop_utilization
    return [
        ("process", process.name),
        ("pid", str(pid)),
        ("parent", _parent(view, process, known.get(process.ppid))),
        ("started", UNKNOWN if started is None else format_date_and_time(started) + age),
        ("cpu", f"{present_text(format_percent, process.cpu_percent)} of one core"),
        ("memory", format_bytes(process.rss_bytes)),
        ("threads", format_count(process.threads)),
        ("open files", format_count(process.fds)),
        ("heap used", format_bytes(process.heap_used_bytes)),
        ("loop lag p95", present_text(format_ms, process.loop_lag_p95_ms)),
        ("loop busy", present_text(format_percent, None if use is None else 100.0 * use)),
        ("probe", "reports" if process.probe else "no probe in this process"),
    ]


def _parent(view: InstanceView, process: Process, parent: Process | None) -> str:
    if process.ppid == view.record.pid:
        return f"{process.ppid}, the worker of {view.identity}"
    return f"{process.ppid}{f', {parent.name}' if parent else ''}"


def tree_pairs(view: InstanceView) -> list[Pair]:
    """Return the number of processes below a worker, and the process with the slowest loop."""
    processes, sample = processes_of(view), view.sample
    if not processes or sample is None:
        return []
    children = sample.tree.children or len(processes)
    few = f"the {len(processes)} largest" if children > len(processes) else "them"
    pairs = [("children", f"{format_count(children)}; {{list.unfold}} lists {few}")]
    worst = sample.loop.pid if sample.loop else None
    if worst is not None:
        names = {each.pid: each.name for each in processes}
        name = names.get(worst, "the worker itself")
        pairs.append(("slowest loop", f"{worst}, {name}"))
    return pairs
