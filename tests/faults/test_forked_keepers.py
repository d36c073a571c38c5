"""Keepers that one command starts are forked from one process, and are what started ones are."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from monit_agent.keeper.forked import ForkedKeepers
from support.boot_process import running_boot
from support.command_line import TICKER, command, monit
from support.managers import Managers, command_lines
from support.processes import is_running
from support.releases import release
from support.waiting import wait_until

APPS = ("one", "two", "three")


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    """Return a config file with several apps."""
    path = tmp_path / "monit.toml"
    (tmp_path / "app.py").write_text(TICKER)
    path.write_text("".join(f'[apps.{app}]\nscript = "app.py"\n' for app in APPS))
    return path


def is_forked(pid: int) -> bool:
    """Return whether a keeper has the room for arguments of the process that forked it."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0\0")


def fork_servers(home: Path) -> list[int]:
    return [pid for pid, words in command_lines() if "--fork" in words and str(home) in words]


def surroundings(pid: int, app: str) -> dict[str, Any]:
    """Return what the kernel says of a keeper, with ``APP`` in the place of its name."""
    proc = Path(f"/proc/{pid}")
    named = (
        "Umask", "Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "Cpus_allowed", "CapInh",
        "CapPrm", "CapEff", "CapBnd", "CapAmb", "SigBlk", "SigIgn", "SigCgt", "Threads",
    )  # fmt: skip
    status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines())
    process = psutil.Process(pid)
    words = (proc / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    return {
        **{name: status[name].strip() for name in named},
        "command": [word.replace(app.encode(), b"APP") for word in words],
        "environment": sorted((proc / "environ").read_bytes().split(b"\0")),
        "cgroup": (proc / "cgroup").read_text(),
        "limits": (proc / "limits").read_text(),
        "spaces": sorted(os.readlink(link) for link in (proc / "ns").iterdir()),
        "cwd": os.readlink(proc / "cwd"),
        "exe": os.readlink(proc / "exe"),
        "root": os.readlink(proc / "root"),
        "name": (proc / "comm").read_text(),
        "oom": (proc / "oom_score_adj").read_text(),
        "leads": (os.getsid(pid) == pid, os.getpgid(pid) == pid, process.terminal()),
        "nice": process.nice(),
        "standard": [os.readlink(proc / "fd" / str(fd)).replace(app, "APP") for fd in range(3)],
    }


def test_a_forked_keeper_is_what_a_started_one_is(
    home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Session, credentials, limits, signals, control group, namespaces, folder and command line
    are the same, and the environment is that of the command that started it."""
    read, write = socket.socketpair()  # what the command inherits must not reach a keeper
    os.set_inheritable(read.fileno(), True)
    inherited = os.fstat(read.fileno()).st_ino
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    monkeypatch.setenv("FLAVOUR", "second")
    monkeypatch.setenv("MONIT_PID", "4711")  # as in a worker

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
        os.umask(0o027)
        os.nice(3)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with read, write:
        for words in (
            ("start", str(file.parent / "app.py"), "--name", "alone"),
            ("start", str(file)),
        ):
            subprocess.run(
                [sys.executable, "-P", "-m", "monit_agent", *words],
                check=True, preexec_fn=limit, close_fds=False, capture_output=True,
            )  # fmt: skip
    keepers = Managers(home).keepers

    assert soft == resource.getrlimit(resource.RLIMIT_CORE)[0]
    assert not is_forked(keepers["alone"])
    expected = surroundings(keepers["alone"], "alone")
    assert b"FLAVOUR=second" in expected["environment"]
    assert b"MONIT_PID=4711" not in expected["environment"]
    for app in APPS:
        assert is_forked(keepers[app])
        assert surroundings(keepers[app], app) == expected
        assert f"socket:[{inherited}]" not in _open(keepers[app])
    assert not fork_servers(home)


def _open(pid: int) -> set[str]:
    """Return what a process has open."""
    return {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}


def keeper_pids() -> dict[str, int]:
    rows = json.loads(monit("describe", "all", "--json"))
    return {row["app"]: row["keeper_pid"] for row in rows}


def test_each_command_has_its_own_environment(
    home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later command's keepers know nothing of an earlier one's variables."""
    monkeypatch.setenv("SECRET", "first")
    monit("start", str(file), "one", "two")
    monkeypatch.delenv("SECRET")
    monit("apply", str(file))
    keepers = Managers(home).keepers

    environments = {app: Path(f"/proc/{keepers[app]}/environ").read_bytes() for app in APPS}
    assert b"SECRET=first" in environments["one"]
    assert b"SECRET" not in environments["three"]


def test_forked_keepers_are_upgraded_and_come_back(home: Path, file: Path) -> None:
    """Another version is executed in the same process; one that is killed is followed by one that
    adopts its workers, and all that are gone are forked again."""
    monit("start", str(file))
    before = keeper_pids()
    workers = {row["app"]: row["pid"] for row in json.loads(monit("list", "--json"))}

    assert command("upgrade", "--force").returncode == 0

    assert keeper_pids() == before
    assert not any(map(is_forked, before.values()))
    gone = {*before.values(), *Managers(home).agents.values()}
    for pid in gone:
        os.kill(pid, signal.SIGSTOP)  # or they would start one another
    for pid in gone:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, gone)), what="all is gone")
    monit("resurrect")
    assert all(map(is_forked, keeper_pids().values()))
    assert {row["app"]: row["pid"] for row in json.loads(monit("list", "--json"))} == workers


