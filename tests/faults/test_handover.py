"""A worker that continues as another process: its server upgraded itself."""

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.workers.succession import SeenSockets, find_successor
from support.keeper import QUICK, KeptApp
from support.load import Load
from support.matrix import matrix
from support.ports import free_port, is_listening
from support.processes import is_running
from support.programs import PROGRAMS, program
from support.waiting import wait_until

FOLDER = PROGRAMS / "handover"
GUNICORN = Path(sys.executable).parent / "gunicorn"


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    with contextlib.suppress(OSError):  # gunicorn's titles hide to whom its processes belong
        app.request("delete")
        wait_until(lambda: not Path(app.paths.state).exists(), what="it is deleted")
    app.close()


@pytest.fixture(name="port")
def _port() -> int:
    return free_port()


def start_gunicorn(app: KeptApp, port: int, **fields: Any) -> int:
    """Start gunicorn with two workers; return the pid of its master."""
    (app.home / "web.py").write_text(program("servers/wsgi.py"))
    words = (str(GUNICORN), "-w", "2", "-b", f"127.0.0.1:{port}", "web:app")
    app.start(*words, port=port, policy=QUICK._replace(kill_timeout_s=30.0), **fields)
    wait_until(lambda: is_listening(port), what="gunicorn listens")
    return app.wait_for("online")["pid"]


def start_upgrade(app: KeptApp, port: int, **env: str) -> int:
    """Start the program that upgrades itself; return its pid."""
    words = (sys.executable, str(FOLDER / "upgrade.py"), str(port))
    app.start(*words, port=port, env={**os.environ, **env})
    wait_until(lambda: is_listening(port), what="it listens")
    return app.wait_for("online")["pid"]


def upgrade_gunicorn(master: int) -> int:
    """Let gunicorn start a new master beside the old one; return its pid."""

    def its_workers() -> list[psutil.Process]:
        found = psutil.Process(master).children()
        return found if len(found) >= 2 else []

    before = {each.pid for each in wait_until(its_workers, what="the master has its workers")}

    def new_master() -> int | None:
        new = [each for each in psutil.Process(master).children() if each.pid not in before]
        if not new:  # again: one that was upgraded itself ignores it until its parent has gone
            os.kill(master, signal.SIGUSR2)
        return next((each.pid for each in new if len(each.children()) == 2), None)

    found = wait_until(new_master, what="the new master has its workers", deadline_s=30)
    assert found is not None
    return found


def slot_of(app: KeptApp, pid: int) -> dict[str, Any]:
    """Return the record of the slot, when its pid is this one."""
    wait_until(lambda: app.slot()["pid"] == pid, what=f"{pid} is the worker")
    return app.slot()


@pytest.mark.parametrize("mode", ["fork", pytest.param("cluster", marks=pytest.mark.full)])
def test_an_upgrade_of_gunicorn_loses_no_request(app: KeptApp, port: int, mode: str) -> None:
    """The new master takes over: no restart, an event says so, and it is stopped as any worker."""
    old = start_gunicorn(app, port, mode=mode)
    with Load(port, 4) as load:
        load.more(20)
        new = upgrade_gunicorn(old)
        os.kill(old, signal.SIGTERM)  # at SIGQUIT gunicorn drops what its workers have in hand
        slot = slot_of(app, new)
        load.more(20)
    assert load.failures == []
    assert (slot["status"], slot["restarts"], slot["exits"]) == ("online", 0, [])
    assert app.event_texts("took_over") == [f"pid {new} took over from pid {old}"]
    below = [child.pid for child in psutil.Process(new).children()]
    app.request("stop")
    assert app.wait_for("stopped")["exits"][-1]["code"] == 0
    assert not any(map(is_running, [new, *below]))


def test_a_single_process_that_upgrades_itself_keeps_running(app: KeptApp, port: int) -> None:
    """Twice in a row, and a crash of the last one is a crash as any other."""
    pids = [start_upgrade(app, port)]
    with Load(port, 4) as load:
        for _ in range(2):
            load.more(20)
            os.kill(pids[-1], signal.SIGUSR2)
            wait_until(lambda: app.slot()["pid"] != pids[-1], what="a successor")
            pids.append(app.slot()["pid"])
        load.more(20)
    assert load.failures == []
    assert app.slot()["restarts"] == 0
    assert len(app.event_texts("took_over")) == 2
    os.kill(pids[-1], signal.SIGKILL)
    wait_until(lambda: app.slot()["restarts"] == 1, what="it is started again")
    assert len(app.event_texts("took_over")) == 2


