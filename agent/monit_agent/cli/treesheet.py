"""The processes below a worker, as lines of `monit describe`."""

from collections.abc import Sequence

from monit_agent.cli import words
from monit_agent.cli.table import Cell, Column, plain
from monit_agent.cli.terminal import Terminal
from monit_agent.client.trees import Branch, branches
from monit_agent.wire.messages import Sample

_COLUMNS: Sequence[Column] = (
    Column("pid", right=True), Column("name"), Column("uptime", right=True),
    Column("cpu", right=True), Column("mem", right=True), Column("threads", right=True),
    Column("fds", right=True), Column("heap", right=True), Column("lag p95", right=True),
    Column("busy", right=True),
)  # fmt: skip


def tree_lines(sample: Sample | None, screen: Terminal, now: float) -> list[str]:
    """Give a table of the processes with a title; nothing when the worker is alone.

    ``now`` is the wall clock.
    """
    tree = branches(sample)
    if sample is None or not tree:
        return []
    children = sample.children or len(tree)
    left = f", the {len(tree)} largest of {children:,}" if children > len(tree) else ""
    title = f"  {screen.paint(f'processes below it{left}:', 'cyan')}"
    rows = [_row(branch, sample.loop_pid, now) for branch in tree]
    return [title, *(f"    {line}" for line in plain(_COLUMNS, rows))]


def _row(branch: Branch, worst: int | None, now: float) -> list[Cell]:
    process = branch.process
    age_s = None if process.started_at is None else now - process.started_at
    use = process.loop_utilization
    lag = words.lag(process.loop_lag_p95_ms)
    return [
        Cell(text)
        for text in (
            str(process.pid),
            "  " * branch.depth + process.name,
            words.span(age_s),
            words.percent(process.cpu_percent),
            words.size(process.rss_bytes),
            words.known(process.threads),
            words.known(process.fds),
            words.size(process.heap_used_bytes),
            f"{lag} (worst)" if process.pid == worst else lag,
            words.percent(None if use is None else 100.0 * use),
        )
    ]
