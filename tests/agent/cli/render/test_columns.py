"""The table of instances shows what matters, in every width."""

import re
from typing import Any

import pytest

from monit_agent.cli.render.columns import InstanceRow, crash_loop, instance_table
from monit_agent.cli.render.terminal import TerminalTraits
from monit_agent.cli.render.visible import width
from monit_agent.client import json_fields
from monit_agent.client.json_fields import instance_fields
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import (
    AlertRecord,
    AppRecord,
    HttpFigures,
    InstanceRecord,
    LoopFigures,
    Metric,
    Sample,
    TreeFigures,
    WatchState,
)

NOW = 1_763_800_000.0


def _app(name: str = "web", version: str | None = "1.2", **record: Any) -> AppView:
    app = AppView(local_app(name))
    app.link = "live"
    app.record = AppRecord(
        name=name, version=version, script="/srv/app.py", cwd="/srv", user="deploy", created_at=NOW
    )
    fields_of: dict[str, Any] = {"status": "online", "desired": "running", "ready": True, "pid": 10,
                                 "started_at": NOW - 7380, **record}  # fmt: skip
    app.instances[0] = InstanceView(app.id, InstanceRecord(instance=0, id=3, **fields_of))
    app.instances[0].sample = Sample(
        at=NOW - 1, pid=10, tree=TreeFigures(cpu_percent=4.06, rss_bytes=73_400_320),
        loop=LoopFigures(lag_p95_ms=3.21),
        metrics={"orders": Metric(value=17.0, kind="counter", rate=0.4)},
    )  # fmt: skip
    return app


def _lines(app: AppView, columns: int = 0, age_s: float | None = None) -> list[str]:
    screen = TerminalTraits(is_tty=columns > 0, width=columns, colour=False, unicode=columns > 0)
    return instance_table([InstanceRow(app, app.instances.get(0), age_s)], screen, NOW)


def test_numbers_are_short_and_carry_their_unit() -> None:
    """Uptime, CPU, memory and lag read as people write them."""
    row = _lines(_app())[1].split()
    assert row == [
        "3", "web", "default", "1.2", "fork", "10", "2h03m", "0", "online", "4.1%", "70.0M",
        "deploy", "no", "-", "3.2ms", "-",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rps", "columns", "shown"),
    [(None, 200, ""), (0.0, 200, "0/s"), (4.23, 200, "4.2/s"), (12_400.0, 200, "12k/s"),
     (4.23, 100, ""), (None, 0, "-"), (120.4, 0, "120/s")],
)  # fmt: skip
def test_requests_have_a_column_where_somebody_answers_some(
    rps: float | None, columns: int, shown: str
) -> None:
    """A wide terminal shows them when there are any, a narrow one never, a pipe always."""
    app = _app()
    app.instances[0].sample = Sample(at=NOW - 1, pid=10, http=HttpFigures(requests_per_s=rps))
    lines = _lines(app, columns)

    assert any("http" in line.split() or "│ http" in line for line in lines) == bool(shown)
    assert shown in "\n".join(lines)