def test_what_a_failed_server_leaves_is_no_successor(app: KeptApp, port: int) -> None:
    """With another exit code it is killed, and the worker is started again."""
    old = start_upgrade(app, port, EXIT_CODE="3")
    os.kill(old, signal.SIGUSR2)
    wait_until(lambda: app.slot()["restarts"] == 1, what="it is started again")
    assert app.event_texts("took_over") == []
    assert app.event_texts("left_behind") == ["killed 1 process that it left behind"]


@pytest.mark.parametrize("adopted", matrix([False, True], [True]))
def test_the_pool_of_a_killed_master_is_no_successor(
    app: KeptApp, port: int, adopted: bool
) -> None:
    """Its processes hold the socket too, but none of them is a master."""
    old = start_gunicorn(app, port)
    if adopted:
        app.kill_keeper()
        app.start_next_keeper()
        app.wait_for("online")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: app.slot()["restarts"] == 1, what="it is started again")
    assert app.event_texts("took_over") == []


def test_a_successor_survives_the_keeper(app: KeptApp, port: int) -> None:
    """The next keeper adopts it, follows its next upgrade, and stops it with its tree."""
    pid = start_gunicorn(app, port)
    for _ in range(2):
        new = upgrade_gunicorn(pid)
        os.kill(pid, signal.SIGQUIT)
        slot_of(app, new)
        app.kill_keeper()
        app.start_next_keeper()
        assert app.wait_for("online")["pid"] == new
        pid = new
    assert app.slot()["restarts"] == 0
    below = [child.pid for child in psutil.Process(pid).children()]
    app.request("stop")
    app.wait_for("stopped")
    assert not any(map(is_running, [pid, *below]))


def test_a_handover_without_a_keeper_is_noticed_by_the_next(app: KeptApp, port: int) -> None:
    """The old master exits while no keeper runs."""
    first = start_gunicorn(app, port)
    old = upgrade_gunicorn(first)
    os.kill(first, signal.SIGQUIT)
    slot_of(app, old)
    new = upgrade_gunicorn(old)
    agent = wait_until(lambda: app.event_texts("agent_started"), what="an agent is started")[-1]
    os.kill(int(re.findall(r"\d+", agent)[0]), signal.SIGSTOP)  # it would start a keeper
    app.kill_keeper()
    os.kill(old, signal.SIGQUIT)
    wait_until(lambda: not is_running(old), what="the old master is gone", deadline_s=30)
    app.start_next_keeper()
    assert app.slot()["pid"] == new
    assert app.slot()["restarts"] == 0


@pytest.mark.parametrize("who", ["parent says it", "child says it"])
def test_mainpid_names_the_main_process(app: KeptApp, who: str) -> None:
    """The first process may exit then; signals go to the one that was named."""
    words = (sys.executable, str(FOLDER / "main_pid.py"), who)
    app.start(*words, wait_ready=True, policy=QUICK._replace(listen_timeout_s=30.0))
    slot = app.wait_for("online")
    (text,) = app.event_texts("took_over")
    assert text.startswith(f"pid {slot['pid']} took over from pid ")
    assert slot["restarts"] == 0
    app.request("stop")
    assert app.wait_for("stopped")["restarts"] == 0
    assert not is_running(slot["pid"])


def test_mainpid_of_a_stranger_is_ignored(app: KeptApp, home: Path) -> None:
    """Only a process of the worker's own tree may become its main process."""
    code = (
        "import os, socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        f"s.sendto(b'MAINPID={os.getpid()}\\nREADY=1', os.environ['NOTIFY_SOCKET'])\n"
        "time.sleep(1000)"
    )
    app.start(sys.executable, "-c", code, wait_ready=True)
    assert app.wait_for("online")["pid"] != os.getpid()
    assert app.event_texts("took_over") == []


def test_sockets_of_an_app_without_a_port_are_seen(port: int) -> None:
    """So the successor of a program that declares no port is known by them."""
    server = psutil.Popen([sys.executable, str(FOLDER / "upgrade.py"), str(port)])
    try:
        wait_until(lambda: is_listening(port), what="it listens")
        loop = Loop()
        seen = SeenSockets(loop)
        seen.watch(server.pid)
        loop.at_round_end(lambda: loop.stop() if seen.of(server.pid) else None)
        loop.run()
        assert find_successor([server.pid], seen.of(server.pid), 0) == server.pid
        assert find_successor([os.getpid()], seen.of(server.pid), 0) is None
    finally:
        server.kill()
        server.wait()