def test_boot_forks_keepers_and_keeps_nothing_for_it(
    home: Path, file: Path, tmp_path: Path
) -> None:
    """They are its children, and the process that forks ends when none was forked for a while."""
    with running_boot(tmp_path) as boot:
        monit("start", str(file))
        for pid in Managers(home).keepers.values():
            assert is_forked(pid)
            assert psutil.Process(pid).ppid() == boot.pid
        wait_until(lambda: not fork_servers(home), what="nothing is left to fork from")


# ------------------------------------------------------------ without it


@pytest.fixture(name="forked")
def _forked(home: Path) -> Iterator[ForkedKeepers]:
    (home / "apps").mkdir()
    with closing(ForkedKeepers(str(home), start_server)) as forked:
        yield forked


def start_server(command: list[str], channel: int) -> int:
    return os.posix_spawn(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, channel, 0)]
    )


def fork(forked: ForkedKeepers, home: Path, app: str) -> tuple[int | None, bytes]:
    """Fork a keeper of an app that does not exist; return its pid and its answer."""
    out, stdout = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    pid = forked.fork(str(home / "apps" / app), (null, stdout, null))
    for fd in (null, stdout):
        os.close(fd)
    with open(out, "rb") as pipe:
        return pid, pipe.read()


def test_it_may_be_killed_or_stopped_at_any_time(
    forked: ForkedKeepers, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then a keeper is started instead, and after a while it is tried again."""
    monkeypatch.setattr("monit_agent.keeper.forked.AGAIN_S", 0.0)
    monkeypatch.setattr("monit_agent.keeper.forked.ANSWER_WITHIN_S", 60.0)
    for number in (signal.SIGKILL, signal.SIGTERM):
        pid, answer = fork(forked, home, "web")
        assert pid is not None
        assert b"no app in" in answer
        (server,) = fork_servers(home)
        os.kill(server, number)
        wait_until(lambda server=server: server not in fork_servers(home), what="it is gone")
        assert fork(forked, home, "web") == (None, b"")
    monkeypatch.setattr("monit_agent.keeper.forked.ANSWER_WITHIN_S", 10.0)  # of the next one
    assert fork(forked, home, "web")[0] is not None
    for server in fork_servers(home):
        os.kill(server, signal.SIGSTOP)
    assert fork(forked, home, "web") == (None, b"")
    assert not fork_servers(home)  # so it forks nothing later


def test_a_folder_that_has_no_room_is_refused(forked: ForkedKeepers, home: Path) -> None:
    """`ps` could not show whose keeper it is."""
    assert fork(forked, home, "w" * 500) == (None, b"")


def test_it_forks_nothing_when_another_version_was_installed(
    home: Path, file: Path, tmp_path: Path
) -> None:
    """What is on the disk is what starts: keepers of a command are never of an older version."""
    one = release(tmp_path / "old", "9.0")
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from monit_agent.keeper.forked import ForkedKeepers\n"
        "def start(words, fd):\n"
        "    actions = [(os.POSIX_SPAWN_DUP2, fd, 0)]\n"
        "    return os.posix_spawn(words[0], words, os.environ, file_actions=actions)\n"
        "forked = ForkedKeepers(sys.argv[2], start)\n"
        "null = os.open(os.devnull, os.O_RDWR)\n"
        "fork = lambda: forked.fork(sys.argv[2] + '/apps/web', (null, null, null)) is not None\n"
        "print(fork(), flush=True)\n"
        "sys.stdin.readline()\n"
        "print(fork(), flush=True)\n"
    )
    (home / "apps").mkdir()
    with subprocess.Popen(
        [sys.executable, "-I", "-c", code, str(tmp_path / "old"), str(home)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        replaced = Path(one.package) / "keeper" / "keeper.py"
        text = replaced.read_text()
        replaced.unlink()
        replaced.write_text(text)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "False\n"


def test_run_forks_keepers_of_several_apps(home: Path, file: Path) -> None:
    """They are its children and end with it, and so does the process that forks."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "monit_agent", "run", str(file)], stdout=subprocess.DEVNULL
    )
    wait_until(lambda: {*APPS} == {*Managers(home).keepers}, what="all keepers run")
    for pid in Managers(home).keepers.values():
        wait_until(lambda pid=pid: psutil.Process(pid).ppid() == process.pid, what="it is a child")
        assert is_forked(pid)

    process.send_signal(signal.SIGTERM)

    assert process.wait() == 0
    wait_until(lambda: not Managers(home).keepers and not fork_servers(home), what="all is gone")