@pytest.mark.parametrize("columns", [30, 45, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    """Every layout fits the terminal, also with long and wide names."""
    app = _app(name="a-service-with-a-long-name-" + "x" * 30, version="版本" * 10)
    lines = _lines(app, columns)
    least = 23  # what the narrowest layout needs
    assert max(map(width, lines)) <= max(columns, least)
    assert len({width(line) for line in lines}) == 1


def test_a_crash_loop_is_seen() -> None:
    """An app that is online again but keeps dying shows how often."""
    app = _app(restart_times=tuple(NOW - 50 + n * 4 for n in range(12)))
    assert crash_loop(app.instances[0], NOW) == "12/min"
    assert "↺12/min" in _lines(app, 80)[3]
    slow = _app(restart_times=(NOW - 280, NOW - 180, NOW - 90))
    assert crash_loop(slow.instances[0], NOW) == "3/5min"
    assert crash_loop(_app(restart_times=(NOW - 30,)).instances[0], NOW) == ""


def test_stale_is_seen_with_its_age() -> None:
    """What a silent agent sent last is marked as old."""
    app = _app()
    app.link = "gone"
    assert "online (stale 3m)" in _lines(app, age_s=200.0)[1]
    empty = AppView(local_app("web"))
    empty.link = "gone"
    assert re.match(r" +- +web +-.* stale 5s ", _lines(empty, age_s=5.0)[1] + " ")


def test_what_a_dead_worker_used_is_not_shown() -> None:
    """The sample of a worker that is gone says nothing about the present one."""
    app = _app(pid=11)
    assert "4.1%" not in _lines(app)[1]
    assert instance_fields(app, app.instances[0], NOW, None)["cpu_percent"] is None


def test_hostile_text_does_not_reach_the_terminal() -> None:
    """A version with control characters is written out."""
    assert "\x1b" not in "".join(_lines(_app(version="\x1b]0;x\x07"), 200))


def test_the_json_fields_are_those_that_are_documented() -> None:
    """The example in the module's text has exactly the fields that are written."""
    documented = set(
        re.findall(r'^      ?"(\w+)":|, "(\w+)":', json_fields.__doc__ or "", re.MULTILINE)
    )
    names = {first or second for first, second in documented}
    app = _app()
    written = instance_fields(app, app.instances[0], NOW, None)
    assert set(written) <= names
    of_metric = {"value", "unit", "kind", "rate", "p50", "p95", "p99", "text"}
    assert names - set(written) <= {
        *of_metric,
        "code",
        "signal",
        "at",
        "ran_s",
        "orders",
        "ok",
        "failures",
        "name",
        "probe",
        *WatchState.__struct_fields__,
        *AlertRecord.__struct_fields__,
    }
    assert set(written["metrics"]["orders"]) == of_metric
    assert (written["metrics"]["orders"]["value"], written["metrics"]["orders"]["rate"]) == (
        17,
        0.4,
    )
    assert written["age_s"] == pytest.approx(1.0)
    assert written["heap_used_bytes"] is None
    assert written["stale"] is False


def test_an_app_of_which_nothing_is_known_is_one_object() -> None:
    """An app without readable state is listed with its name and nulls."""
    app = AppView(local_app("ghost"))
    app.link = "gone"
    written = instance_fields(app, None, NOW, None)
    assert (written["app"], written["stale"], written["status"]) == ("ghost", True, None)
    assert set(written) == set(instance_fields(_app(), _app().instances[0], NOW, None))


def test_the_fields_that_scripts_rely_on_are_there() -> None:
    """`monit list --json` keeps the names that are promised."""
    promised = (
        "host",
        "app", "instance", "id", "namespace", "version", "mode", "watching", "status", "wanted",
        "desired", "failed_starts",
        "ready", "pid", "ppid", "script", "interpreter", "cwd", "user", "revision", "started_at",
        "uptime_s",
        "origin_file", "type", "done",
        "restarts", "unstable_restarts", "cpu_percent", "rss_bytes", "heap_size_bytes",
        "heap_used_bytes", "heap_usage_percent", "loop_lag_p50_ms", "loop_lag_p95_ms",
        "loop_lag_p99_ms", "loop_lag_max_ms", "loop_utilization", "threads", "fds", "metrics",
        "last_exit", "age_s", "stale", "problems", "alerts",
        "heap_src", "gc_collections", "gc_ms", "gc_max_ms", "loop_type", "loop_blocks", "tasks",
        "handles", "sched_delay_p95_ms", "sched_delay_max_ms",
        "http_rps", "http_errors_per_s", "http_p50_ms", "http_p95_ms", "http_p99_ms",
        "http_max_ms", "http_in_flight",
        "stuck_s", "health", "children", "loop_pid", "processes",
        "heap_limit_bytes", "heap_limit_percent", "watch", "keeper_version", "agent_version",
    )  # fmt: skip
    app = _app()
    assert set(promised) == set(instance_fields(app, app.instances[0], NOW, None))
