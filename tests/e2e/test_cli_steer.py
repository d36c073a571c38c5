"""The verbs that change running apps do what they say, and say what they did."""

import json
from pathlib import Path

import pytest

from support.command_line import command, listed, monit, script
from support.waiting import wait_until


@pytest.fixture(name="web")
def _web(home: Path, tmp_path: Path) -> str:
    """Return the name of a running app with two instances."""
    script(tmp_path)
    monit("start", "app.py", "-i", "2", "--name", "web", cwd=tmp_path)
    assert home.exists()
    return "web"


def _pids() -> list[int]:
    return [row["pid"] for row in listed()]


def test_stop_start_and_restart_single_instances(web: str) -> None:
    """web/1 can be stopped and started alone; restart replaces both and counts it."""
    first = _pids()
    done = command("stop", f"{web}/1")
    assert done.returncode == 0
    assert "stopped" in done.stdout
    assert "web/0" not in done.stdout
    assert [row["status"] for row in listed()] == ["online", "stopped"]
    assert listed()[1]["pid"] is None
    assert listed()[1]["last_exit"]["signal"] == 15
    monit("start", f"{web}/1")
    assert [row["status"] for row in listed()] == ["online", "online"]
    assert _pids()[0] == first[0]
    monit("restart", "all")
    rows = listed()
    assert not set(first) & {row["pid"] for row in rows}
    assert rows[0]["restarts"] == 1
    assert rows[0]["uptime_s"] < 60


def test_a_host_before_a_target_is_understood(web: str) -> None:
    """`localhost:web/1` is this machine's, and an unknown host is an error of its own."""
    monit("stop", f"localhost:{web}/1")
    assert [(row["host"], row["status"]) for row in listed()] == [("", "online"), ("", "stopped")]
    monit("start", f"localhost:{web}")
    assert [row["status"] for row in listed()] == ["online", "online"]
    done = command("stop", f"sparta:{web}")
    assert done.returncode == 3
    assert "no host 'sparta'" in done.stderr
    assert "localhost" in done.stderr


def test_reload_replaces_every_instance(web: str) -> None:
    """After reload all instances are online and none is the one from before."""
    before = set(_pids())
    monit("reload", web)
    assert not before & set(_pids())
    assert [row["status"] for row in listed()] == ["online", "online"]


def test_scale_takes_absolute_and_relative_numbers(web: str) -> None:
    """Going to 4, +1 and -2 lead to 4, 5 and 3 instances; -2 is not taken for an option."""
    for word, count in (("4", 4), ("+1", 5), ("-2", 3)):
        done = command("scale", web, word)
        assert done.returncode == 0, done.stderr
        assert f"{count} instances" in done.stderr
        assert [row["instance"] for row in listed()] == list(range(count))


def test_delete_forgets_the_app_and_keeps_its_logs(web: str, home: Path) -> None:
    """Deleting empties the list, says where the logs stay, and they are there."""
    wait_until(lambda: "tick" in monit("logs", web, "--no-follow"))
    done = command("delete", web)
    assert done.returncode == 0
    assert str(home / "apps" / web / "logs") in done.stderr
    assert listed() == []
    assert b"tick" in (home / "apps" / web / "logs" / "0.out.log").read_bytes()


def test_signal_reaches_the_worker_by_name_and_number(home: Path, tmp_path: Path) -> None:
    """USR1, SIGUSR1 and 10 are the same signal and all arrive."""
    text = (
        "import signal,time\nsignal.signal(10, lambda *_: print('got it', flush=True))\n"
        "print('ready', flush=True)\nwhile True: time.sleep(0.05)\n"
    )
    script(tmp_path, text=text)
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "ready" in monit("logs", "--no-follow"))
    for count, name in enumerate(("USR1", "SIGUSR1", "10"), start=1):
        monit("signal", name, "app")
        wait_until(lambda count=count: monit("logs", "--no-follow").count("got it") == count)
    assert home.exists()


def test_reset_sets_the_counters_to_zero(web: str) -> None:
    """After reset no restart is counted and no exit is known."""
    monit("restart", web)
    assert listed()[0]["restarts"] == 1
    monit("reset", web)
    rows = listed()
    assert [row["restarts"] for row in rows] == [0, 0]
    assert [row["last_exit"] for row in rows] == [None, None]


