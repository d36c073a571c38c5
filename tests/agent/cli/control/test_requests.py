"""Waiting for commands: which apps are meant, what the progress says, and the exit code."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from monit_agent.cli.control.fleet import app_filter, rows_of, wait_for_agents
from monit_agent.cli.control.requests import (
    CommandWords,
    current_environment,
    report_results,
    show_progress,
)
from monit_agent.cli.control.selection import TargetSelection, select_targets
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.client.commands.operation import CommandProgress
from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.view import AppView, InstanceView
from monit_agent.system.files.file_lock import lock_file
from monit_agent.wire.ids import local_app
from monit_agent.wire.limits import REQUEST_BYTES
from monit_agent.wire.messages import InstanceRecord
from monit_agent.wire.paths import app_paths

WEB, API = local_app("web"), local_app("api")
WORDS = CommandWords("restarting", "restarted")


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> Iterator[LiveSource]:
    """Return a source that knows ``web`` with three instances, and ``api`` without any."""
    source = LiveSource(str(tmp_path))
    web = AppView(WEB)
    for number in range(3):
        record = InstanceRecord(
            instance=number, id=number + 5, status="online", desired="running", ready=True
        )
        web.instances[number] = InstanceView(WEB, record)
    source.fleet.apps |= {WEB: web, API: AppView(API)}
    yield source
    source.close()


# ---------------------------------------------------------------- targets


def test_only_the_named_apps_must_be_known() -> None:
    """A command about one app does not wait for the agents of others."""
    names = ["web", "api", "1"]
    for targets in (["web"], ["web/0"], ["localhost:web", ":web/2"]):
        assert list(filter(app_filter(targets, names), names)) == ["web"]


@pytest.mark.parametrize("target", ["3", "@shop", "w*", "all", "unknown", "1"])
def test_all_apps_must_be_known_for_other_targets(target: str) -> None:
    """An id, a namespace or a pattern may mean any app; so may a name that is a number."""
    names = ["web", "api", "1"]
    assert list(filter(app_filter(["web", target], names), names)) == names


def test_targets_name_apps_and_instances(source: LiveSource) -> None:
    """All instances of an app are requested as None, so that one more by then is included."""
    some = select_targets(source.fleet, ["web/0", "web/2"])
    assert some.apps == [WEB]
    assert some.instance_numbers(source, WEB) == (0, 2)
    for targets in (["web"], ["web/0", "6", "web/2"], ["all"]):
        assert select_targets(source.fleet, targets).instance_numbers(source, WEB) is None
    assert select_targets(source.fleet, ["api"]) == TargetSelection([API], frozenset())


def test_all_of_nothing_is_no_error(source: LiveSource) -> None:
    """A script may stop everything twice; a name that means nothing is an error."""
    source.fleet.apps.clear()
    for target in ("all", "localhost:all"):
        assert select_targets(source.fleet, [target]) == TargetSelection([], frozenset())
    with pytest.raises(CommandError) as failed:
        select_targets(source.fleet, ["web"])
    assert failed.value.code is ExitCode.NO_TARGET


def test_a_target_with_two_meanings_is_refused(source: LiveSource) -> None:
    """A number that is the name of one app and the id of another's instance."""
    named = local_app("5")
    source.fleet.apps[named] = AppView(named)
    with pytest.raises(CommandError) as failed:
        select_targets(source.fleet, ["5"])
    assert failed.value.code is ExitCode.USAGE


def test_a_silent_agent_is_named_with_what_to_do(source: LiveSource, tmp_path: Path) -> None:
    """Whoever holds its lock is the process to kill; without one, the log is named."""
    source.fleet.apps.pop(API)
    (app,) = source.fleet.apps.values()
    paths = app_paths(str(tmp_path), "web")
    os.makedirs(paths.folder)
    wait_for_agents(source, str(tmp_path), lambda name: name == "web", 0.0)
    assert app.link == "stale"
    text = f"its agent did not answer within 2.5 s; see {paths.agent_log}; its keeper starts"
    assert text in (app.problem or "")
    app.link, app.problem = "connecting", None
    lock = lock_file(paths.agent_lock)
    try:
        wait_for_agents(source, str(tmp_path), lambda name: name == "web", 0.0)
    finally:
        os.close(lock)
    assert f"run kill -9 {os.getpid()} to make its keeper start a new agent" in app.problem


