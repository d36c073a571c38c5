"""Programs that reload themselves: by a command, by a signal, and what becomes of failures."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monit_agent.system.procfs import all_pids, process_stat, read_file
from support.command_line import MONIT, command, keeper_pid, monit, monit_error, printed, row
from support.load import Load
from support.ports import free_port
from support.waiting import wait_until
from support.watching import watches_files

PROGRAMS = Path(__file__).parents[1] / "programs" / "reload"
HANDOVER = PROGRAMS.parent / "handover" / "upgrade.py"
CONTROL = f"{sys.executable} {PROGRAMS / 'control.py'}"
BY_COMMAND = ("--reload-command", CONTROL)
BY_SIGNAL = ("--reload-signal", "HUP")


class Site:
    """The app ``web`` of ``programs/reload``, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.write("one")

    def write(self, answer: str) -> None:
        (self.folder / "answer").write_text(answer)

    def start(self, *options: str) -> int:
        """Start it; return the pid of instance 0."""
        by = ("--interpreter", sys.executable, "--cwd", str(self.folder), "--port", str(self.port))
        monit("start", str(PROGRAMS / "server.py"), "--name", "web", *by, *options)
        return self.pid()

    def pid(self) -> int:
        return row("web")["pid"]

    def answer(self) -> str:
        """Return what it answers now, without the pid."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=20) as response:
            return response.read().decode().rpartition(" ")[0]

    def told(self) -> dict[str, Any]:
        """Return what the reload command was run with."""
        return json.loads((self.folder / "surroundings").read_text())

    def has_begun(self) -> int:
        """Wait until the reload command waits; return the pid of what it started."""
        path = self.folder / "child"
        return int(wait_until(lambda: path.exists() and path.read_text(), what="it waits") or 0)


@pytest.fixture(name="site")
def _site(home: Path, tmp_path: Path) -> Site:
    del home
    return Site(tmp_path)


@pytest.fixture(name="begin")
def _begin() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Return what types a command and does not wait for its end."""
    begun: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> "subprocess.Popen[str]":
        out = subprocess.PIPE
        begun.append(subprocess.Popen([*MONIT, *words], stdout=out, stderr=out, text=True))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def events(app: str = "web") -> list[dict[str, Any]]:
    return [json.loads(line) for line in monit("events", app, "--json").splitlines()]


def runs(*words: str) -> bool:
    """Return whether a process runs that was started with these words."""
    line = "\0".join(words).encode() + b"\0"
    return any((read_file(f"/proc/{pid}/cmdline") or b"") == line for pid in all_pids())


def is_gone(pid: int) -> bool:
    stat = process_stat(pid)
    return stat is None or stat.exited


@pytest.mark.parametrize("options", [BY_COMMAND, BY_SIGNAL])
def test_a_reload_loses_no_request_and_replaces_no_worker(site, options):
    """The same process answers with what it has read again, and no client notices anything."""
    pid = site.start(*options)
    with Load(site.port) as load:
        load.more(20)
        site.write("two")
        assert "reloaded web" in command("reload", "web").stderr
        wait_until(lambda: site.answer() == "two None", what="the new answer")
        load.more(20)
    assert load.failures == []
    now = row("web")
    assert (now["pid"], now["restarts"], now["status"]) == (pid, 0, "online")
    assert "reloaded" in [each["kind"] for each in events()]


def test_the_command_runs_as_the_worker_does(site):
    """In its folder, with its variables, and with the pid of its main process."""
    pid = site.start(*BY_COMMAND, "--env", "LEVEL=high", "--instance-var", "NUMBER")
    monit("reload", "web")
    told = site.told()
    assert told["MAINPID"] == str(pid)
    assert (told["LEVEL"], told["NUMBER"], told["PORT"]) == ("high", "0", str(site.port))
    assert told["cwd"] == str(site.folder)


def test_a_command_that_fails_leaves_the_worker_alone(site):
    """The exit code is 1, and what the command printed is shown and kept in the log."""
    pid = site.start(*BY_COMMAND)
    site.write("two!")
    said = monit_error("reload", "web")
    assert "instance 0 was not reloaded: the reload command failed (exit code 1)" in said
    assert "  answer:1: unknown directive '!'\n" in said
    assert (site.pid(), site.answer()) == (pid, "one None")
    printed("web", "looking at the answer")
    printed("web", "answer:1: unknown directive '!'")

    site.write("three")
    monit("reload", "web")
    wait_until(lambda: site.answer() == "three None", what="the reload after it was mended")
    assert site.pid() == pid


