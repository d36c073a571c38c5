"""Apps that come after others, as somebody sees them who starts and stops them."""

import re
import signal
from pathlib import Path

import pytest

from support.boot_process import running_boot
from support.command_line import command, listed, monit, pids, row, script
from support.foreground import Foreground
from support.reboot import reboot
from support.waiting import wait_until

FILE = """\
version = 1
[defaults]
min-uptime = "100ms"
[apps.front]
run = "sleep 1000"
after = ["web"]
[apps.web]
run = ["sh", "-c", "test -e migrated || exit 9; sleep 1000"]
after = { migrate = "done", cache = "ready" }
[apps.cache]
run = "sleep 1000"
[apps.migrate]
run = ["sh", "-c", "sleep 0.5; echo at work; test ! -e broken || exit 4; echo > migrated"]
type = "once"
"""


@pytest.fixture(name="folder")
def _folder(home: Path, tmp_path: Path) -> Path:
    assert home.exists()
    (tmp_path / "monit.toml").write_text(FILE)
    return tmp_path


def statuses() -> dict[str, str]:
    return {each["app"]: each["status"] for each in listed()}


def begun(app: str) -> float:
    """Return when the worker of an app was started."""
    return row(app)["started_at"]


def test_each_starts_after_what_it_needs(folder: Path) -> None:
    """A migration is done before the app starts, once; what comes after an app stops before it,
    and starting it starts what it needs."""
    done = command("start", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert statuses() == {
        "front": "online", "web": "online", "cache": "online", "migrate": "stopped",
    }  # fmt: skip
    migrated = row("migrate")
    assert (migrated["type"], migrated["done"], row("web")["done"]) == ("once", True, False)
    assert " done " in monit("list", "migrate")
    assert begun("cache") <= begun("web") <= begun("front")
    assert migrated["last_exit"]["at"] <= begun("web")
    before = pids("web")
    again = command("apply", cwd=folder)
    assert again.stderr == "nothing to do\n"
    assert pids("web") == before
    monit("stop", "all")
    stops = {app: row(app)["last_exit"]["at"] for app in ("front", "web", "cache")}
    assert stops["front"] <= stops["web"] <= stops["cache"]
    monit("start", "front")
    assert begun("cache") <= begun("web") <= begun("front")
    assert row("migrate")["last_exit"] == migrated["last_exit"]


def test_a_failed_one_fails_what_comes_after_it(folder: Path) -> None:
    """At once, with its name and its last lines; what is repaired is tried again by an apply, and
    what ran meanwhile is left alone."""
    (folder / "broken").touch()
    failed = command("apply", cwd=folder)
    assert failed.returncode == 1
    for text in (
        "web: nothing was done: it comes after migrate, which failed: exit code 4",
        "front: nothing was done: it comes after web, which failed",
        "at work",
    ):
        assert text in failed.stderr
    assert statuses() == {"cache": "online", "migrate": "errored"}
    assert row("migrate")["done"] is False
    cache = pids("cache")
    (folder / "broken").unlink()
    repaired = command("apply", cwd=folder)
    assert repaired.returncode == 0, repaired.stderr
    assert "migrate: start; it is not running\n" in repaired.stdout
    assert statuses()["front"] == "online"
    assert pids("cache") == cache


def test_faults_in_the_order_are_all_told(folder: Path) -> None:
    """Cycles with their path, unknown apps, and what is never done; nothing starts."""
    (folder / "monit.toml").write_text(
        'version = 1\n[apps.a]\nrun = "sleep 9"\nafter.b = "ready"\n'
        '[apps.b]\nrun = "sleep 9"\nafter = { a = "done", aa = "ready" }\n'
        '[apps.c]\nrun = "sleep 9"\nafter.a = "redy"\n'
    )
    done = command("apply", cwd=folder)
    assert done.returncode == 2
    for text in (
        "monit.toml:4: [a] after: the apps wait for each other: a → b → a",
        "monit.toml:7: [b] after: there is no app 'aa' in this file; did you mean 'a'?",
        'a is never done, because it is restarted when it exits; write type = "once"',
        "monit.toml:10: after.a: 'redy' is none of started, ready, done",
    ):
        assert text in done.stderr
    assert listed() == []


def test_options_of_the_command_line(home: Path) -> None:
    """`--after` and `--once` do the same as the keys; `started` does not wait for more."""
    assert home.exists()
    monit("start", "--name", "db", "--min-uptime", "100ms", "--", "sleep", "1000")
    options = ("--name", "api", "--after", "db", "--once")
    monit("start", *options, "--", "sh", "-c", "exit 0")
    assert row("api")["done"] is True
    assert command("start", "--after", "nosuch", "--", "sleep", "9").returncode == 1
    with_file = command("start", "--name", "x", "--once", "--", "sh", "-c", "exit 3")
    assert with_file.returncode == 1
    assert row("x")["status"] == "errored"


RUN = """\
version = 1
[defaults]
min-uptime = "100ms"
[apps.web]
run = ["sh", "-c", "trap 'echo > web-ended; exit 0' TERM; cat migrated; sleep 1000 & wait"]
after = { migrate = "done", cache = "ready" }
[apps.cache]
run = ["sh", "-c", "trap 'cat web-ended && echo in order; exit 0' TERM; echo up; sleep 1000 & wait"]
[apps.migrate]
run = ["sh", "-c", "test ! -e broken || exit 4; echo yes > migrated"]
type = "once"
"""


@pytest.fixture(name="run_folder")
def _run_folder(home: Path, tmp_path: Path) -> Path:
    assert home.exists()
    (tmp_path / "monit.toml").write_text(RUN)
    return tmp_path


def test_in_the_foreground(run_folder: Path) -> None:
    """`monit run` starts each app after what it needs, and stops them in reverse."""
    with Foreground(cwd=run_folder) as run:
        run.read_until("web/0 | yes")
        run.process.terminate()
        assert run.exit_code() == 0
        assert any(line.endswith("| in order") for line in run.lines())
        assert "No such file" not in run.messages()


def test_a_failed_one_in_the_foreground(run_folder: Path) -> None:
    """What comes after it is not started, and the message says why."""
    (run_folder / "broken").touch()
    with Foreground(cwd=run_folder) as run:
        assert run.exit_code() == 1
    assert "web was not started: it comes after migrate, which failed: " in run.messages()
    assert not any(line.startswith("web/") for line in run.lines())


def test_an_order_that_a_run_cannot_keep(home: Path) -> None:
    """An app that would wait for ever is refused before anything starts."""
    for after, text in (("db", "which is not part of this run"), ("web=started", "web → web")):
        done = command("run", "--name", "web", "--after", after, "--", "sleep", "1000")
        assert done.returncode == 2, done.stderr
        assert text in done.stderr
    assert not (home / "apps").exists() or not list((home / "apps").iterdir())


@pytest.fixture(name="server")
def _server(folder: Path) -> Path:
    """Start the apps with a `web` that fails at once, whenever its program is missing."""
    server = script(folder, "server", "#!/bin/sh\nexec sleep 1000\n")
    server.chmod(0o755)
    (folder / "monit.toml").write_text(re.sub(r"run = .*exit 9.*", 'run = ["./server"]', FILE))
    monit("start", cwd=folder)
    return server


def test_after_a_reboot(server: Path, home: Path) -> None:
    """`monit resurrect` keeps the order, and holds back what comes after an app that fails."""
    migrated = row("migrate")
    reboot(home)
    monit("resurrect")
    assert begun("cache") <= begun("web") <= begun("front")
    assert row("migrate")["last_exit"] == migrated["last_exit"]
    reboot(home)
    server.unlink()
    done = command("resurrect")
    assert done.returncode == 1
    assert "front: nothing was done: it comes after web, which failed" in done.stderr
    assert row("cache")["status"] == "online"
    assert row("front")["pid"] is None


def test_at_boot(server: Path, home: Path, tmp_path: Path) -> None:
    """`monit boot` keeps the order, stops in reverse, and holds back what comes after an app that
    has failed until that is repaired; it is ready meanwhile."""
    reboot(home)
    with running_boot(tmp_path) as boot:
        assert begun("cache") <= begun("web") <= begun("front")
        wait_until(lambda: row("front")["status"] == "online", what="all run")
        boot.end(signal.SIGTERM)
    ends = [row(app)["last_exit"]["at"] for app in ("front", "web", "cache")]
    assert ends == sorted(ends)
    moved = server.rename(server.with_name("moved"))
    with running_boot(tmp_path) as boot:
        assert "front: comes after web, which failed" in "".join(boot.reported())
        assert row("cache")["pid"] is not None
        assert row("front")["pid"] is None
        moved.rename(server)
        monit("start", "web")
        wait_until(lambda: row("front")["status"] == "online", what="front is started")
