"""The figures of an app as a whole: percentiles over all its workers, not those of the worst."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from support.command_line import command, monit
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

OBSERVES = """
import os, pathlib, time
import monit_probe
plan = pathlib.Path("plan").read_text().split()
value, pause = plan[int(os.environ["MONIT_INSTANCE"])].split("/")
took = monit_probe.histogram("took")
while True:
    took.observe(float(value))
    time.sleep(float(pause))
"""
"""Each instance observes its value again and again, after its pause."""


def _start(folder: Path, *plan: str) -> None:
    script = folder / "app.py"
    script.write_text(OBSERVES)
    (folder / "plan").write_text(" ".join(plan))
    words = ("--cwd", str(folder), "--min-uptime", "0.3s", "-i", str(len(plan)))
    monit("start", str(script), "--interpreter", sys.executable, *words)


def _history() -> list[dict[str, Any]]:
    """Return what is known of the metric, nothing before its first second."""
    done = command("history", "app", "took", "--step", "1s", "--json")
    return json.loads(done.stdout) if done.returncode == 0 else []


def _whole() -> dict[str, Any]:
    """Return the own metric of all instances; empty before it has percentiles."""
    whole = json.loads(monit("describe", "app", "--json"))[0]["all_instances"]
    took = (whole or {}).get("metrics", {}).get("took", {})
    return took if took.get("p99") and took["p99"] > 50 else {}


def test_percentiles_of_an_app_are_those_of_all_its_workers(tmp_path: Path) -> None:
    """One instance observes 1 very often, the other 100: the median of both is 1, as if one worker
    had done everything. `describe` and `history` say so, beside what each instance has."""
    _start(tmp_path, "1/0.01", "100/0.05")
    took = wait_until(_whole, what="both instances report", deadline_s=30)

    assert took["p50"] == pytest.approx(1, rel=0.02)
    assert took["p99"] == pytest.approx(100, rel=0.02)
    text = monit("describe", "app")
    assert text.index("took  mean") < text.index("app/0")
    known = wait_until(
        lambda: [each for each in _history() if each["instance"] is None],
        what="the history has a second of the app",
    )
    assert [each["metric"] for each in known] == ["took"]
    assert {each["instance"] for each in _history()} == {None, 0, 1}
    monit("delete", "app")


def test_after_a_reload_the_outgoing_worker_still_counts(tmp_path: Path) -> None:
    """What the outgoing worker observed stays in the percentiles as long as their window reaches
    back to it; what only the new one observed comes after that."""
    _start(tmp_path, "100/0.01")

    def highs() -> dict[float, float]:
        return {point["at"]: point["high"] for each in _history() for point in each["points"]}

    wait_until(lambda: 100 in map(round, highs().values()), what="it observes")
    (tmp_path / "plan").write_text("1/0.05")
    monit("reload", "app")
    events = [json.loads(line) for line in monit("events", "app", "--json").splitlines()]
    (replaced,) = [each["at"] for each in events if each["kind"] == "reload_done"]
    wait_until(lambda: 1 in map(round, highs().values()), what="only the new one counts")

    assert max(at for at, high in highs().items() if high > 90) > replaced
    monit("delete", "app")
