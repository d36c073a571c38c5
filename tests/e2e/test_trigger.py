"""`monit trigger` and an app's own metrics: real apps under a real keeper and agent."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from monit_agent.demo import bakery
from support.command_line import command, monit, row, script
from support.ports import free_port
from support.programs import program
from support.waiting import wait_until

APP = program("own_metrics.py")


@pytest.fixture(name="web")
def _web(home: Path, tmp_path: Path) -> str:
    """Return the name of a running app with two instances whose probes report."""
    assert home.exists()
    script(tmp_path, text=APP)
    monit(
        "start", "app.py", "-i", "2", "--name", "web", "--interpreter", sys.executable, cwd=tmp_path
    )
    for number in (0, 1):
        wait_until(
            lambda number=number: "baking" in row("web", number)["metrics"],
            what="its metrics are known",
        )
    return "web"


def _triggered(*words: str, code: int = 0) -> list[dict[str, Any]]:
    done = command("trigger", *words, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_every_process_answers_and_says_who_it_is(web: str) -> None:
    """Both instances run the action with its words; one line each, or one object each."""
    done = command("trigger", web, "join", "a b", "--", "-v")
    told = _triggered(f"{web}/1", "join")

    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == f'web/0 (pid {row(web, 0)["pid"]}): {{"instance": "0", "words": ["a b", "-v"]}}'
    assert second.startswith("web/1 (pid ")
    assert told == [{
        "host": "", "app": "web", "instance": 1, "pid": row(web, 1)["pid"], "ok": True,
        "value": {"instance": "1", "words": []}, "error": None,
    }]  # fmt: skip


def test_what_an_action_raises_is_an_error_without_escapes(web: str) -> None:
    """The error goes to stderr and the exit code is 1; an escape sequence is written out."""
    done = command("trigger", web, "burn")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("ValueError: too hot \\x1b[2J") == 2
    assert [each["error"][:10] for each in _triggered(web, "burn", code=1)] == ["ValueError"] * 2


def test_one_that_fails_does_not_hide_the_other(web: str) -> None:
    """The answer of the one is printed, the error of the other too."""
    done = command("trigger", web, "half")

    assert done.returncode == 1
    assert "web/0" in done.stdout
    assert "done" in done.stdout
    assert "web/1" in done.stderr
    assert "RuntimeError: not here" in done.stderr


def test_an_unknown_action_is_refused_with_the_known_ones(web: str) -> None:
    """A misspelt action lists what can be triggered instead."""
    done = command("trigger", web, "jion")

    assert (done.returncode, done.stdout) == (1, "")
    assert "no process of web offers 'jion'" in done.stderr
    assert "burn, gc, half, hang, join, later, stacks" in done.stderr


def test_an_action_that_hangs_is_given_up_in_time(web: str) -> None:
    """After --timeout the command ends and says that it may still run; others still answer."""
    began = time.monotonic()
    done = command("trigger", web, "hang", "--timeout", "1")

    assert done.returncode == 1
    assert time.monotonic() - began < 20
    assert done.stderr.count("no answer within 1 s; the action may still be running") == 2
    assert _triggered(web, "join")[0]["ok"]


def test_a_process_that_is_held_never_runs_what_was_given_up(web: str) -> None:
    """A stopped process does not take the request; it is taken back and not run later."""
    pid = row(web, 0)["pid"]
    os.kill(pid, 19)
    try:
        done = command("trigger", f"{web}/0", "join", "x", "--timeout", "1")
    finally:
        os.kill(pid, 18)

    assert done.returncode == 1
    assert "never took the request" in done.stderr or "offers" in done.stderr
    assert _triggered(f"{web}/0", "join")[0]["ok"]


def test_a_coroutine_runs_in_the_apps_loop(web: str) -> None:
    """An async action is awaited where the app itself runs."""
    assert [each["value"] for each in _triggered(web, "later")] == [True, True]


def test_stacks_can_be_triggered_in_an_unchanged_program(home: Path, tmp_path: Path) -> None:
    """What every program can do is there without a line of code; stacks reads like a traceback."""
    assert home.exists()
    cycle = "gc.disable(); a = []; a.append(a); del a"  # what only a collection can free
    text = f"import gc, time; {cycle}\ndef bake():\n    time.sleep(600)\nbake()\n"
    script(tmp_path, text=text)
    monit("start", "app.py", "--name", "web", "--interpreter", sys.executable, cwd=tmp_path)
    output = wait_until(
        lambda: (
            done.stdout if (done := command("trigger", "web", "stacks")).returncode == 0 else ""
        ),
        what="its probe reports",
    )

    assert "MainThread" in output
    assert output.rstrip().endswith("app.py:3 bake")
    (collected,) = _triggered("web", "gc")
    assert collected["value"]["collected"] > 0


@pytest.mark.usefixtures("home")
def test_what_has_no_probe_says_so(tmp_path: Path) -> None:
    """Nothing can be triggered without a probe, and the reason is given."""
    script(tmp_path, text="import time; time.sleep(600)")
    monit("start", "app.py", "--name", "web", "--no-probe", cwd=tmp_path)
    done = command("trigger", "web", "gc")

    assert done.returncode == 1
    assert "web offers no actions: no probe reports from it" in done.stderr
    assert command("trigger", "nosuch", "gc").returncode == 3


def test_own_metrics_stand_in_list_and_describe(web: str) -> None:
    """Values, rates and percentiles in JSON; describe has them for people, with the actions."""
    found = wait_until(
        lambda: metrics if (metrics := row(web, 0)["metrics"])["orders"]["rate"] else {},
        what="a rate is known",
    )
    output = monit("describe", f"{web}/0")
    described = json.loads(monit("describe", f"{web}/0", "--json"))[0]

    assert (found["orders"]["kind"], found["orders"]["unit"]) == ("counter", "loaves")
    assert found["orders"]["value"] >= 1
    assert 0 < found["orders"]["rate"] < 100
    assert found["queue"] == {
        "value": 3, "unit": "", "kind": "gauge", "rate": None, "p50": None, "p95": None,
        "p99": None, "text": None,
    }  # fmt: skip
    assert found["mode"]["text"] == "night"
    assert found["baking"]["p95"] == 4
    assert "loaves" in output
    assert "join  Join words." in output
    assert {"name": "join", "help": "Join words."} in described["actions"]
    assert described["probe_faults"] == []


def test_actions_can_be_triggered_after_the_agent_was_killed(web: str) -> None:
    """The next agent uses the same folder; what the killed one had requested is not run again."""
    pid = json.loads(monit("describe", web, "--json"))[0]["agent_pid"]
    os.kill(pid, 9)
    wait_until(
        lambda: len(json.loads(command("trigger", web, "join", "--json").stdout or "[]")) == 2,
        what="both processes answer the next agent",
    )


def test_the_demos_bakery_reports_its_metrics_and_clears_its_rack(home: Path) -> None:
    """The app that `monit demo` shows uses the API as the documentation has it."""
    assert home.exists()
    port = free_port()
    monit("start", bakery.__file__, "--name", "web", "--env", f"PORT={port}",
       "--interpreter", sys.executable)  # fmt: skip
    # a rate is known of what is baked after the probe's first report: bake until it is
    baked = wait_until(
        lambda: (
            batches
            if (batches := _bake(port)) and row("web")["metrics"].get("baking", {}).get("rate")
            else 0
        ),
        what="its metrics are shown",
    )
    metrics = wait_until(
        lambda: known if (known := row("web")["metrics"])["cooling"]["value"] == baked else {},
        what="all batches are counted",
    )
    (cleared,) = _triggered("web", "clear rack")

    assert metrics["loaves sold"]["kind"] == "counter"
    assert metrics["baking"]["p50"] >= 50
    assert cleared["value"] == {"batches": baked}


def test_the_bakery_runs_without_us(tmp_path: Path) -> None:
    """Outside monit the same file serves, with the documented lines in place of the module."""
    port = free_port()
    env = {key: value for key, value in os.environ.items() if not key.startswith("MONIT")}
    with subprocess.Popen(
        [sys.executable, bakery.__file__], env={**env, "PORT": str(port)}, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            wait_until(lambda: _bake(port), what="the bakery bakes")
        finally:
            process.terminate()
        output, _ = process.communicate()

    assert process.returncode == 0, output
    assert "Traceback" not in output


def _bake(port: int) -> int:
    """Return how many batches are on the rack after one more; 0 when nothing listens yet."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/bake", b"{}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(json.load(answer)["batches"])
    except OSError:
        return 0
