"""Nothing depends on being able to write, or on a descriptor that is free."""

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monit_agent.system.claim import memory_name
from monit_agent.system.memory.memory_folder import memory_folders
from support.command_line import MONIT, TICKER, command, monit, row
from support.keeper import KeptApp, python
from support.matrix import matrix
from support.processes import is_running, processes_of, words_of
from support.small_disk import SmallDisk, small_disk
from support.waiting import wait_until

TITLED = Path(__file__).parent.parent / "programs" / "titled.py"
SLEEP = python("import time; time.sleep(1000)")


@pytest.fixture(name="disk")
def _disk(home: Path) -> Iterator[SmallDisk]:
    with small_disk(home) as disk:
        yield disk


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


@pytest.fixture(name="script")
def _script(tmp_path: Path) -> str:
    script = tmp_path / "tick.py"
    script.write_text(TICKER)
    return str(script)


def _agent_pid() -> int | None:
    return None if row("tick")["stale"] else row("tick")["ppid"]


UNWRITABLE: dict[str, tuple[Callable[[SmallDisk], None], Callable[[SmallDisk], None]]] = {
    "full": (lambda disk: disk.fill(), lambda disk: disk.free()),
    "read-only": (lambda disk: disk.make_read_only(), lambda disk: disk.make_writable()),
    "no files": (lambda disk: disk.use_up_files(), lambda disk: disk.free()),
}


@pytest.mark.parametrize("how", matrix(UNWRITABLE, ["full"]))
def test_an_app_is_supervised_while_its_home_cannot_be_written(
    disk: SmallDisk, script: str, how: str
) -> None:
    """With a home that cannot be written, the keeper killed and then the worker, both come back;
    `list` says what cannot be written, and stops saying it when it can, without a command."""
    spoil, mend = UNWRITABLE[how]
    monit("start", script)
    worker, keeper = row("tick")["pid"], row("tick")["ppid"]
    spoil(disk)
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: not is_running(keeper), what="the keeper is gone")
    wait_until(lambda: command("restart", "tick").returncode == 0, what="a restart works")
    second = row("tick")["pid"]
    assert second != worker
    os.kill(second, signal.SIGKILL)
    wait_until(lambda: row("tick")["pid"] not in (second, None), what="the worker is back")
    wait_until(lambda: row("tick")["status"] == "online", what="it is online")
    if how != "no files":
        wait_until(lambda: "cannot write" in str(row("tick")["problems"]), what="it is shown")
        assert "cannot write" in monit("describe", "tick")

    mend(disk)

    wait_until(lambda: row("tick")["problems"] == [], what="nothing is wrong any more")
    monit("delete", "tick")


def test_scaling_with_a_read_only_home_says_why_it_failed(disk: SmallDisk, script: str) -> None:
    """Ids for new instances cannot be written: the file and the reason are named."""
    monit("start", script)
    disk.make_read_only()

    failed = command("scale", "tick", "2")

    assert failed.returncode == 1
    assert "/next_id: Read-only file system" in failed.stderr
    disk.make_writable()
    assert "2 instances" in command("scale", "tick", "2").stderr
    monit("delete", "tick")


@pytest.mark.parametrize("how", matrix(["full", "read-only"], ["read-only"]))
def test_no_worker_runs_twice_while_the_state_cannot_be_saved(
    home: Path, disk: SmallDisk, how: str
) -> None:
    """A worker that was started while nothing could be saved, and that hides its environment, is
    adopted by the next keeper all the same."""
    spoil, mend = UNWRITABLE[how]
    monit("start", str(TITLED), "--name", "app", "--min-uptime", "0.1s", "--", str(home))
    first, keeper = row("app")["pid"], row("app")["ppid"]
    spoil(disk)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: row("app")["pid"] not in (first, None), what="another worker runs")
    wait_until(lambda: row("app")["status"] == "online", what="it is online")
    second = row("app")["pid"]
    wait_until(lambda: "state.json" in str(row("app")["problems"]), what="saving was tried")
    wait_until(lambda: not Path(f"/proc/{second}/environ").read_bytes().strip(b"\0"), what="it hid")

    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: not is_running(keeper), what="the keeper is gone")
    wait_until(lambda: row("app")["ppid"] not in (keeper, None), what="another keeper is there")
    wait_until(lambda: command("signal", "CONT", "app").returncode == 0, what="it answers")

    assert row("app")["pid"] == second
    assert [p.pid for p in processes_of(home) if words_of(p)[1:2] == [str(TITLED)]] == [second]
    mend(disk)
    wait_until(lambda: row("app")["problems"] == [], what="all is saved")
    assert not list(Path(memory_folders()[0]).glob(memory_name(f"{home}/apps/app", "state")))
    monit("delete", "app")


