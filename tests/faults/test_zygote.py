"""The process from which a home's agents are forked: it saves time and memory, nothing needs it."""

import contextlib
import json
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
from monit_agent.wire.places import zygote_socket
from running import monit, processes_of, row
from waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a zygote needs pidfds")


def zygote(home: Path) -> psutil.Process | None:
    """Give the home's zygote, None when there is none."""
    found = [each for each in processes_of(home) if _title(each) == "monit-zygote"]
    return found[0] if found else None


def _title(process: psutil.Process) -> str:
    try:
        return process.cmdline()[0]
    except (psutil.Error, IndexError):
        return ""


def started(home: Path, *names: str) -> psutil.Process:
    """Start apps that only sleep, one after another; give the zygote."""
    for name in names:
        monit("start", "--name", name, "--", "sleep", "1000")
        agent_of(name)
    found = wait_until(lambda: zygote(home), what="a zygote")
    assert found is not None
    return found


def agent_of(app: str, other_than: int = 0) -> psutil.Process:
    """Wait until the app's agent answers and is not the process ``other_than``; give it."""

    def there() -> psutil.Process | None:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "monit_agent", "describe", app, "--json"],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        pid = _agent_pid(done.stdout) if done.returncode == 0 else 0
        return psutil.Process(pid) if pid and pid != other_than else None

    found = wait_until(there, what=f"the agent of {app}")
    assert found is not None
    return found


def _agent_pid(text: str) -> int:
    told = json.loads(text)
    return (told[0] if isinstance(told, list) else told)["agent_pid"]


def killed(app: str) -> psutil.Process:
    """Kill the app's agent; give the next one."""
    old = agent_of(app).pid
    os.kill(old, signal.SIGKILL)
    return agent_of(app, other_than=old)


def test_agents_come_from_the_zygote(home: Path) -> None:
    """The second app's agent is forked, and so is the next one of the first app when it is killed;
    it is shown under its own name and speaks of its own app."""
    mother = started(home, "one", "two")
    assert agent_of("two").ppid() == mother.pid
    assert agent_of("two").cmdline()[:2] == ["monit-agent", str(home / "apps" / "two")]
    assert killed("one").ppid() == mother.pid
    assert row("one")["status"] == row("two")["status"] == "online"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_a_zygote_agents_come_back_all_the_same(home: Path, number: signal.Signals) -> None:
    """The zygote is killed or halted: agents live on, and one that is killed is started anew."""
    mother = started(home, "one", "two")
    living = agent_of("two").pid
    mother.send_signal(number)
    next_one = killed("one")
    assert next_one.ppid() != mother.pid
    assert agent_of("two").pid == living


def test_after_a_zygote_comes_another(home: Path) -> None:
    """The agent that had to be started by itself is the first one of the next zygote."""
    mother = started(home, "one", "two")
    mother.kill()
    killed("one")
    wait_until(lambda: (z := zygote(home)) and z.pid != mother.pid, what="the next zygote")
    next_one = zygote(home)
    assert next_one is not None
    assert killed("two").ppid() == next_one.pid


def test_the_zygote_ends_with_the_last_app(home: Path) -> None:
    """When no agent is left the zygote goes too, and nothing of the home runs any more."""
    started(home, "one", "two")
    monit("delete", "all")
    wait_until(lambda: not processes_of(home), what="nothing runs")
    assert not os.path.exists(zygote_socket(str(home)))


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda sock: sock.send(b"garbage"), id="no descriptor"),
        pytest.param(lambda sock: _with_file(sock, b"no request"), id="no request"),
        pytest.param(lambda sock: _with_file(sock, b"/etc/x/y\x001 1\x00A=b\x00"), id="elsewhere"),
        pytest.param(lambda sock: None, id="nothing"),
    ],
)
def test_garbage_makes_no_agent(home: Path, send: Callable[[socket.socket], None]) -> None:
    """Whoever asks for what cannot be is turned away; the next agent comes as ever."""
    mother = started(home, "one", "two")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(zygote_socket(str(home)))
        send(sock)
        sock.settimeout(10)
        with contextlib.suppress(ConnectionResetError):  # it did not read all before it closed
            assert sock.recv(100) == b""
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
        subprocess.run([*command, name, "--", "sleep", "1000"], env=env, check=True,
                       capture_output=True, timeout=60)  # fmt: skip
    mother = wait_until(lambda: zygote(home), what="a zygote")
    assert mother is not None
    os.utime(package / "observe" / "agent.py")
    assert killed("two").ppid() != mother.pid
    wait_until(lambda: not mother.is_running(), what="the old zygote has ended")


def test_an_agent_has_the_environment_of_its_own_app(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keeper that an agent has to start knows its app's environment, not the first app's."""
    monkeypatch.setenv("FLAVOUR", "first")
    started(home, "one")
    monkeypatch.setenv("FLAVOUR", "second")
    monit("start", "--name", "two", "--", sys.executable, "-c",
          "import os, time; print('flavour', os.environ['FLAVOUR']); time.sleep(1000)")  # fmt: skip
    monit("stop", "two")
    old = _keeper_of(home, "two")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: _keeper_of(home, "two") not in (0, old), what="the next keeper")
    wait_until(lambda: row("two")["status"] == "stopped" and not row("two")["stale"], what="known")
    monkeypatch.delenv("FLAVOUR")
    monit("start", "two")
    said = monit("logs", "two", "--no-follow")
    assert said.count("flavour second") == 2


def _keeper_of(home: Path, app: str) -> int:
    for process in processes_of(home):
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if words[-1:] == [str(home / "apps" / app)] and "keep" in words[-2]:
            return process.pid
    return 0