def test_rows_are_sorted_and_an_app_without_instances_has_one(source: LiveSource) -> None:
    """Chosen instances only, when some were chosen."""
    rows = rows_of("", source.fleet.apps.values())
    assert [(row.app.name, row.view and row.view.record.instance) for row in rows] == [
        ("api", None),
        ("web", 0),
        ("web", 1),
        ("web", 2),
    ]
    chosen = rows_of("", [source.fleet.apps[WEB]], {WEB.instance(1)})
    assert [row.view and row.view.record.instance for row in chosen] == [1]


# ---------------------------------------------------------------- progress and results


def test_the_progress_counts_and_names_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    """At most four instances by name, then a number; the last step of each app is returned."""
    waits = tuple(range(1, 8))
    steps = [
        CommandProgress(WEB, waiting=waits, done=(0,)),
        CommandProgress(API, waiting=(-1,)),
        CommandProgress(WEB, waiting=(7,), done=waits[:-1], steps=((7, "starting"),)),
        CommandProgress(WEB, done=waits, answered=True),
    ]
    last = show_progress(iter(steps), WORDS)
    assert last == [steps[-1], steps[1]]
    assert capsys.readouterr().err.splitlines() == [
        "restarting web 1/8, waiting for web/1, web/2, web/3, web/4 and 3 more",
        "restarting web 1/8, waiting for web/1, web/2, web/3, web/4 and 3 more; restarting api",
        "restarting web 6/7, web/7 starting; restarting api",
    ]


def test_ctrl_c_stops_the_waiting_only(capsys: pytest.CaptureFixture[str]) -> None:
    """The text says that the request continues, and the exit code is 130."""

    def interrupted() -> Iterator[CommandProgress]:
        yield CommandProgress(WEB, waiting=(0,))
        raise KeyboardInterrupt

    with pytest.raises(CommandError) as failed:
        show_progress(interrupted(), WORDS)
    assert failed.value.code is ExitCode.INTERRUPTED
    assert str(failed.value) == (
        "stopped waiting; the request for web continues, and the apps keep running (see monit list)"
    )


def test_results_decide_the_exit_code(
    source: LiveSource, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refusal or a failed instance fails the command; a skipped one is only named."""
    source.fleet.apps.clear()
    done = CommandProgress(WEB, done=(0, 1), skipped=(2,), answered=True)
    assert report_results(source, [done]) is ExitCode.DONE
    assert capsys.readouterr().err == "web/2 is stopped; run monit start web/2\n"
    refused = CommandProgress(API, error="api: a reload is in progress")
    failed = CommandProgress(WEB, done=(1,), failed=((0, "exit code 3"),), answered=True)
    assert report_results(source, [refused, failed, done._replace(skipped=())]) is ExitCode.FAILED
    assert capsys.readouterr().err.splitlines() == [
        "monit: api: a reload is in progress",
        "monit: web/0: exit code 3",
    ]


# ---------------------------------------------------------------- the environment of a request


def test_the_environment_is_sent_only_where_it_was_requested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With every byte of it."""
    monkeypatch.setenv("COLOUR", "blue")
    monkeypatch.setitem(os.environb, b"RAW", b"\xff")
    monkeypatch.setitem(os.environb, b"A\nB", b"1")
    assert current_environment(False) is None
    sent = current_environment(True)
    assert sent is not None
    assert sent["COLOUR"] == "blue"
    assert sent["RAW"] == os.fsdecode(b"\xff")
    assert sent["A\nB"] == "1"


def test_an_environment_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its size and what to do; nothing is sent."""
    for number in range(REQUEST_BYTES // 100_000 + 1):
        monkeypatch.setenv(f"LARGE{number}", "x" * 100_000)
    with pytest.raises(click.UsageError) as failed:
        current_environment(True)
    text = str(failed.value)
    assert text.startswith("--update-env: this environment has ")
    assert f"and the most is {REQUEST_BYTES}; unset large variables" in text
