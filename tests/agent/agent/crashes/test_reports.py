"""Every unplanned exit leaves a report, whoever was there to see it."""

import os
import signal
from pathlib import Path

import pytest

from monit_agent.agent.crashes.collector import is_crash
from monit_agent.wire.messages import (
    AppRecord,
    Crashes,
    CrashesPart,
    CrashReport,
    Exit,
    MetricsPart,
    MetricsRange,
    RestartPolicy,
)
from support.agent import Client, RunningApp, running_app
from support.waiting import wait_until

CRASHER = """
import os, sys, time
print("first", flush=True)
while not os.path.exists(os.environ["HOME_OF_TEST"] + "/go"): time.sleep(0.01)
os.unlink(os.environ["HOME_OF_TEST"] + "/go")
print("working", flush=True)
raise ValueError("bad \\x1b[31mluck")
"""


def _code(folder: Path) -> str:
    return CRASHER.replace('os.environ["HOME_OF_TEST"]', repr(str(folder)))


def _reports(client: Client, limit: int = 9) -> tuple[CrashReport, ...]:
    """Return the reports; () also when an agent that dies had received the request."""
    try:
        answer = client.request(Crashes(instance=0, limit=limit), 3.0)
    except AssertionError:
        return ()
    assert isinstance(answer, CrashesPart)
    return answer.reports


def _wait_for_history(client: Client) -> None:
    def sampled() -> bool:
        answer = client.request(MetricsRange(instance=0))
        return isinstance(answer, MetricsPart) and "rss_bytes" in answer.figures

    wait_until(sampled, what="a sample of a whole second")


def _first_report(app: RunningApp) -> CrashReport:
    return wait_until(lambda: _reports(app.client), what="a crash report")[0]


def test_a_crash_is_reported_with_what_led_to_it(home: Path, tmp_path: Path) -> None:
    """Exit, pid, reason, the worker's last lines, its metrics and what was changed before."""
    with running_app(home, _code(tmp_path)) as app:
        (pid,) = app.pids()
        _wait_for_history(app.client)
        (tmp_path / "go").write_text("")
        report = _first_report(app)
        assert report.exit.code == 1
        assert report.pid == pid
        assert report.reason == "ValueError: bad luck"
        texts = [(line.stream, line.text) for line in report.lines]
        assert texts[:2] == [("out", "first"), ("out", "working")]
        assert texts[-1] == ("err", "ValueError: bad \x1b[31mluck")
        assert all(line.at_ns for line in report.lines)
        assert any(report.figures["rss_bytes"])
        assert {len(values) for values in report.figures.values()} == {len(report.at)}
        announced = wait_until(
            lambda: [each for each in app.client.snapshot().events if each.kind == "crashed"]
        )
        assert announced[0].text == "ValueError: bad luck"
        (path,) = (home / "apps" / "web" / "crashes").iterdir()
        assert path.stat().st_mode & 0o777 == 0o600


def test_the_next_workers_lines_are_not_in_the_report(home: Path, tmp_path: Path) -> None:
    """Each report has the lines of its own worker."""
    with running_app(home, _code(tmp_path)) as app:
        for count in (1, 2):
            (tmp_path / "go").write_text("")
            wait_until(lambda count=count: len(_reports(app.client)) == count)
        for report in _reports(app.client):
            texts = [line.text for line in report.lines]
            assert texts.count("first") == 1
            assert texts.count("working") == 1


def test_an_exit_that_nobody_saw_is_reported_later(home: Path, tmp_path: Path) -> None:
    """Keeper and agent are killed with the worker: the next agent makes the report from what is on
    disk, and once only."""
    with running_app(home, _code(tmp_path)) as app:
        _wait_for_history(app.client)
        before = app.client.snapshot()
        os.kill(before.agent_pid, signal.SIGKILL)
        (tmp_path / "go").write_text("")
        report = _first_report(app)
        assert report.reason == "ValueError: bad luck"
        agent = app.client.snapshot().agent_pid
        os.kill(agent, signal.SIGKILL)
        wait_until(
            lambda: (found := app.client.try_snapshot()) is not None and found.agent_pid != agent
        )
        assert len(_reports(app.client)) == 1


def test_a_stop_that_was_requested_is_no_crash() -> None:
    """Nor is the end of a job, or an exit code that means stop."""
    service = AppRecord(name="a", script="a", cwd="/", user="me", created_at=1.0)
    job = AppRecord(
        name="a", script="a", cwd="/", user="me", created_at=1.0,
        policy=RestartPolicy(restart="never", stop_exit_codes=(3,)),
    )  # fmt: skip
    assert is_crash(Exit(code=0, at=1.0, ran_s=1.0), service)
    assert not is_crash(Exit(code=0, at=1.0, ran_s=1.0), job)
    assert is_crash(Exit(code=1, at=1.0, ran_s=1.0), job)
    assert not is_crash(Exit(code=3, at=1.0, ran_s=1.0), job)
    assert not is_crash(Exit(code=1, at=1.0, ran_s=1.0, requested=True), service)


@pytest.mark.parametrize("limit", [-5, 0, 10**9])
def test_a_request_is_bounded(home: Path, limit: int) -> None:
    """However many are asked for, an answer comes."""
    with running_app(home, "import time; time.sleep(1000)") as app:
        assert _reports(app.client, limit) == ()
