"""The app's own metrics and actions, as lines of `monit describe`."""

from monit_agent.cli import words
from monit_agent.wire.messages import ActionsPart, Metric, Sample

SHOWN = 20
"""Metrics that are listed; ``--json`` has them all."""


def own_pairs(
    sample: Sample | None, actions: ActionsPart | None, faults: tuple[str, ...]
) -> list[tuple[str, str]]:
    """Give the app's own metrics, what can be triggered, and errors inside the probes."""
    metrics = sample.metrics if sample else {}
    lines = [f"{name}  {said(metric)}" for name, metric in list(metrics.items())[:SHOWN]]
    if len(metrics) > SHOWN:
        lines.append(f"and {len(metrics) - SHOWN} more; see --json")
    if actions is not None and actions.lost_metrics:
        lines.append(f"and {words.counted(actions.lost_metrics, 'metric')} for which is no room")
    offers = actions.offers if actions is not None else ()
    does = [f"{offer.name}  {offer.help}".rstrip() for offer in offers]
    return [*_listed("metrics", lines), *_listed("actions", does), *_listed("faults", faults)]


def _listed(label: str, lines: list[str] | tuple[str, ...]) -> list[tuple[str, str]]:
    return list(zip([label, *[""] * len(lines)], lines, strict=False))


def said(metric: Metric) -> str:
    """Say a metric in a few words: ``17 orders, 0.4/s``, ``mean 3 ms, p95 8 ms, 12/s``."""
    if metric.kind == "text":
        return metric.text or words.UNKNOWN
    if metric.kind == "gauge":
        return _number(metric.value, metric.unit)
    rate = f"{_number(metric.rate)}/s"
    if metric.kind == "counter":
        return f"{_number(metric.value, metric.unit)}, {rate}"
    parts = (("mean", metric.value), ("p50", metric.p50), ("p95", metric.p95), ("p99", metric.p99))
    known = [f"{name} {_number(value, metric.unit)}" for name, value in parts if value is not None]
    return ", ".join([*known, rate])


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return words.UNKNOWN
    plain = abs(value) < 1e15 and (abs(value) >= 1000 or value == int(value))
    text = f"{value:,.0f}" if plain else f"{value:.3g}"
    return f"{text} {unit}".rstrip()
