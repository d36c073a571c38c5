"""What happened: `monit history` and `monit events`, also after everything of monit was killed."""

import csv
import io
import json
from pathlib import Path

import pexpect
import pytest

from support.command_line import command, in_terminal, keeper_pid, monit, monit_error, row, script
from support.processes import kill
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

BUSY = """
import time
while True:
    sum(range(20000))
    time.sleep(0.01)
"""


def _samples(*words: str) -> int:
    """Return how many samples of the CPU are known."""
    done = command("history", "app", "cpu_percent", "--step", "1s", "--json", *words)
    if done.returncode:
        return 0
    return sum(point["samples"] for each in json.loads(done.stdout) for point in each["points"])


def _agent_pid() -> int | None:
    return json.loads(monit("describe", "app", "--json"))[0]["agent_pid"]


def test_the_past_survives_agent_and_keeper(tmp_path: Path) -> None:
    """Samples and events from before a kill -9 of both are known afterwards, and go on."""
    monit("start", str(script(tmp_path, text=BUSY)))
    wait_until(lambda: _samples() >= 2, what="there are samples")
    before = _samples()
    described = json.loads(monit("describe", "app", "--json"))[0]
    agent, keeper, worker = described["agent_pid"], described["keeper_pid"], described["pid"]
    kill(agent)
    wait_until(lambda: _agent_pid() not in (None, agent), what="a new agent runs")
    kill(keeper)
    wait_until(lambda: keeper_pid("app") not in (None, keeper), what="a new keeper runs")
    wait_until(lambda: _samples() > before, what="the past is known, and grows")

    assert row("app")["pid"] == worker
    shown = [json.loads(line) for line in monit("events", "app", "--json").splitlines()]
    kinds = [each["kind"] for each in shown]
    assert kinds.count("spawned") == 1
    assert kinds.count("adopted") == 1
    assert kinds.index("spawned") < kinds.index("adopted")
    assert {each["app"] for each in shown} == {"app"}


def test_the_past_is_shown_as_table_chart_and_data(tmp_path: Path) -> None:
    """A person gets numbers in their units and a chart, a program JSON and CSV."""
    monit("start", str(script(tmp_path, text=BUSY)))
    wait_until(lambda: _samples() >= 2, what="there are samples")

    table = monit("history", "app")
    assert "app/0" in table
    assert "rss_bytes" in table
    chart = monit("history", "app/0", "rss_bytes", "--since", "1m", "--plot")
    assert chart.startswith("app/0 rss_bytes  now ")
    assert len(chart.splitlines()) == 11
    rows = list(csv.DictReader(io.StringIO(monit("history", "app", "rss_bytes", "--csv"))))
    assert {each["metric"] for each in rows} == {"rss_bytes"}
    short = csv.DictReader(io.StringIO(monit("history", "app", "mem", "--csv")))
    assert {each["metric"] for each in short} == {"rss_bytes"}
    assert all(float(each["low"]) <= float(each["high"]) for each in rows)


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("history", "app", "--step", "0.5s"), 2, "a whole number of seconds"),
        (("history", "app", "--since", "1m", "--until", "2h"), 1, "ends before it begins"),
        (("history", "app", "no_such_metric"), 1, "nothing of no_such_metric is known"),
        (
            ("history", "app", "cpu_precent"),
            1,
            "no metric 'cpu_precent'; did you mean cpu_percent?",
        ),
        (("history", "other"), 3, "other"),
        (("events", "--follow", "--until", "1m"), 2, "--until"),
    ],
)
def test_what_cannot_be_shown_is_said(
    tmp_path: Path, words: tuple[str, ...], code: int, why: str
) -> None:
    """A wrong request is an error that names what is wrong."""
    monit("start", str(script(tmp_path, text=BUSY)))
    assert why in monit_error(*words, code=code)


def test_events_can_be_followed_and_chosen(tmp_path: Path) -> None:
    """A program that follows events sees each once, with who requested it."""
    monit("start", str(script(tmp_path)))
    follower = in_terminal(
        "events", "--follow", "--json", "--since", "1h", "--kind", "ready", "--kind", "exited"
    )
    follower.expect(r'"kind": "ready"')
    kill(row("app")["pid"])
    follower.expect(r'"kind": "exited"')
    line = follower.before + follower.after + follower.readline()
    assert "SIGKILL" in line
    follower.sendintr()
    follower.expect(pexpect.EOF)
    follower.wait()

    assert "exited" in monit("events", "app", "--since", "1h")
    assert "spawned" not in monit("events", "app", "--since", "1h", "--kind", "exited")
