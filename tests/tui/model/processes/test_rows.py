"""Which rows the table has, in which order, and what they show."""

import pytest
from msgspec import structs

from monit_agent.client.text.format import UNKNOWN, format_bytes
from monit_agent.client.view import InstanceView
from monit_agent.replay import scenes
from monit_agent.replay.source import ReplaySource
from monit_agent.wire.ids import local_app, local_instance
from monit_agent.wire.messages import AlertRecord, Exit
from monit_tui.model.processes.condition import (
    TROUBLE,
    ClockReading,
    app_condition,
    fleet_conditions,
    instance_condition,
)
from monit_tui.model.processes.notes import reasons_of
from monit_tui.model.processes.rows import (
    Arrangement,
    RowKey,
    SortColumn,
    arrange_rows,
    instances_of,
    row_facts,
    row_name,
    serves_http,
)
from monit_tui.widgets.processes.columns import COLUMNS, choose_columns


def _now(source: ReplaySource) -> ClockReading:
    return ClockReading(source.wall(), source.monotonic())


def _names(source: ReplaySource, **how: object) -> list[str]:
    rows = arrange_rows(source.fleet, Arrangement(**how), _now(source))  # type: ignore[arg-type]
    return [row_name(key) for key in rows]


def test_rows_are_grouped_by_app() -> None:
    """An app with several instances has a row above them; an app with one has only that row."""
    assert _names(scenes.healthy()) == [
        "api", "api/0", "api/1", "web", "web/0", "web/1", "web/2", "worker/0",
    ]  # fmt: skip


def test_flat_rows_are_instances_only() -> None:
    """A flat list has only instances."""
    assert "web" not in _names(scenes.healthy(), flat=True)
    assert len(_names(scenes.healthy(), flat=True)) == 6


def test_folded_apps_hide_their_instances() -> None:
    """A folded app has only its own row."""
    names = _names(scenes.healthy(), folded=frozenset({local_app("web")}))
    assert "web" in names
    assert "web/0" not in names


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("web", {"web"}), ("web/1", {"web"}), ("backoff", {"search"}), ("errored", {"newsletter"}),
        ("stale", {"worker"}), ("@back", {"newsletter", "worker"}), ("!@shop !errored", {"worker"}),
        ("crash", {"api"}), ("nonsense", set()), ("WEB", {"web"}), ("!", set()),
    ],
)  # fmt: skip
def test_filters_match_names_states_and_namespaces(words: str, expected: set[str]) -> None:
    """All words must match; ! excludes; case is ignored."""
    source = scenes.trouble()
    rows = arrange_rows(source.fleet, Arrangement(filter=words), _now(source))
    assert {key.app.app for key in rows} == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("web", {"web/0", "web/1", "web/2"}), ("web/1", {"web/1"}), ("all", None),
        ("w*", {"web/0", "web/1", "web/2", "worker/0"}), ("@nowhere", set()),
    ],
)  # fmt: skip
def test_targets_name_apps_instances_namespaces_and_globs(
    target: str, expected: set[str] | None
) -> None:
    """The targets of the command line limit the rows."""
    source = scenes.healthy()
    names = set(_names(source, targets=(target,), flat=True))
    assert names == (set(_names(source, flat=True)) if expected is None else expected)


@pytest.mark.parametrize("column", ["cpu", "memory", "lag", "restarts"])
def test_sorting_by_a_number_puts_the_highest_first_and_the_unknown_last(
    column: SortColumn,
) -> None:
    """Rows in the same trouble, or in none, are sorted from the highest number; those with an
    unknown one are last."""
    source = scenes.trouble()
    source.advance(2)
    rows = arrange_rows(source.fleet, Arrangement(sort=column, flat=True), _now(source))
    field = {"cpu": "cpu_percent", "memory": "rss_bytes", "lag": "lag_ms"}.get(column, column)
    facts = [row_facts(source.fleet, key, _now(source)) for key in rows]
    groups: dict[int, list[float | None]] = {}
    for row in facts:
        assert row is not None
        groups.setdefault(max(row.condition.severity, TROUBLE - 1), []).append(getattr(row, field))
    assert list(groups) == sorted(groups, reverse=True)
    for found in groups.values():
        known = [value for value in found if value is not None]
        assert found == sorted(known, reverse=True) + [None] * (len(found) - len(known))


def test_sorting_by_state_puts_the_worst_first() -> None:
    """Errored is first, and a crash loop is before healthy instances."""
    source = scenes.trouble()
    names = _names(source, sort="state", flat=True)
    assert names[0] == "newsletter/0"
    assert names.index("api/0") < names.index("web/0")


def test_numbers_in_names_sort_as_numbers() -> None:
    """shop-9 is before shop-10."""
    source = scenes.many(200)
    rows = arrange_rows(source.fleet, Arrangement(), _now(source))
    apps = [source.fleet.apps[key.app] for key in rows if key.instance is None]
    well = [app.name for app in apps if app_condition(app, _now(source)).severity < TROUBLE]
    aarhus = [name for name in well if name.startswith("shop-aarhus")]
    assert len(aarhus) > 1
    assert aarhus == sorted(aarhus, key=lambda name: int(name.rsplit("-", 1)[1]))


