"""`monit start`: what runs afterwards, what is printed, and how it ends."""

import os
import subprocess
import time
from pathlib import Path

import pexpect
import pytest

from support.command_line import MONIT, command, in_terminal, listed, monit, script
from support.ports import free_port
from support.waiting import wait_until

EXITS = "import sys\nprint('about to fail')\nprint('no database', file=sys.stderr)\nsys.exit(3)\n"


def test_start_returns_when_all_is_online_and_prints_the_rows(home: Path, tmp_path: Path) -> None:
    """Two instances with arguments are online when the command returns, and listed."""
    script(tmp_path)
    done = command("start", "app.py", "-i", "2", "--name", "web", "--", "--flag", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("online") == 2
    assert "web/0" in done.stdout
    assert "web/1" in done.stdout
    rows = listed("web")
    assert [row["status"] for row in rows] == ["online", "online"]
    assert rows[0]["script"] == str(tmp_path / "app.py")
    wait_until(lambda: "up --flag" in monit("logs", "web/0", "--no-follow", "-n", "1000"))
    assert (home / "apps" / "web").stat().st_mode & 0o777 == 0o700
    assert home.stat().st_mode & 0o777 == 0o700


def test_an_app_that_always_exits_fails_the_start_and_shows_why(home: Path, tmp_path: Path) -> None:
    """Exit code 1, the reason and the last lines on stderr; the app stays listed."""
    script(tmp_path, text=EXITS)
    done = command("start", "app.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "no database" in done.stderr
    assert "code 3" in done.stderr
    assert "monit describe app" in done.stderr
    assert listed("app")[0]["restarts"] >= 1
    assert home.exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--log-to", "none"), "What app/0 printed is not kept"),
        (("--log-err", "none"), "Last lines of app/0 (out):\n  about to fail"),
        (("--log-out", "none", "--log-err", "none"), "printed on standard output and error is not"),
    ],
)
def test_output_that_is_not_kept_is_not_taken_for_silence(
    options: tuple[str, ...], text: str, home: Path, tmp_path: Path
) -> None:
    """A failed start says that the app's words are not kept, and not that it printed nothing."""
    script(tmp_path, text=EXITS)
    done = command("start", "app.py", "--min-uptime", "30s", *options, cwd=tmp_path)
    assert done.returncode == 1
    assert text in done.stderr
    assert "printed nothing" not in done.stderr
    assert home.exists()


