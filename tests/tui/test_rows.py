"""Which rows the table has, in which order, and what they say."""

import pytest

from monit_agent.client import scenes
from monit_agent.client.replay import ReplaySource
from monit_agent.client.view import Identity
from monit_tui.condition import Now
from monit_tui.rows import (
    Arrangement,
    RowKey,
    SortColumn,
    arrange,
    facts,
    identities,
    serves_http,
)
from monit_tui.widgets.process_columns import layout


def _now(source: ReplaySource) -> Now:
    return Now(source.wall(), source.monotonic())


def _names(source: ReplaySource, **how: object) -> list[str]:
    rows = arrange(source.fleet, Arrangement(**how), _now(source))  # type: ignore[arg-type]
    return [key.app if key.instance is None else f"{key.app}/{key.instance}" for key in rows]


def test_rows_are_grouped_by_app() -> None:
    """Each app of several instances has a row of its own above them, a lone one only its row."""
    assert _names(scenes.healthy()) == [
        "api", "api/0", "api/1", "web", "web/0", "web/1", "web/2", "worker/0",
    ]  # fmt: skip


def test_flat_rows_are_instances_only() -> None:
    """Ungrouped, only instances are listed."""
    assert "web" not in _names(scenes.healthy(), flat=True)
    assert len(_names(scenes.healthy(), flat=True)) == 6


def test_folded_apps_hide_their_instances() -> None:
    """A folded app keeps its own row."""
    names = _names(scenes.healthy(), folded=frozenset({"web"}))
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
    """All words must match; ! turns one round; case does not matter."""
    source = scenes.trouble()
    rows = arrange(source.fleet, Arrangement(filter=words), _now(source))
    assert {key.app for key in rows} == expected


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
    """What the command line accepts as a target limits the rows."""
    source = scenes.healthy()
    names = set(_names(source, targets=(target,), flat=True))
    assert names == (set(_names(source, flat=True)) if expected is None else expected)


@pytest.mark.parametrize("column", ["cpu", "memory", "lag", "restarts"])
def test_sorting_by_a_number_puts_the_highest_first_and_the_unknown_last(
    column: SortColumn,
) -> None:
    """Nobody's missing number counts as 0 or as highest."""
    source = scenes.trouble()
    source.advance(2)
    rows = arrange(source.fleet, Arrangement(sort=column, flat=True), _now(source))
    field = {"cpu": "cpu_percent", "memory": "rss_bytes", "lag": "lag_ms"}.get(column, column)
    found = [getattr(facts(source.fleet, key, _now(source)), field) for key in rows]
    known = [value for value in found if value is not None]
    assert found == sorted(known, reverse=True) + [None] * (len(found) - len(known))


def test_sorting_by_state_puts_the_worst_first() -> None:
    """What gave up stands above what loops, waits, is lost or is well."""
    source = scenes.trouble()
    names = _names(source, sort="state", flat=True)
    assert names[0] == "newsletter/0"
    assert names.index("api/0") < names.index("web/0")


def test_numbers_in_names_sort_as_numbers() -> None:
    """shop-9 comes before shop-10."""
    names = _names(scenes.many(200), flat=False)
    aarhus = [name for name in names if name.startswith("shop-aarhus") and "/" not in name]
    assert aarhus == sorted(aarhus, key=lambda name: int(name.rsplit("-", 1)[1]))


def test_an_apps_row_adds_up_its_instances() -> None:
    """CPU, memory and restarts are sums, the lag is the worst."""
    source = scenes.healthy()
    now = _now(source)
    whole = facts(source.fleet, RowKey("web"), now)
    each = [facts(source.fleet, RowKey("web", number), now) for number in range(3)]
    assert whole is not None
    assert whole.cpu_percent == pytest.approx(sum(one.cpu_percent or 0 for one in each if one))
    assert whole.rss_bytes == sum(one.rss_bytes or 0 for one in each if one)
    assert whole.lag_ms == max(one.lag_ms or 0 for one in each if one)


def test_a_row_stands_for_its_instances() -> None:
    """An app's row means all of its instances, an unknown one none."""
    fleet = scenes.healthy().fleet
    assert identities(fleet, RowKey("api")) == (Identity("api", 0), Identity("api", 1))
    assert identities(fleet, RowKey("gone")) == ()
    assert facts(fleet, RowKey("gone"), Now(0, 0)) is None
    assert facts(fleet, RowKey("web", 99), Now(0, 0)) is None


