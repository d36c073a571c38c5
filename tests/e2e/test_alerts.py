"""Alerts as a user meets them: they fire, are muted, survive their agent, and are over."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from monit_agent.wire.paths import app_paths
from support.command_line import command, monit, monit_error, row, script
from support.processes import kill
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

UNTIL_REPAIRED = """
import os, sys, time
if not os.path.exists("repaired"):
    sys.exit(3)
while True:
    time.sleep(1)
"""

IDLE = "import time\nwhile True: time.sleep(1)\n"


def alerts(*words: str) -> list[dict[str, Any]]:
    """Return what fires now."""
    return json.loads(monit("alerts", "--json", *words))["alerts"]


def events(app: str, *kinds: str) -> list[dict[str, Any]]:
    """Return the app's events of these kinds."""
    options = [word for kind in kinds for word in ("--kind", kind)]
    lines = monit("events", app, "--since", "1h", "--json", *options).splitlines()
    return [json.loads(line) for line in lines]


def agent_pid(app: str) -> int | None:
    """Return the pid of the agent that answers; None while there is none."""
    return json.loads(monit("describe", app, "--json"))[0]["agent_pid"]


def test_an_alert_outlives_its_agent_and_is_over_when_the_app_is_repaired(tmp_path: Path) -> None:
    """Giving up is one event, with its agent killed too, and its end is another."""
    app = str(script(tmp_path, text=UNTIL_REPAIRED))
    command("start", app, "--max-restarts", "0", cwd=tmp_path)
    (fired,) = wait_until(lambda: alerts("app"), what="the alert fires")
    assert (fired["rule"], fired["instance"]) == ("errored", 0)
    assert "exit code 3" in fired["text"]
    assert [each["rule"] for each in row("app")["alerts"]] == ["errored"]

    before = agent_pid("app")
    assert before is not None
    kill(before)
    wait_until(lambda: agent_pid("app") not in (None, before), what="a new agent runs")
    assert [each["since"] for each in alerts("app")] == [fired["since"]]

    (tmp_path / "repaired").touch()
    monit("start", "app")
    wait_until(lambda: not alerts("app"), what="the alert is over")
    found = wait_until(
        lambda: both if len(both := events("app", "alert_fired", "alert_cleared")) > 1 else None,
        what="both events",
    )
    assert found is not None
    assert [each["kind"] for each in found] == ["alert_fired", "alert_cleared"]
    assert found[0]["text"].startswith("errored: failed and is not restarted: ")


def test_a_rule_of_the_config_file_fires_and_is_muted(tmp_path: Path) -> None:
    """The rules of the file and of the app count; a mute is shown, and its end too."""
    script(tmp_path, text=IDLE)
    (tmp_path / "monit.toml").write_text(
        '[alerts]\ngrace = "0"\nrules = { small = "rss_bytes > 1M for 1s" }\n'
        '[apps.app]\nscript = "app.py"\nalerts.rules.many = "threads > 1000"\n'
    )
    monit("start", str(tmp_path / "monit.toml"))
    (fired,) = wait_until(alerts, what="the alert fires")
    assert fired["rule"] == "small"
    assert fired["value"] > fired["threshold"] == 1024 * 1024
    assert fired["metric"] == "rss_bytes"
    assert "small: rss_bytes " in monit("describe", "app")
    assert "small: rss_bytes > 1M for 1s, many: threads > 1000" in monit("describe", "app")

    monit("alerts", "mute", "app", "--rule", "small", "--for", "2h")
    shown = command("alerts", "app")
    assert "firing, muted" in shown.stdout
    assert "app: rule small muted until " in shown.stderr
    monit("alerts", "unmute", "app")
    assert "muted" not in command("alerts").stderr
    assert [each["text"] for each in events("app", "requested")][-2:] == [
        "mute alerts small for 2h", "unmute alerts"
    ]  # fmt: skip


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    """A wrong request is an error that names what is wrong."""
    monit("start", str(script(tmp_path, text=IDLE)))
    for words, code, why in (
        (("mute", "app"), 2, "--for"),
        (("mute", "app", "--for", "0"), 2, "unmute"),
        (("mute", "app", "--rule", "no", "--for", "1h"), 1, "there is no rule 'no'"),
        (("unmute", "app"), 1, "nothing is muted"),
        (("other",), 3, "other"),
    ):
        assert why in monit_error("alerts", *words, code=code)


def test_a_damaged_file_ends_nothing(tmp_path: Path) -> None:
    """An agent that cannot read what fired before begins without it."""
    monit("start", str(script(tmp_path, text=IDLE)), "--alert", "small=rss_bytes > 1M for 1s",
          "--alert-grace", "0")  # fmt: skip
    wait_until(lambda: alerts("app"), what="the alert fires")
    path = Path(app_paths(os.environ["MONIT_HOME"], "app").alerts)
    path.write_bytes(path.read_bytes()[:20])
    before = agent_pid("app")
    assert before is not None
    kill(before)
    wait_until(lambda: agent_pid("app") not in (None, before), what="a new agent runs")
    wait_until(lambda: alerts("app"), what="the alert fires again")