def test_an_apps_row_adds_up_its_instances() -> None:
    """CPU and memory of an app are sums, its lag is the highest."""
    source = scenes.healthy()
    now = _now(source)
    whole = row_facts(source.fleet, RowKey(local_app("web")), now)
    each = [row_facts(source.fleet, RowKey(local_app("web"), number), now) for number in range(3)]
    assert whole is not None
    assert whole.cpu_percent == pytest.approx(sum(one.cpu_percent or 0 for one in each if one))
    assert whole.rss_bytes == sum(one.rss_bytes or 0 for one in each if one)
    assert whole.lag_ms == max(one.lag_ms or 0 for one in each if one)


def test_a_row_stands_for_its_instances() -> None:
    """An app's row has all its instances, an unknown row none."""
    fleet = scenes.healthy().fleet
    assert instances_of(fleet, RowKey(local_app("api"))) == (
        local_instance("api", 0),
        local_instance("api", 1),
    )
    assert instances_of(fleet, RowKey(local_app("gone"))) == ()
    assert row_facts(fleet, RowKey(local_app("gone")), ClockReading(0, 0)) is None
    assert row_facts(fleet, RowKey(local_app("web"), 99), ClockReading(0, 0)) is None


def test_problems_are_visible_in_the_row() -> None:
    """The state shows a crash loop, a memory limit, backoff and stale with times, and errored."""
    source = scenes.trouble()
    now = _now(source)

    def word(app: str, instance: int) -> str:
        row = row_facts(source.fleet, RowKey(local_app(app), instance), now)
        assert row is not None
        return row.condition.word

    assert word("api", 0) == "crashing"
    assert word("web", 0).startswith("mem 9")
    assert word("search", 0).startswith("backoff ")
    assert word("worker", 0).startswith("stale 1")
    assert word("newsletter", 0) == "errored"
    row = row_facts(source.fleet, RowKey(local_app("newsletter"), 0), now)
    assert row is not None
    assert row.note
    assert row.cpu_percent is None


def test_an_app_that_ran_once_is_done() -> None:
    """It is not merely stopped, as one that somebody stopped."""
    source = scenes.healthy()
    app = source.fleet.apps[local_app("worker")]
    assert app.record is not None
    view = app.instances[0]
    view.record = structs.replace(view.record, status="stopped", done=True)
    assert instance_condition(app, view, _now(source)).word == "stopped"
    app.record = structs.replace(app.record, type="once")
    assert instance_condition(app, view, _now(source)).word == "done"
    app.instances[1] = InstanceView(app.id, structs.replace(view.record, instance=1))
    assert app_condition(app, _now(source)).word == "done"


def test_a_crash_loop_has_one_name_while_its_alert_fires() -> None:
    """Rows of instance and app, and the header, say crashing between the exits too; a muted alert
    says nothing."""
    source = scenes.healthy()
    app, now = source.fleet.apps[local_app("web")], _now(source)
    view = app.instances[1]
    alert = AlertRecord(rule="crash-loop", instance=1, since=source.wall() - 90, text="4 exits")
    app.alerts = (alert,)
    for status in ("online", "backoff", "starting"):
        view.record = structs.replace(view.record, status=status)
        assert instance_condition(app, view, now).word == "crashing"
        assert app_condition(app, now).word == "2/3 crashing"
        assert [one.word for one in fleet_conditions(source.fleet, now) if one.severity > 1] == [
            "crashing"
        ]
    app.alerts = (structs.replace(alert, silent="muted"),)
    assert instance_condition(app, view, now).word == "starting"


def test_a_loop_that_answers_is_not_called_blocked() -> None:
    """The reason names the same threshold as the state; in a crash loop the error stands first."""
    source = scenes.healthy()
    source.advance(2)
    app, now = source.fleet.apps[local_app("web")], _now(source)
    view = app.instances[1]
    assert view.sample is not None

    def reasons(stuck_s: float) -> tuple[str, ...]:
        view.sample = structs.replace(view.sample, pid=view.record.pid, stuck_s=stuck_s)
        return reasons_of(app, view, now, "KeyError: 'A'")

    assert reasons(1.9) == ()
    assert reasons(6.0) == ("event loop blocked for 6s; {pane.blocked} shows where",)
    last = Exit(at=now.wall - 60, code=1, ran_s=2.0)
    view.record = structs.replace(view.record, exits=(last,))
    app.alerts = (
        AlertRecord(rule="crash-loop", instance=1, since=source.wall() - 90, text="4 exits"),
    )
    assert reasons(6.0)[:2] == ("exit code 1 after 2.0s", "KeyError: 'A'")
    assert reasons(6.0)[-1].startswith("event loop blocked")


