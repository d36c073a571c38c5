"""`monit boot`, the main process of a unit: it starts, revives and stops the apps of a home."""

import json
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from support.boot_process import BootProcess, running_boot
from support.command_line import command, keeper_pid, listed, logs, monit, row
from support.processes import is_running
from support.reboot import kill_everything, reboot
from support.waiting import wait_until

SCRIPT = """\
import os, time
ours = ("SECRET", "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "INVOCATION_ID")
print("has", *(name for name in ours if name in os.environ), flush=True)
while True:
    time.sleep(1)
"""


@pytest.fixture(name="shop")
def _shop(home: Path, tmp_path: Path) -> Path:
    """Start `web` (two instances, a named variable), and `off`, which is stopped."""
    (tmp_path / "app.py").write_text(SCRIPT)
    monit("start", "app.py", "--name", "web", "-i", "2", "--env", "SECRET=s", cwd=tmp_path)
    monit("start", "app.py", "--name", "off", cwd=tmp_path)
    monit("stop", "off")
    return home


def _statuses() -> dict[str, str]:
    return {f"{each['app']}/{each['instance']}": each["status"] for each in listed()}


AS_BEFORE = {"off/0": "stopped", "web/0": "online", "web/1": "online"}


def _are_as_before() -> bool:
    return _statuses() == AS_BEFORE and not any(each["stale"] for each in listed())


def _ask(home: Path, request: dict[str, str]) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.connect(str(home / "boot.sock"))
        sock.send(json.dumps(request).encode())
        return json.loads(sock.recv(4096))


def test_it_starts_what_was_running_and_stops_it_in_order(shop: Path, tmp_path: Path) -> None:
    """After a reboot what ran is started before it is ready, without the unit's own variables.
    What is started then is its child. SIGTERM stops all, and the next one starts the same."""
    reboot(shop)
    monit("resurrect", "off")  # an app that is there must not make it ready before the others are
    with running_boot(tmp_path) as boot:
        assert all(each["pid"] is not None for each in listed("web"))
        wait_until(_are_as_before, what="all is as before")
        assert logs("web").count("has SECRET\n") == 4
        monit("start", "app.py", "--name", "new", cwd=tmp_path)
        assert psutil.Process(keeper_pid("new")).ppid() == boot.pid
        workers = [each["pid"] for each in listed() if each["pid"]]

        code, _ = boot.end(signal.SIGTERM)

        assert code == 0
        assert "STOPPING=1" in boot.reported()
        assert not any(map(is_running, workers))
        assert "monit resurrect" in str(row("web")["problems"])
    monit("delete", "new")
    with running_boot(tmp_path):
        wait_until(_are_as_before, what="all is as before")


def test_it_revives_an_app_whose_keeper_and_agent_are_gone(shop: Path, tmp_path: Path) -> None:
    """Killed at once, while the worker keeps running; an app that was deleted is not revived, and
    the death of `monit boot` changes nothing."""
    with running_boot(tmp_path) as boot:
        monit("delete", "off")
        (web,) = json.loads(monit("describe", "web/0", "--json"))
        keeper, agent, worker = web["keeper_pid"], web["agent_pid"], web["pid"]
        os.kill(agent, signal.SIGSTOP)  # or it would start a keeper itself
        os.kill(keeper, signal.SIGKILL)
        os.kill(agent, signal.SIGKILL)
        wait_until(lambda: keeper_pid("web") != keeper, what="there is another keeper")
        assert psutil.Process(keeper_pid("web")).ppid() == boot.pid
        wait_until(lambda: not row("web")["stale"], what="its agent answers")
        assert row("web")["pid"] == worker
        assert [each["app"] for each in listed()] == ["web", "web"]

        boot.end(signal.SIGKILL)

        assert row("web")["pid"] == worker
        assert command("restart", "web/1").returncode == 0
    assert shop.exists()


def test_an_upgrade_replaces_it_too(shop: Path, tmp_path: Path) -> None:
    """It executes the installed version: the same process, which the service manager knows, with
    the same keepers and workers; it revives and stops them as before."""
    with running_boot(tmp_path) as boot:
        monit("start", "app.py", "--name", "new", cwd=tmp_path)
        workers = {each["pid"] for each in listed() if each["pid"]}
        assert "monit boot: is of the installed version already" in command("upgrade").stderr
        began = _ask(shop, {"do": "hello"})["began"]

        done = command("upgrade", "--force")

        assert "monit boot: monit" in done.stderr
        assert "took over from" in done.stderr
        assert done.returncode == 0
        about = _ask(shop, {"do": "hello"})
        assert about["pid"] == boot.pid
        assert about["began"] != began
        assert {each["pid"] for each in listed() if each["pid"]} == workers
        assert psutil.Process(keeper_pid("new")).ppid() == boot.pid
        wait_until(lambda: _ask(shop, {"do": "hello"})["apps"] == 3, what="it watches the apps")
        refused = _ask(shop, {"do": "upgrade", "python": "/bin/true", "package": "/nowhere"})
        assert "no installation of monit" in str(refused["message"])

        code, _ = boot.end(signal.SIGTERM)

        assert code == 0
        assert not any(map(is_running, workers))
    monit("delete", "new")


@pytest.mark.full
def test_it_revives_everything_and_adopts_what_runs(shop: Path, tmp_path: Path) -> None:
    """One that starts while apps run restarts none of them; when all but itself is killed, all of
    them come back."""
    before = [each["pid"] for each in listed()]
    with running_boot(tmp_path) as boot:
        assert [each["pid"] for each in listed()] == before
        kill_everything(shop, spare=boot.pid)
        wait_until(_are_as_before, what="all is as before", deadline_s=60)
        assert boot.process.poll() is None


def test_there_is_one_for_a_home_and_it_can_leave(shop: Path, tmp_path: Path) -> None:
    """A second one names the first and exits; one that is requested to leave exits with a code of
    its own, and stops nothing; what it cannot read is refused."""
    with running_boot(tmp_path) as boot:
        second = BootProcess(tmp_path)
        code, printed = second.printed()
        second.close()
        assert code == 1
        assert str(boot.pid) in printed
        assert _ask(shop, {"do": "dance"})["ok"] is False
        assert _ask(shop, {"do": "start_keeper", "app": "../x"})["ok"] is False
        workers = [each["pid"] for each in listed("web")]
        assert _ask(shop, {"do": "leave"})["ok"] is True
        assert boot.printed()[0] == 85
    assert [each["pid"] for each in listed("web")] == workers


@pytest.mark.full
def test_one_broken_app_does_not_hold_up_the_others(shop: Path, tmp_path: Path) -> None:
    """It is ready, and its status and what it prints name the app and the reason, once."""
    reboot(shop)
    (shop / "apps" / "off" / "state.json").write_text("garbage")
    with running_boot(tmp_path) as boot:
        assert any("off: " in text and "state.json" in text for text in boot.reported())
        wait_until(lambda: row("web")["status"] == "online", what="the other one runs")
        _, printed = boot.end(signal.SIGTERM)
    assert printed.count("state.json") == 1
