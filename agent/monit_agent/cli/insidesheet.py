"""What the probe inside a worker tells, as lines of `monit describe`."""

import os

from monit_agent.cli import words
from monit_agent.wire.messages import Blocked, Sample

SHOWN = 5
"""Places of blocks that are listed; ``--json`` has them all."""


def inside_pairs(
    sample: Sample | None, blocks: tuple[Blocked, ...] | None
) -> list[tuple[str, str]]:
    """Give heap, event loop, requests and what held the loop up; without a probe one line."""
    if sample is None:
        return []
    if sample.heap_size_bytes is None and sample.loop_type is None:
        return [("inside", "no probe reports from inside this worker")]
    return [
        ("heap", _heap(sample)),
        ("event loop", _loop(sample)),
        *([("http", _http(sample))] if sample.http_in_flight is not None else []),
        *_blocked(blocks or ()),
    ]


def _heap(sample: Sample) -> str:
    collected = (
        f"; {sample.gc_collections} collections, {words.lag(sample.gc_ms)} in all"
        if sample.gc_collections is not None
        else ""
    )
    if sample.heap_src == "rss":
        return f"{words.size(sample.heap_size_bytes)} resident; use not known{collected}"
    used, size = words.size(sample.heap_used_bytes), words.size(sample.heap_size_bytes)
    return f"{used} used of {size} ({words.percent(sample.heap_usage_percent)}){collected}"


def _loop(sample: Sample) -> str:
    if sample.loop_type is None:
        waited = words.lag(sample.sched_delay_p95_ms)
        return f"none seen; a thread that can run waits {waited} (p95)"
    use = None if sample.loop_utilization is None else 100.0 * sample.loop_utilization
    lags = _spread(
        sample.loop_lag_p50_ms,
        sample.loop_lag_p95_ms,
        sample.loop_lag_p99_ms,
        sample.loop_lag_max_ms,
    )
    return f"{sample.loop_type}, busy {words.percent(use)}, lag {lags}"


def _spread(*milliseconds: float | None) -> str:
    """Say median, two percentiles and the worst."""
    names = ("p50", "p95", "p99", "max")
    pairs = zip(names, milliseconds, strict=True)
    return ", ".join(f"{name} {words.lag(value)}" for name, value in pairs)


def _http(sample: Sample) -> str:
    latencies = _spread(
        sample.http_p50_ms, sample.http_p95_ms, sample.http_p99_ms, sample.http_max_ms
    )
    return (
        f"{words.rate(sample.http_rps)}, errors {words.rate(sample.http_errors_per_s)}, "
        f"{sample.http_in_flight} in flight; latency {latencies}"
    )


def _blocked(blocks: tuple[Blocked, ...]) -> list[tuple[str, str]]:
    lines = [_block(block) for block in blocks[:SHOWN]]
    if len(blocks) > SHOWN:
        lines.append(f"and {len(blocks) - SHOWN} more places; see --json")
    labels = ["held up by", *[""] * len(lines)]
    return list(zip(labels, lines, strict=False))


def _block(block: Blocked) -> str:
    where = "unknown"
    if block.culprit < len(block.stack):
        frame = block.stack[block.culprit]
        where = f"{frame.function} {os.path.basename(frame.file)}:{frame.line}"
    kind = "" if block.kind == "culprit" else f" ({block.kind})"
    now = f", now for {words.lag(block.going_on_ms)}" if block.going_on_ms else ""
    return (
        f"{where}{kind}: {words.counted(block.count, 'time')}, "
        f"{words.lag(block.total_ms)} in all, longest {words.lag(block.max_ms)}{now}"
    )
