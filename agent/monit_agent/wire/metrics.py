"""What of one of the app's own metrics is drawn and kept as history. Pure."""

from monit_agent.wire.messages import Metric


def drawn(metric: Metric) -> float | None:
    """Give a gauge's value, a counter's rate, a histogram's p95 (its mean, where it has no
    percentiles); None for a text and for what is not known."""
    if metric.kind == "counter":
        return metric.rate
    if metric.kind == "histogram" and metric.p95 is not None:
        return metric.p95
    return metric.value
