"""What the metadata pane says of the processes below a worker. Pure."""

from monit_agent.client.trees import processes_of
from monit_agent.client.view import InstanceView
from monit_agent.wire.messages import Process
from monit_tui.format import UNKNOWN, count, duration, milliseconds, moment, percent, size

Pair = tuple[str, str]


def process_pairs(view: InstanceView, pid: int, wall: float) -> list[Pair]:
    """Give the facts of one process; ``wall`` is the time now."""
    known = {each.pid: each for each in processes_of(view)}
    process = known.get(pid)
    if process is None:
        return [("process", f"{pid} has ended")]
    started = process.started_at
    age = "" if started is None else f", {duration(wall - started)} ago"
    use = process.loop_utilization
    return [
        ("process", process.name),
        ("pid", str(pid)),
        ("parent", _parent(view, process, known.get(process.ppid))),
        ("started", UNKNOWN if started is None else moment(started) + age),
        ("CPU", f"{percent(process.cpu_percent)} of one core"),
        ("memory", size(process.rss_bytes)),
        ("threads", count(process.threads)),
        ("descriptors", count(process.fds)),
        ("heap used", size(process.heap_used_bytes)),
        ("loop lag p95", milliseconds(process.loop_lag_p95_ms)),
        ("loop busy", percent(None if use is None else 100.0 * use)),
        ("probe", "reports" if process.probe else "none reports from inside this process"),
    ]


def _parent(view: InstanceView, process: Process, parent: Process | None) -> str:
    if process.ppid == view.record.pid:
        return f"{process.ppid}, the worker of {view.identity.app}/{view.identity.instance}"
    return f"{process.ppid}{f', {parent.name}' if parent else ''}"


def tree_pairs(view: InstanceView) -> list[Pair]:
    """Give how many processes are below a worker, and which of the tree's loops is the worst."""
    processes, sample = processes_of(view), view.sample
    if not processes or sample is None:
        return []
    children = sample.children or len(processes)
    few = f"the {len(processes)} largest" if children > len(processes) else "them"
    pairs = [("children", f"{count(children)}; Right lists {few}")]
    if sample.loop_pid is not None:
        names = {each.pid: each.name for each in processes}
        name = names.get(sample.loop_pid, "the worker itself")
        pairs.append(("slowest loop", f"{sample.loop_pid}, {name}"))
    return pairs
