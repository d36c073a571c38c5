"""What is written is read back by the parsers of prometheus_client, whatever the app is called."""

import math
import string

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from monit_agent.metrics.own import OwnMetrics
from monit_agent.metrics.scrape import AppAnswer, metrics_text
from monit_agent.metrics.text import Family, Point, exposition, labels
from monit_agent.wire.messages import (
    AppRecord,
    ExitTotal,
    InstanceRecord,
    InstanceTotals,
    Metric,
    OwnTotal,
    Sample,
    TotalsPart,
    TreeFigures,
)

TEXTS = st.text(max_size=12)
NUMBERS = st.floats(allow_nan=False, allow_infinity=True)


def app_part(name: str = "web", **fields: object) -> TotalsPart:
    """Return what the agent of an app with one instance answers."""
    app = AppRecord(name=name, script="app.py", cwd="/", user="me", created_at=1.0)
    record = InstanceRecord(
        instance=0, id=0, status="online", desired="running", ready=True, pid=7, restarts=3
    )
    return TotalsPart(**{"app": app, "agent_version": "1", "instances": (record,), **fields})


def with_own(app: str, own: dict[str, OwnTotal], metrics: dict[str, Metric]) -> AppAnswer:
    """Return an answer with own metrics of one instance."""
    sample = Sample(at=1.0, pid=7, tree=TreeFigures(cpu_percent=1.0), metrics=metrics)
    part = app_part(app, samples={0: sample}, totals={0: InstanceTotals(own=own)})
    return AppAnswer(app, part)


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Return the series in a text by name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            found.setdefault(each.name, []).append((dict(each.labels), each.value))
    return found


@given(st.dictionaries(st.sampled_from(["a", "b", "le_"]), TEXTS), NUMBERS, TEXTS)
def test_labels_values_and_help_come_back(facts: dict[str, str], value: float, text: str) -> None:
    """Quotes, backslashes, newlines and odd numbers are escaped in both formats."""
    family = Family("some_gauge", "gauge", text)
    for openmetrics in (False, True):
        written = exposition([(family, [Point("", labels(facts), value)])], openmetrics=openmetrics)
        parse = (
            openmetrics_parser.text_string_to_metric_families
            if openmetrics
            else text_string_to_metric_families
        )
        (read,) = parse(written)
        ((_, found_labels, found, *_),) = read.samples
        assert (dict(found_labels), found) == (facts, value)
    assert math.isfinite(value) or "Inf" in written


@given(
    st.dictionaries(
        st.text(st.sampled_from(string.printable), min_size=1, max_size=8),
        st.sampled_from(["counter", "histogram", "gauge"]),
        max_size=8,
    )
)
def test_own_metrics_have_names_that_prometheus_takes(kinds: dict[str, str]) -> None:
    """Whatever an app calls its metrics, the text can be read, and what is missing is counted."""
    own = {
        name: OwnTotal(kind=kind, value=2.0, count=1.0)
        for name, kind in kinds.items()
        if kind != "gauge"
    }
    gauges = {name: Metric(value=5.0) for name, kind in kinds.items() if kind == "gauge"}
    answer = with_own("web", own, gauges)
    read = samples(metrics_text([answer]))
    list(
        openmetrics_parser.text_string_to_metric_families(metrics_text([answer], openmetrics=True))
    )
    shown = metrics_text([answer]).count("# TYPE monit_app_")
    ((_, dropped),) = read["monit_metrics_dropped"]
    assert shown + dropped == len(kinds)


def test_a_name_has_one_kind_in_all_apps() -> None:
    """The second app's gauge of a name that is a counter elsewhere is left out and counted."""
    count = {"jobs": OwnTotal(kind="counter", value=9.0)}
    answers = [with_own("a", count, {}), with_own("b", {}, {"jobs": Metric(value=1.0)})]
    read = samples(metrics_text(answers))
    assert [(facts["app"], value) for facts, value in read["monit_app_jobs_total"]] == [("a", 9.0)]
    assert "monit_app_jobs" not in read
    assert {facts["app"]: value for facts, value in read["monit_metrics_dropped"]} == {
        "a": 0.0, "b": 1.0,
    }  # fmt: skip


def test_series_of_own_metrics_are_bounded() -> None:
    """Beyond the bound for a scrape, series are dropped and counted."""
    own = OwnMetrics()
    before = sum(len(list(points)) for _, points in own.families())
    many = {f"m{number}": OwnTotal(kind="counter", value=1.0) for number in range(100)}
    answers = [with_own(f"app{number}", many, {}) for number in range(201)]
    read = samples(metrics_text(answers))
    shown = sum(len(each) for name, each in read.items() if name.startswith("monit_app_"))
    dropped = sum(value for _, value in read["monit_metrics_dropped"])
    assert before == 0
    assert (shown, dropped) == (20_000, 100)


def test_every_state_has_a_series_and_a_silent_app_only_one() -> None:
    """States do not come and go; an agent that does not answer is up 0 and nothing else."""
    read = samples(metrics_text([AppAnswer("web", app_part()), AppAnswer("lost", None)]))
    states = {facts["state"]: value for facts, value in read["monit_instance_state"]}
    assert states == {
        "online": 1.0, "starting": 0.0, "draining": 0.0, "stopping": 0.0, "stopped": 0.0,
        "backoff": 0.0, "errored": 0.0,
    }  # fmt: skip
    of_lost = [
        name for name, each in read.items() for facts, _ in each if facts.get("app") == "lost"
    ]
    assert of_lost == ["monit_agent_up"]


def test_unknown_is_absent_and_never_zero() -> None:
    """A program without a probe has no heap, loop or requests, and no series of them."""
    read = samples(metrics_text([AppAnswer("web", app_part())]))
    assert not [name for name in read if "heap" in name or "http" in name or "event_loop" in name]


def test_durations_are_a_histogram_and_exits_name_their_cause() -> None:
    """Buckets add up from the smallest; an exit has its code or its signal."""
    totals = InstanceTotals(
        restarts=3, exit_restarts=2, http_requests=4, http_errors=1,
        http_durations=(1, 0, 2, *[0] * 8, 1), http_s=30.5,
        exits=(ExitTotal(None, 9, False, 2), ExitTotal(0, None, True, 1)),
    )  # fmt: skip
    read = samples(metrics_text([AppAnswer("web", app_part(totals={0: totals}))]))
    buckets = [
        (facts["le"], value)
        for facts, value in read["monit_instance_http_request_duration_seconds_bucket"]
    ]
    assert buckets[:3] == [("0.005", 1.0), ("0.01", 1.0), ("0.025", 3.0)]
    assert buckets[-1] == ("+Inf", 4.0)
    assert len(buckets) == 12
    exits = {
        (facts["code"], facts["signal"], facts["requested"]): value
        for facts, value in read["monit_instance_exits_total"]
    }
    assert exits == {("", "9", "false"): 2.0, ("0", "", "true"): 1.0}
    restarts = {f["reason"]: value for f, value in read["monit_instance_restarts_total"]}
    assert restarts == {"exit": 2.0, "request": 1.0}