def test_a_job_that_ends_well_is_a_success(home: Path, tmp_path: Path) -> None:
    """With --no-autorestart a script that does its work and exits 0 has started well."""
    script(tmp_path, text="print('done')\n")
    done = command("start", "app.py", "--no-autorestart", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert listed("app")[0]["status"] == "stopped"
    assert home.exists()


def test_modules_commands_and_shell_scripts(home: Path, tmp_path: Path) -> None:
    """-m runs a module, '--' a command, .sh a shell script; each gets a sensible name."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    script(tmp_path / "pkg", "mod.py")
    script(tmp_path, "job.sh", "while true; do echo beat; sleep 0.2; done\n")
    monit("start", "-m", "pkg.mod", cwd=tmp_path)
    monit("start", "job.sh", cwd=tmp_path)
    monit("start", "--name", "nap", "--", "sleep", "1000", cwd=tmp_path)
    by_name = {row["app"]: row for row in listed()}
    assert set(by_name) == {"pkg.mod", "job", "nap"}
    assert by_name["nap"]["script"] == "sleep"
    assert home.exists()


def test_environment_and_port_reach_the_workers(home: Path, tmp_path: Path) -> None:
    """--env-file, --env, --port and --cwd are what the worker sees; --update-env renews what it
    inherited, and what was set stays."""
    script(
        tmp_path,
        "show.py",
        "import os, socket\nprint(os.environ.get('A'), os.environ.get('B'),"
        " os.environ.get('PORT'), os.environ.get('C'), os.getcwd(), flush=True)\n"
        "socket.create_server(('', int(os.environ['PORT']))).accept()\n",
    )
    (tmp_path / "my.env").write_text("export A='from file'\nB=file # comment\n")
    there = tmp_path / "there"
    there.mkdir()
    port = free_port()
    words = [
        "show.py",
        "--env-file",
        "my.env",
        "--env",
        "B=x=y",
        "--port",
        str(port),
        "--cwd",
        "there",
    ]
    monit("start", *words, cwd=tmp_path)
    wait_until(lambda: f"from file x=y {port} None {there}" in monit("logs", "--no-follow"))
    done = command("restart", "show", "--update-env", cwd=tmp_path, env={"A": "new", "C": "c"})
    assert done.returncode == 0, done.stderr
    wait_until(lambda: f"from file x=y {port} c {there}" in monit("logs", "--no-follow"))
    assert home.exists()


def test_what_runs_is_not_started_again(home: Path, tmp_path: Path) -> None:
    """A second start of a running app is refused and names the verbs that would help."""
    script(tmp_path)
    monit("start", "app.py", cwd=tmp_path)
    before = listed()[0]["pid"]
    done = command("start", "app.py", cwd=tmp_path)
    assert done.returncode == 1
    for word in ("already running", "monit restart app", "monit scale app", "--name"):
        assert word in done.stderr
    by_name = command("start", "app")
    assert by_name.returncode == 0
    assert "already running" in by_name.stderr
    assert [row["pid"] for row in listed()] == [before]
    assert home.exists()


def test_what_is_stopped_starts_by_name_and_with_new_options(home: Path, tmp_path: Path) -> None:
    """By NAME it starts as it was; from its script, or by NAME with options, it changes."""
    script(tmp_path)
    monit("start", "app.py", "--kill-timeout", "5s", cwd=tmp_path)
    monit("stop", "app")
    monit("start", "app")
    assert [row["status"] for row in listed()] == ["online"]
    monit("stop", "app")
    monit("start", "app", "-i", "2")
    assert len(listed()) == 2
    assert "kill timeout      5s" in monit("describe", "app")
    monit("stop", "app")
    monit("start", "app.py", "--", "changed", cwd=tmp_path)
    assert len(listed()) == 1
    wait_until(lambda: "up changed" in monit("logs", "--no-follow", "-n", "1000"))
    assert home.exists()


def test_another_script_does_not_take_a_name(home: Path, tmp_path: Path) -> None:
    """A stopped app keeps its name against another script of the same name."""
    (tmp_path / "other").mkdir()
    script(tmp_path)
    script(tmp_path / "other")
    monit("start", "app.py", cwd=tmp_path)
    monit("stop", "app")
    done = command("start", "app.py", cwd=tmp_path / "other")
    assert done.returncode == 1
    assert "another script" in done.stderr
    assert home.exists()


def test_ctrl_c_stops_the_waiting_and_not_the_app(home: Path, tmp_path: Path) -> None:
    """Ctrl-C while start waits: exit 130, a message, and the app keeps running."""
    script(tmp_path)
    terminal = in_terminal("start", str(tmp_path / "app.py"), "--min-uptime", "1000s")
    terminal.expect("waiting for app")
    terminal.sendintr()
    terminal.expect("keep running")
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert listed()[0]["status"] == "starting"
    assert home.exists()


def test_the_caller_does_not_wait_for_the_keeper(home: Path, tmp_path: Path) -> None:
    """No keeper, agent or worker holds the pipes of the command that started it."""
    script(tmp_path)
    begun = time.monotonic()
    monit("start", "app.py", cwd=tmp_path)  # would time out if a pipe stayed open
    assert time.monotonic() - begun < 60
    (row,) = listed()
    assert os.path.realpath(f"/proc/{row['pid']}/fd/0") == "/dev/null"
    assert home.exists()


@pytest.mark.parametrize("count", ["max", "-1", "0"])
def test_instances_by_core(count: str, home: Path, tmp_path: Path) -> None:
    """-i max, 0 and -1 are counted in cores, and -1 is not taken for an option."""
    script(tmp_path)
    monit("start", "app.py", "-i", count, cwd=tmp_path)
    cores = len(os.sched_getaffinity(0))
    assert len(listed()) == (max(1, cores - 1) if count == "-1" else cores)
    assert home.exists()


def test_of_several_starts_at_once_one_wins(home: Path, tmp_path: Path) -> None:
    """Typed four times at once the app runs once; the others are refused, and break nothing."""
    script(tmp_path)
    starts = [
        subprocess.Popen(
            [*MONIT, "start", "app.py"], cwd=tmp_path,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    errors = [start.communicate(timeout=60)[1] for start in starts]
    assert sorted(start.returncode for start in starts) == [0, 1, 1, 1], errors
    assert not [text for text in errors if "Traceback" in text]
    (row,) = listed()
    assert (row["status"], row["restarts"]) == ("online", 0)
    monit("stop", "app")
    assert home.exists()