def test_flush_empties_the_logs(web: str) -> None:
    """After flush the old lines are gone and the new ones come."""
    wait_until(lambda: "tick 3" in monit("logs", web, "--no-follow", "-n", "1000"))
    monit("flush", web)
    lines = monit("logs", web, "--no-follow", "-n", "100000")
    assert "up" not in lines
    wait_until(lambda: "tick" in monit("logs", web, "--no-follow"))


def test_targets_by_glob_namespace_and_id(home: Path, tmp_path: Path) -> None:
    """Globs, @namespace and ids mean what they say, and aliases of pm2 are verbs."""
    script(tmp_path)
    for name, space in (("api-a", "back"), ("api-b", "back"), ("web", "front")):
        monit("start", "app.py", "--name", name, "--namespace", space, cwd=tmp_path)
    assert [row["app"] for row in json.loads(monit("ls", "api-*", "--json"))] == ["api-a", "api-b"]
    assert [row["app"] for row in json.loads(monit("status", "@front", "--json"))] == ["web"]
    number = str(listed("web")[0]["id"])
    monit("stop", number)
    assert listed("web")[0]["status"] == "stopped"
    monit("del", "@back")
    assert [row["app"] for row in listed()] == ["web"]
    assert home.exists()


def test_describe_shows_everything_and_as_json(web: str, home: Path) -> None:
    """The sheet names command, limits, logs and endpoints; the JSON adds to that of list."""
    wait_until(lambda: listed()[0]["rss_bytes"] is not None, what="a first sample")
    sheet = monit("describe", web)
    for word in ("web/0", "web/1", "SIGTERM", "keeper pid", "0.out.log", "ctl.sock", "tick"):
        assert word in sheet
    first, second = json.loads(monit("describe", web, "--json"))
    assert set(listed()[0]) < set(first)
    assert second["instance"] == 1
    assert first["endpoints"]["pub"] == f"ipc://{home}/apps/web/pub.sock"
    assert [log["stream"] for log in first["logs"]] == ["out", "err"]
    assert first["config"]["policy"]["kill_timeout_s"] == 10.0
    assert first["uss_bytes"] > 0
    assert first["keeper_pid"] != first["agent_pid"]
    assert {event["kind"] for event in first["history"]["events"]} >= {"spawned", "ready"}


def test_a_slow_crash_loop_looks_like_one(home: Path, tmp_path: Path) -> None:
    """The list shows how often an app exits again and again after it was online."""
    script(tmp_path, text="import time\ntime.sleep(0.5)\nraise SystemExit(1)\n")
    monit("start", "app.py", "--min-uptime", "100ms", cwd=tmp_path)
    wait_until(lambda: "/min" in monit("list"), what="restarts per minute in the list")
    assert listed()[0]["last_exit"]["code"] == 1
    assert home.exists()


def test_all_without_apps_is_no_error(home: Path) -> None:
    """Scripts may stop or delete all when there is nothing."""
    for verb in ("stop", "restart", "delete", "flush"):
        done = command(verb, "all")
        assert done.returncode == 0
        assert "no apps" in done.stderr
    assert home.exists()


def test_a_restart_that_fails_says_so(home: Path, tmp_path: Path) -> None:
    """When the new worker exits at once, restart exits with 1 and shows its last lines."""
    path = script(tmp_path)
    monit("start", "app.py", cwd=tmp_path)
    path.write_text("raise SystemExit('broken deployment')\n")
    done = command("restart", "app")
    assert done.returncode == 1
    assert "broken deployment" in done.stderr
    assert home.exists()


def test_a_worker_that_ignores_its_signal_is_killed(home: Path, tmp_path: Path) -> None:
    """Stop waits for --kill-timeout, then the worker is gone and the exit says by what."""
    text = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\nwhile True: time.sleep(1)\n"
    )
    script(tmp_path, text=text)
    monit("start", "app.py", "--kill-timeout", "300ms", cwd=tmp_path)
    wait_until(lambda: "deaf" in monit("logs", "--no-follow"))
    monit("stop", "app")
    (row,) = listed()
    assert (row["status"], row["last_exit"]["signal"]) == ("stopped", 9)
    assert home.exists()


@pytest.mark.full
def test_scale_to_many_and_back(home: Path) -> None:
    """400 forks take longer than an agent waits for an answer: scale succeeds nevertheless."""
    monit("start", "--name", "many", "--", "sleep", "1000")
    monit("scale", "many", "400")
    assert [each["status"] for each in listed("many")] == ["online"] * 400
    monit("scale", "many", "2")
    assert len(listed("many")) == 2
    monit("delete", "many")
    assert home.exists()