def test_an_alert_is_in_its_row_with_its_reason() -> None:
    """It makes the row trouble, unless somebody muted it."""
    source = scenes.healthy()
    app = source.fleet.apps[local_app("web")]
    text = "event loop lag p99 312 ms, above 250 ms for 1m"
    alert = AlertRecord(rule="loop-lag", instance=1, since=source.wall() - 90, text=text)
    app.alerts = (alert,)
    found = {n: instance_condition(app, app.instances[n], _now(source)) for n in (0, 1)}
    assert [found[n].word for n in (0, 1)] == ["online", "loop-lag"]
    assert found[1].severity >= TROUBLE
    assert text in reasons_of(app, app.instances[1], _now(source), "")
    assert _names(source)[0] == "web"

    app.alerts = (structs.replace(alert, silent="muted"),)
    assert instance_condition(app, app.instances[1], _now(source)).word == "online"


@pytest.mark.parametrize(("percent", "tone"), [(None, "plain"), (50.0, "plain"), (90.0, "warn")])
def test_a_heap_warns_near_its_limit_only(percent: float | None, tone: str) -> None:
    """The heap column shows the bytes used, and warns near the heap's limit."""
    source = scenes.healthy()
    row = row_facts(source.fleet, RowKey(local_app("web"), 0), _now(source))
    assert row is not None
    (heap,) = (column for column in COLUMNS if column.title == "heap")
    assert heap.text(row) == format_bytes(row.heap_bytes) != UNKNOWN
    assert heap.tone(row._replace(heap_limit_percent=percent)) == tone


def test_http_has_a_column_when_an_app_serves_it() -> None:
    """The http column is shown when an app serves HTTP and the pane is wide enough."""

    def titles(width: int, http: bool) -> list[str]:
        return [
            column.title
            for column in choose_columns(width, 10, absent=() if http else ("http",)).columns
        ]

    assert "http" in titles(120, http=True)
    assert "http" not in titles(120, http=False)
    assert "http" not in titles(58, http=True)
    assert titles(58, http=True) == titles(58, http=False)
    source = scenes.healthy()
    assert serves_http(source.fleet)
    web = row_facts(source.fleet, RowKey(local_app("web")), _now(source))
    assert web is not None
    assert web.http_rps is not None
    assert web.http_rps > 20


def _processes(source: ReplaySource, **how: object) -> list[int | None]:
    rows = arrange_rows(source.fleet, Arrangement(**how), _now(source))  # type: ignore[arg-type]
    return [key.pid for key in rows if key.pid is not None]


POOL = RowKey(local_app("worker"), 0)


def test_processes_are_listed_below_an_opened_instance_only() -> None:
    """Grouped or flat, the processes of an opened instance are below it."""
    source = scenes.healthy()
    assert _processes(source) == []
    for flat in (False, True):
        how = Arrangement(opened=frozenset({POOL}), flat=flat)
        rows = arrange_rows(source.fleet, how, _now(source))
        place = rows.index(POOL)
        assert [key.owner for key in rows[place + 1 : place + 4]] == [POOL] * 3


def test_a_row_of_a_process_has_its_own_figures() -> None:
    """A process has its own figures, and neither state nor restarts."""
    source = scenes.healthy()
    pid = _processes(source, opened=frozenset({POOL}))[0]
    row = row_facts(source.fleet, POOL._replace(pid=pid), _now(source))
    owner = row_facts(source.fleet, POOL, _now(source))
    assert row is not None
    assert owner is not None
    assert (row.name, row.pid, row.depth, row.restarts) == ("python3 worker.py", pid, 1, None)
    assert row.stateless
    assert (row.rss_bytes or 0) < (owner.rss_bytes or 0)
    assert instances_of(source.fleet, POOL._replace(pid=pid)) == (local_instance("worker", 0),)
    assert row_facts(source.fleet, POOL._replace(pid=1), _now(source)) is None


def test_processes_are_sorted_among_themselves() -> None:
    """Processes of an instance are sorted like the rows, also in reverse."""
    source = scenes.healthy()
    found = []
    for reverse in (False, True):
        pids = _processes(source, opened=frozenset({POOL}), sort="cpu", reverse=reverse)
        rows = [row_facts(source.fleet, POOL._replace(pid=pid), _now(source)) for pid in pids]
        found.append([row.cpu_percent for row in rows if row])
    assert len(found[0]) == 3
    assert found[0] == sorted(found[0], reverse=True)
    assert found[1] == sorted(found[1])


def test_a_filter_finds_a_process() -> None:
    """A filter by pid shows the process below its instance; a filter by app shows no processes."""
    source = scenes.healthy()
    pid = _processes(source, opened=frozenset({POOL}))[1]
    how = Arrangement(filter=str(pid))
    assert arrange_rows(source.fleet, how, _now(source)) == (POOL, POOL._replace(pid=pid))
    assert arrange_rows(source.fleet, Arrangement(filter="worker"), _now(source)) == (POOL,)
    assert _processes(source, filter="!worker") == []