@pytest.mark.parametrize("discarded", ["--log-to", "--log-err"])
def test_what_a_failed_command_printed_is_shown_although_it_is_not_kept(site, discarded):
    """Its last lines are in the answer, and in no file."""
    pid = site.start(*BY_COMMAND, discarded, "none")
    site.write("two!")
    answer = monit_error("reload", "web")
    assert "(exit code 1): answer:1: unknown directive '!'" in answer
    assert "Last lines of the reload command of web/0:\n  answer:1: unknown directive" in answer
    assert (site.pid(), site.answer()) == (pid, "one None")
    assert "unknown directive" not in monit("logs", "web", "--no-follow")


def test_a_command_that_cannot_be_run_says_why(site):
    """The reason names the program."""
    pid = site.start("--reload-command", "no-such-program reload")
    assert "the program no-such-program does not exist" in monit_error("reload", "web")
    assert site.pid() == pid


def test_a_signal_that_would_end_the_worker_is_not_sent(home):
    """A program without a handler is left alone, and the reason says so."""
    program = home / "plain.py"
    program.write_text("import time\ntime.sleep(1000)\n")
    monit("start", str(program), "--interpreter", sys.executable, "--min-uptime", "100ms",
          *BY_SIGNAL)  # fmt: skip
    before = row("plain")["pid"]
    assert "has no handler for SIGHUP" in monit_error("reload", "plain")
    assert (row("plain")["pid"], row("plain")["restarts"]) == (before, 0)


def test_a_worker_that_exits_at_the_signal_is_a_failed_reload(home):
    """It is started again as after any exit."""
    program = home / "exits.py"
    program.write_text(
        "import signal, sys, time\nsignal.signal(signal.SIGHUP, lambda *_: sys.exit(3))\n"
        "print('up', flush=True)\ntime.sleep(1000)\n"
    )
    monit("start", str(program), "--interpreter", sys.executable, *BY_SIGNAL)
    before = row("exits")["pid"]
    said = monit_error("reload", "exits")
    assert "its worker exited during the reload (exit code 3)" in said
    wait_until(lambda: row("exits")["pid"] not in (None, before), what="the next worker")


def test_a_changed_variable_replaces_the_worker(site):
    """What only a new worker can see is never reported as loaded by the old one."""
    (site.folder / "env").write_text("LEVEL=low\n")
    pid = site.start(*BY_COMMAND, "--env-file", str(site.folder / "env"))
    monit("reload", "web")
    assert site.pid() == pid
    (site.folder / "env").write_text("LEVEL=high\n")
    monit("reload", "web")
    assert site.pid() != pid
    assert site.answer() == "one high"
    why = "instance 0 will be replaced: its settings or variables have changed"
    assert any(why in each["text"] for each in events())

    pid = site.pid()
    monit("reload", "web")
    assert site.pid() == pid, "the new one has them"


def test_a_command_that_does_not_end_is_killed(home):
    """After the listen timeout, which does not count for the start of a program without a port; the
    worker keeps running."""
    forever = f"sleep 1{free_port()}"
    monit("start", "--name", "job", "--min-uptime", "100ms", "--listen-timeout", "1s",
          "--reload-command", forever, "--", "sleep", "1000")  # fmt: skip
    pid = row("job")["pid"]
    said = monit_error("reload", "job")
    assert "the reload command did not exit within 1.0 s and was killed" in said
    wait_until(lambda: not runs(*forever.split()), what="the command is gone")
    assert (row("job")["pid"], row("job")["restarts"]) == (pid, 0)


def test_cancel_ends_the_command(site, begin):
    """Both commands say that the reload was cancelled."""
    pid = site.start(*BY_COMMAND)
    (site.folder / "gate").touch()
    reload = begin("reload", "web")
    child = site.has_begun()
    assert "the reload was cancelled by" in monit_error("reload", "web", "--cancel", code=0)
    assert "was cancelled by" in reload.communicate(timeout=60)[1]
    assert reload.returncode == 1
    wait_until(lambda: is_gone(child), what="the command is gone")
    assert site.pid() == pid