def test_trouble_is_visible_in_the_row() -> None:
    """Crash loop, near limit, backoff with its countdown, stale with its age, given up."""
    source = scenes.trouble()
    now = _now(source)

    def word(app: str, instance: int) -> str:
        row = facts(source.fleet, RowKey(app, instance), now)
        assert row is not None
        return row.condition.word

    assert word("api", 0).startswith("crash ")
    assert word("web", 0).startswith("mem 9")
    assert word("search", 0).startswith("backoff ")
    assert word("worker", 0).startswith("stale 1")
    assert word("newsletter", 0) == "errored"
    row = facts(source.fleet, RowKey("newsletter", 0), now)
    assert row is not None
    assert row.note
    assert row.cpu_percent is None


def test_requests_have_a_column_where_somebody_answers_some() -> None:
    """The column comes with the first app that has a server, and only where there is room."""

    def titles(width: int, http: bool) -> list[str]:
        return [column.title for column in layout(width, 10, http=http).columns]

    assert "http" in titles(120, http=True)
    assert "http" not in titles(120, http=False)
    assert "http" not in titles(58, http=True)
    assert titles(58, http=True) == titles(58, http=False)
    source = scenes.healthy()
    assert serves_http(source.fleet)
    web = facts(source.fleet, RowKey("web"), _now(source))
    assert web is not None
    assert web.http_rps is not None
    assert web.http_rps > 20


def _processes(source: ReplaySource, **how: object) -> list[int | None]:
    rows = arrange(source.fleet, Arrangement(**how), _now(source))  # type: ignore[arg-type]
    return [key.pid for key in rows if key.pid is not None]


POOL = RowKey("worker", 0)


def test_processes_are_listed_below_an_opened_instance_only() -> None:
    """Grouped or flat, they stand after their instance, and nowhere before it is opened."""
    source = scenes.healthy()
    assert _processes(source) == []
    for flat in (False, True):
        how = Arrangement(opened=frozenset({POOL}), flat=flat)
        rows = arrange(source.fleet, how, _now(source))
        place = rows.index(POOL)
        assert [key.owner for key in rows[place + 1 : place + 4]] == [POOL] * 3


def test_a_row_of_a_process_has_its_own_figures() -> None:
    """Figures of the process, indented below its instance; no state, no restarts of its own."""
    source = scenes.healthy()
    pid = _processes(source, opened=frozenset({POOL}))[0]
    row = facts(source.fleet, POOL._replace(pid=pid), _now(source))
    owner = facts(source.fleet, POOL, _now(source))
    assert row is not None
    assert owner is not None
    assert (row.name, row.pid, row.depth, row.restarts) == ("python3 worker.py", pid, 1, None)
    assert row.stateless
    assert (row.rss_bytes or 0) < (owner.rss_bytes or 0)
    assert identities(source.fleet, POOL._replace(pid=pid)) == (Identity("worker", 0),)
    assert facts(source.fleet, POOL._replace(pid=1), _now(source)) is None


def test_processes_are_sorted_among_themselves() -> None:
    """By CPU the busiest comes first, reversed the idlest; they never leave their instance."""
    source = scenes.healthy()
    found = []
    for reverse in (False, True):
        pids = _processes(source, opened=frozenset({POOL}), sort="cpu", reverse=reverse)
        rows = [facts(source.fleet, POOL._replace(pid=pid), _now(source)) for pid in pids]
        found.append([row.cpu_percent for row in rows if row])
    assert len(found[0]) == 3
    assert found[0] == sorted(found[0], reverse=True)
    assert found[1] == sorted(found[1])


def test_a_filter_finds_a_process() -> None:
    """A pid shows that process below its instance, also when it was not opened; the name of an
    app does not open it."""
    source = scenes.healthy()
    pid = _processes(source, opened=frozenset({POOL}))[1]
    how = Arrangement(filter=str(pid))
    assert arrange(source.fleet, how, _now(source)) == (POOL, POOL._replace(pid=pid))
    assert arrange(source.fleet, Arrangement(filter="worker"), _now(source)) == (POOL,)
    assert _processes(source, filter="!worker") == []
