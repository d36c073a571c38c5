"""The process that finds or forks one for a home's agents: it saves time and memory, nothing needs
it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import monit_agent
from monit_agent.wire.paths import app_paths, zygote_socket
from support.agent import client_of
from support.command_line import monit, row
from support.matrix import matrix
from support.processes import processes_of, words_of
from support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a zygote needs pidfds")


def zygote(home: Path) -> psutil.Process | None:
    """Return the home's zygote, None when there is none."""
    found = [each for each in processes_of(home) if _title(each) == "monit-zygote"]
    return found[0] if found else None


def _title(process: psutil.Process) -> str:
    return "".join(words_of(process)[:1]).partition(" ")[0]


def started(home: Path, *names: str) -> psutil.Process:
    """Start apps that only sleep, one after another; return the zygote."""
    for name in names:
        monit("start", "--name", name, "--min-uptime", "50ms", "--", "sleep", "1000")
        agent_of(name)
    found = wait_until(lambda: zygote(home), what="a zygote")
    assert found is not None
    return found


def agent_of(app: str, other_than: int = 0) -> psutil.Process:
    """Wait until the app's agent answers and is not the process ``other_than``; return it."""
    paths = app_paths(os.environ["MONIT_HOME"], app)

    def there() -> psutil.Process | None:
        with client_of(paths) as client:
            answer = client.try_snapshot()
        pid = answer.agent_pid if answer else other_than
        return psutil.Process(pid) if pid != other_than else None

    found = wait_until(there, what=f"the agent of {app}")
    assert found is not None
    return found


def killed(app: str) -> psutil.Process:
    """Kill the app's agent; return the next one."""
    old = agent_of(app).pid
    os.kill(old, signal.SIGKILL)
    return agent_of(app, other_than=old)


def test_processes_of_agents_come_from_the_zygote(home: Path) -> None:
    """The second app's agent joins the first; when their process is killed both are in one that
    was forked, which is shown under its own name, and report their own apps."""
    mother = started(home, "one", "two")
    assert agent_of("one") == agent_of("two")
    assert agent_of("two").cmdline()[0] == f"monit-agents {home} one two"
    assert killed("one").ppid() == mother.pid
    assert agent_of("two").ppid() == mother.pid
    assert agent_of("two").name() == "monit-agents"
    monit("delete", "one")
    wait_until(
        lambda: agent_of("two").cmdline()[0] == f"monit-agent {home / 'apps' / 'two'}",
        what="the title of a process with one agent",
    )
    assert row("two")["status"] == "online"


def test_the_zygote_takes_no_memory_for_the_code_of_agents(home: Path) -> None:
    """It has loaded none of the libraries that agents use, also after it has forked a process."""
    mother = started(home, "one", "two")
    assert _has_loaded_agent_code(agent_of("one"))
    assert not _has_loaded_agent_code(mother)
    assert killed("one").ppid() == mother.pid
    assert _has_loaded_agent_code(agent_of("one"))
    assert not _has_loaded_agent_code(mother)


def _has_loaded_agent_code(process: psutil.Process) -> bool:
    return any("msgspec" in each.path for each in process.memory_maps())


@pytest.mark.parametrize("number", matrix([signal.SIGKILL, signal.SIGSTOP], [signal.SIGSTOP]))
def test_without_a_zygote_agents_come_back_all_the_same(home: Path, number: signal.Signals) -> None:
    """The zygote is killed or halted: agents live on, and those that are killed are started
    again."""
    mother = started(home, "one", "two")
    living = agent_of("two").pid
    mother.send_signal(number)
    assert agent_of("two").pid == living
    assert killed("one").ppid() != mother.pid
    assert agent_of("two", other_than=living).ppid() != mother.pid


def test_after_a_zygote_comes_another(home: Path) -> None:
    """An agent that had to be started by itself is the first one of the next zygote."""
    mother = started(home, "one", "two")
    mother.kill()
    killed("one")
    wait_until(lambda: (z := zygote(home)) and z.pid != mother.pid, what="the next zygote")
    next_one = zygote(home)
    assert next_one is not None
    found = killed("two")
    assert found == agent_of("one") or found.ppid() == next_one.pid


def test_the_zygote_ends_with_the_last_app(home: Path) -> None:
    """When no agent is left the zygote goes too, and nothing of the home runs any more."""
    started(home, "one", "two")
    monit("delete", "all")
    wait_until(lambda: not processes_of(home), what="nothing runs")
    assert not os.path.exists(zygote_socket(str(home)))


GARBAGE: dict[str, Callable[[socket.socket], object]] = {
    "no descriptor": lambda sock: sock.send(b"garbage"),
    "no request": lambda sock: _with_file(sock, b"no request"),
    "another home": lambda sock: _with_file(sock, b"/etc/x/y\x001 1\x00\x00A=b\x00"),
    "nothing": lambda _: None,
}


def test_garbage_makes_no_agent(home: Path) -> None:
    """A request that makes no sense gets no answer; the next agent is forked as ever."""
    mother = started(home, "one", "two")
    for what, send in GARBAGE.items():
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(zygote_socket(str(home)))
            sock.settimeout(10)
            # it did not read all before it closed
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                send(sock)
                assert sock.recv(100) == b"", what
    assert killed("one").ppid() == mother.pid


def _with_file(sock: socket.socket, content: bytes) -> None:
    fd = os.memfd_create("request")
    os.write(fd, content)
    socket.send_fds(sock, [b"?"], [fd])
    os.close(fd)


def test_another_version_makes_its_own(home: Path, tmp_path: Path) -> None:
    """When the files that a zygote was loaded from are replaced, agents are of the new ones."""
    package = shutil.copytree(Path(monit_agent.__file__).parent, tmp_path / "monit_agent")
    command = [sys.executable, "-P", "-m", "monit_agent", "start", "--name"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for name in ("one", "two"):
        words = [*command, name, "--min-uptime", "50ms", "--", "sleep", "1000"]
        subprocess.run(words, env=env, check=True, capture_output=True, timeout=60)
    mother = wait_until(lambda: zygote(home), what="a zygote")
    assert mother is not None
    os.utime(package / "agent" / "agent.py")
    assert killed("two").ppid() != mother.pid
    wait_until(lambda: not mother.is_running(), what="the old zygote has ended")


def test_an_agent_has_the_environment_of_its_own_app(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keeper that an agent has to start knows its app's environment, not the first app's."""
    monkeypatch.setenv("FLAVOUR", "first")
    started(home, "one")
    monkeypatch.setenv("FLAVOUR", "second")
    monit("start", "--name", "two", "--min-uptime", "50ms", "--", sys.executable, "-c",
          "import os, time; print('flavour', os.environ['FLAVOUR']); time.sleep(1000)")  # fmt: skip
    monit("stop", "two")
    old = _keeper_of(home, "two")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: _keeper_of(home, "two") not in (0, old), what="the next keeper")
    wait_until(lambda: row("two")["status"] == "stopped" and not row("two")["stale"], what="known")
    monkeypatch.delenv("FLAVOUR")
    monit("start", "two")
    printed = monit("logs", "two", "--no-follow")
    assert printed.count("flavour second") == 2


def _keeper_of(home: Path, app: str) -> int:
    for process in processes_of(home):
        words = words_of(process)
        if words[-1:] == [str(home / "apps" / app)] and "keep" in words[-2]:
            return process.pid
    return 0