def test_a_stop_does_not_wait_for_the_command(site, begin):
    """It is killed, and the worker stops as usual."""
    site.start(*BY_COMMAND)
    (site.folder / "gate").touch()
    reload = begin("reload", "web")
    child = site.has_begun()
    monit("stop", "web")
    reload.communicate(timeout=60)
    assert reload.returncode == 1
    wait_until(lambda: is_gone(child), what="the command is gone")
    assert row("web")["status"] == "stopped"


def test_a_restart_ends_the_reload(site, begin):
    """The command is killed, the reload has failed, and the app gets another worker."""
    pid = site.start(*BY_COMMAND)
    (site.folder / "gate").touch()
    reload = begin("reload", "web")
    child = site.has_begun()
    site.write("two")
    monit("restart", "web")
    assert "it was restarted during the reload" in reload.communicate(timeout=60)[1]
    assert reload.returncode == 1
    wait_until(lambda: is_gone(child), what="the command is gone")
    assert site.pid() != pid
    assert site.answer() == "two None"


def test_a_successor_reloads_in_place_too(site, tmp_path):
    """It has the variables of the worker that started it: only a changed one replaces it."""
    (tmp_path / "env").write_text("LEVEL=low\n")
    port = str(site.port)
    monit(
        "start", str(HANDOVER), "--name", "web", "--interpreter", sys.executable, "--port", port,
        "--mode", "fork", "--env-file", str(tmp_path / "env"),
        "--reload-command", "sh -c 'kill -USR2 $MAINPID'", "--", port,
    )  # fmt: skip
    for _ in range(2):
        before = site.pid()
        monit("reload", "web")
        wait_until(lambda pid=before: site.pid() not in (None, pid), what="the successor")
    assert row("web")["restarts"] == 0
    assert [each["kind"] for each in events()].count("took_over") == 2

    (tmp_path / "env").write_text("LEVEL=high\n")
    monit("reload", "web")
    assert row("web")["restarts"] == 1


def test_the_death_of_the_keeper_ends_the_reload_and_not_the_worker(site, begin):
    """Nobody knows how the command ended, so it has failed; the next reload works."""
    pid = site.start(*BY_COMMAND)
    (site.folder / "gate").touch()
    begin("reload", "web")
    site.has_begun()
    before = keeper_pid("web")
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: keeper_pid("web") != before, what="the next keeper")
    wait_until(
        lambda: [e for e in events() if e["kind"] == "reload_failed"], what="the reload has failed"
    )
    (site.folder / "gate").unlink()
    site.write("two")
    monit("reload", "web")
    wait_until(lambda: site.answer() == "two None", what="the next reload")
    assert site.pid() == pid


def test_instances_have_each_a_command(site):
    """Each with its own number and main process, and none is replaced."""
    log = site.folder / "log"
    note = f"sh -c 'echo $MONIT_INSTANCE $MAINPID >> {log}; {CONTROL}'"
    site.start("-i", "2", "--reload-command", note)
    before = [row("web", n)["pid"] for n in (0, 1)]
    monit("reload", "web")
    assert log.read_text() == f"0 {before[0]}\n1 {before[1]}\n"
    assert [row("web", n)["pid"] for n in (0, 1)] == before


def test_a_stopped_app_is_not_started_by_a_reload(site):
    """As for any other program."""
    site.start(*BY_COMMAND)
    monit("stop", "web")
    assert "web is stopped" in monit_error("reload", "web")


def test_apply_reloads_in_place_only_what_needs_no_new_worker(site):
    """The plan says which of the two happens."""
    site.start("--env", "LEVEL=low")
    config = site.folder / "monit.toml"

    def write(more: str = "", level: str = "low") -> None:
        config.write_text(
            f'version = 1\n[apps.web]\nscript = "{PROGRAMS / "server.py"}"\n'
            f'interpreter = "{sys.executable}"\ncwd = "{site.folder}"\nport = {site.port}\n'
            f'env.LEVEL = "{level}"\n{more}\n'
        )

    def apply(*words: str) -> str:
        return monit("apply", *words, cwd=site.folder)

    pid = site.pid()
    write(f"reload-command = {json.dumps(CONTROL)}")
    assert "web: change without touching its workers" in apply()
    site.write("two")
    assert "web: reload in place" in apply("--reload")
    wait_until(lambda: site.answer() == "two low", what="the new answer")
    assert site.pid() == pid

    write(f"reload-command = {json.dumps(CONTROL)}", level="high")
    assert "web: rolling reload" in apply("--reload")
    assert site.pid() != pid
    assert site.answer() == "two high"


