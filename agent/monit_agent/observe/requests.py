"""From what probes say of HTTP requests to an instance's rates and latencies. Pure.

Histograms of several processes add up, so a percentile is that of all requests of the instance.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from monit_agent.observe.lag import Masses, added, grown, percentile_ms
from monit_agent.observe.probewords import HttpWords
from monit_agent.wire.messages import Sample

_NONE_YET = HttpWords(requests=0)


class HttpFigures(NamedTuple):
    """The requests of one process. Rates are None after its first report."""

    rps: float | None
    errors_per_s: float | None
    in_flight: int
    latencies: Masses
    max_ms: float


def http_figures(
    newest: HttpWords, base: HttpWords | None, seconds: float, within: Sequence[HttpWords | None]
) -> HttpFigures:
    """Give what came between two reports that lie ``seconds`` apart; 0: there is but one.

    ``base`` is None when no server had been seen then. ``within`` are the reports after it.
    """
    before = base or _NONE_YET
    if seconds <= 0.0:
        return HttpFigures(None, None, newest.now, {}, 0.0)
    return HttpFigures(
        rps=max(0, newest.requests - before.requests) / seconds,
        errors_per_s=max(0, newest.errors - before.errors) / seconds,
        in_flight=newest.now,
        latencies=grown(newest.hist, before.hist),
        max_ms=1000.0 * max(each.max for each in within if each),
    )


def put_http_into(sample: Sample, processes: Sequence[HttpFigures]) -> Sample:
    """Give ``sample`` with the sum over an instance's processes that have a server.

    Latencies are None while no request ended.
    """
    if not processes:
        return sample
    latencies: Masses = {}
    for each in processes:
        latencies = added(latencies, each.latencies)
    longest = max(each.max_ms for each in processes)
    p50, p95, p99 = (
        round(percentile_ms(latencies, 0.0, share, longest), 3) if latencies else None
        for share in (0.50, 0.95, 0.99)
    )
    return msgspec.structs.replace(
        sample,
        http_rps=_sum([each.rps for each in processes]),
        http_errors_per_s=_sum([each.errors_per_s for each in processes]),
        http_p50_ms=p50,
        http_p95_ms=p95,
        http_p99_ms=p99,
        http_max_ms=round(longest, 3) if latencies else None,
        http_in_flight=sum(each.in_flight for each in processes),
    )


def _sum(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return round(sum(known), 3) if known else None