def _limit_descriptors(pid: int, spare: int) -> None:
    """Let a process have only so many descriptors more than it has open."""
    used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + spare, used + spare))


def test_a_keeper_without_descriptors_restarts_its_workers(home: Path, script: str) -> None:
    """With no descriptor left to open, the keeper keeps running, a restart works, and a worker
    that exits comes back."""
    monit("start", script)
    worker, keeper = row("tick")["pid"], row("tick")["ppid"]
    _limit_descriptors(keeper, 0)

    monit("restart", "tick")
    second = row("tick")["pid"]
    os.kill(second, signal.SIGKILL)
    wait_until(lambda: row("tick")["pid"] not in (worker, second, None), what="it is back")

    assert row("tick")["ppid"] == keeper
    assert is_running(keeper)
    monit("delete", "tick")


def test_clients_do_not_exhaust_a_keeper(app: KeptApp) -> None:
    """Connections that find no descriptor are closed at once; the keeper uses no CPU time for them
    and restarts its worker."""
    app.start(*SLEEP)
    worker = app.wait_for("online")["pid"]
    keeper, line = app.keeper_pid(), app.connect()
    _limit_descriptors(keeper, 0)
    others = [app.connect() for _ in range(16)]

    os.kill(worker, signal.SIGKILL)

    def pid() -> int | None:
        return line.request("hello", role="test", pid=1)["snapshot"]["instances"][0]["pid"]

    wait_until(lambda: pid() not in (worker, None), what="the worker is back")
    for other in (*others, line):
        other.close()
    wait_until(lambda: app.slot()["status"] == "online", what="new connections are served")


@pytest.mark.parametrize("verb", matrix(["start", "scale"], ["start"]))
def test_what_has_no_room_is_refused_with_the_number(home: Path, script: str, verb: str) -> None:
    """More instances than the limit of descriptors allows are refused, and the text has the number
    that is missing; what runs keeps running."""
    soft = f"ulimit -n 64; {' '.join(MONIT)} "
    if verb == "start":
        words = f"start {script} -i 12"
    else:
        started = subprocess.run(["sh", "-c", f"{soft} start {script} -i 2"], check=False)
        assert started.returncode == 0
        words = "scale tick 12"

    done = subprocess.run(["sh", "-c", soft + words], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "open files" in done.stderr
    assert "are missing" in done.stderr
    assert "ulimit -n" in done.stderr
    if verb == "scale":
        assert row("tick")["status"] == "online"
        monit("delete", "tick")
    assert command("list").stdout == ""


OTHER_USER = 12345
AS_OTHER_USER = [
    "setpriv", f"--reuid={OTHER_USER}", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--",
]  # fmt: skip
"""The number of processes of root is not limited. The capability makes this Python readable."""


def _limit_processes(pid: int, soft: int) -> None:
    number = "unlimited" if soft == resource.RLIM_INFINITY else soft
    limit = ["prlimit", f"--pid={pid}", f"--nproc={number}:"]
    subprocess.run([*AS_OTHER_USER, *limit], check=True)


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can be another user"
)
def test_without_processes_a_worker_waits_and_comes_back(home: Path, app: KeptApp) -> None:
    """Where the kernel allows no further process, the start of a worker is tried again and is no
    failed start; what is missing is shown, and the worker runs when there is room again."""
    os.chown(home, OTHER_USER, -1)
    app.command = [*AS_OTHER_USER, *app.command]
    app.start(*SLEEP)
    worker, keeper = app.wait_for("online")["pid"], app.keeper_pid()
    before, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    _limit_processes(keeper, 1)

    os.kill(worker, signal.SIGKILL)
    waiting = app.wait_for("backoff")
    problems = wait_until(lambda: app.snapshot()["app"]["problems"], what="it is shown")
    _limit_processes(keeper, before)
    online = app.wait_for("online")

    assert "cannot start a process" in problems[0]
    assert waiting["failed_starts"] == online["failed_starts"] == 0
    assert online["pid"] != worker
    assert app.keeper_pid() == keeper