def test_a_watched_file_reloads_in_place(site):
    """A changed configuration is loaded without a new worker."""
    pid = site.start(*BY_COMMAND, "--watch-path", str(site.folder / "answer"))
    agent = json.loads(monit("describe", "web", "--json"))[0]["agent_pid"]
    wait_until(lambda: watches_files(agent), what="the agent watches")
    site.write("two")
    wait_until(lambda: site.answer() == "two None", what="the new answer")
    assert (site.pid(), row("web")["restarts"]) == (pid, 0)


def test_an_unhealthy_worker_is_replaced(site):
    """A worker that does its work badly does not get well by loading its configuration."""
    check = f"test ! -e {site.folder / 'ill'}"
    quick = ("--health-interval", "500ms", "--health-failures", "1", "--health-grace", "0")
    pid = site.start(*BY_COMMAND, "--health-command", check, *quick)
    (site.folder / "ill").touch()
    wait_until(lambda: site.pid() not in (None, pid), what="another worker")
    (site.folder / "ill").unlink()
    assert not (site.folder / "surroundings").exists(), "the command was not run"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_the_command_has_the_rights_of_the_worker(home, tmp_path):
    """Where the workers run as another user, so does the command."""
    nobody = pwd.getpwnam("nobody")
    tmp_path.chmod(0o777)
    who = tmp_path / "who"
    monit(
        "start", "--name", "job", "--user", "nobody", "--min-uptime", "100ms", "--cwd", "/",
        "--reload-command", f"sh -c 'id -u > {who}; echo $HOME >> {who}'", "--", "sleep", "1000",
    )  # fmt: skip
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.getuid() and str(folder) != "/tmp":
            folder.chmod(folder.stat().st_mode | 0o711)
    monit("reload", "job")
    assert who.read_text().split() == [str(nobody.pw_uid), nobody.pw_dir]


# ---------------------------------------------------------------- servers of the distribution


NGINX = """
daemon off; pid {folder}/pid; error_log stderr; worker_processes 2;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; location / {{ {rule} }} }}
}}
"""

HAPROXY = """
global
    master-worker
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 10s
frontend web
    bind 127.0.0.1:{port}
    {rule}
"""


class Server:
    """A server with a configuration file, under monit as ``server``."""

    def __init__(self, folder: Path, template: str) -> None:
        self.folder, self.port, self.template = folder, free_port(), template
        self.config = folder / "server.conf"

    def write(self, rule: str) -> None:
        text = self.template.format(folder=self.folder, port=self.port, rule=rule)
        self.config.write_text(text)

    def start(self, run: str, reload: str) -> int:
        words = run.format(config=self.config).split()
        how = ("--reload-command", reload.format(config=self.config))
        monit("start", "--name", "server", "--port", str(self.port), *how, "--", *words)
        return row("server")["pid"]

    def answer(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=20) as response:
            return response.read().decode()


SERVERS = {
    "nginx": (
        NGINX, 'return 200 "{}";', "retrun 200;", "nginx -e stderr -c {config}",
        "nginx -e stderr -s reload -c {config}", 'unknown directive "retrun"',
    ),
    "haproxy": (
        HAPROXY, 'http-request return status 200 content-type text/plain string "{}"',
        "http-requets deny", "haproxy -f {config}",
        "sh -c 'haproxy -c -f {config} && kill -USR2 $MAINPID'",
        "unknown keyword 'http-requets'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVERS)
def test_a_real_server_reloads_itself(home, tmp_path, name):
    """No request fails in five reloads, and a broken configuration changes nothing."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    template, rule, broken, run, reload, message = SERVERS[name]
    server = Server(tmp_path, template)
    server.write(rule.format("answer 0"))
    pid = server.start(run, reload)
    with Load(server.port) as load:
        for number in range(1, 6):
            load.more(20)
            server.write(rule.format(f"answer {number}"))
            monit("reload", "server")
            expected = f"answer {number}"
            wait_until(lambda text=expected: server.answer() == text, what=f"{expected!r}")
        server.write(broken)
        assert message in monit_error("reload", "server")
        load.more(20)
    assert load.failures == []
    assert server.answer() == "answer 5"
    assert (row("server")["pid"], row("server")["restarts"]) == (pid, 0)
