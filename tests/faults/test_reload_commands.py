"""Reload commands that change their user, outlive their keeper or leave something running."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from monit_agent.system.users import shared_folder
from support.keeper import QUICK, KeptApp, python
from support.processes import is_running
from support.waiting import wait_until

SLEEP = ("/bin/sleep", "1000")
NOBODY = 65534

ON_TERM = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), sys.exit()))
print("up", flush=True)
while True: time.sleep(1000)
"""

WAITS = """
import os, subprocess, sys
child = subprocess.Popen(["sleep", "1000"], process_group=0)
with open(sys.argv[1] + ".new", "w") as file: file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
child.wait()
"""
"""A command that waits for a process of its session, which is in a process group of its own."""

LEAVES = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", '''
import os, sys, time
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
print("still here", flush=True)
time.sleep(1000)
''', sys.argv[1]])
"""
"""A command that exits with 0 and leaves a process that prints when a file exists."""

only_root = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can be another user"
)


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


def start(app: KeptApp, *reload_command: str, worker: tuple[str, ...] = SLEEP) -> int:
    """Start the app with this reload command; return the pid of its worker."""
    app.start(*worker, policy=QUICK._replace(reload_command=reload_command))
    return app.wait_for("online")["pid"]


def begin_waiting(app: KeptApp) -> list[int]:
    """Reload an app with the command `WAITS`; return the pids of the command and its child."""
    begun = app.home / "begun"
    start(app, *python(WAITS, str(begun)))
    app.request("reload")
    wait_until(begun.exists, what="the command waits")
    return list(map(int, begun.read_text().split()))


@only_root
def test_a_command_that_became_another_user_keeps_no_stop_from_the_worker(app: KeptApp) -> None:
    """The keeper may not kill it, as a user's may not kill sudo: the worker gets its signal all the
    same, the event says what still runs, and no second command starts before that has exited."""
    app.command = ["setpriv", "--bounding-set=-kill", *app.command]
    sleeps = ("setpriv", f"--reuid={NOBODY}", "--clear-groups", *SLEEP)
    start(app, *sleeps, worker=python(ON_TERM))
    wait_until(lambda: app.log() == b"up\n", what="it handles the signal")
    keeper = psutil.Process(app.keeper_pid())

    def other_user() -> list[int]:
        return [child.pid for child in keeper.children() if child.uids().real == NOBODY]

    app.request("reload")
    (command,) = wait_until(other_user, what="the command is another user") or []
    app.request("stop")
    app.wait_for("stopped")
    (end,) = app.slot()["exits"]
    assert (end["code"], end["signal"], app.log()) == (0, None, b"up\nbye\n")
    assert app.event_texts("left_behind") == [
        f"could not kill pid {command} of the reload command: permission denied"
    ]

    app.request("start")
    app.wait_for("online")
    app.request("reload")
    wait_until(lambda: len(app.event_texts("reload_failed")) == 2, what="the next reload fails")
    assert f"earlier reload still runs: pid {command}" in app.event_texts("reload_failed")[-1]
    os.kill(command, signal.SIGKILL)
    wait_until(lambda: not is_running(command), what="it has exited")
    app.request("reload")
    wait_until(other_user, what="a command runs again")


def test_a_command_is_killed_with_all_of_its_session(app: KeptApp) -> None:
    """Also what is in another process group."""
    pids = begin_waiting(app)
    assert app.request("cancel_reload")["ok"]
    wait_until(lambda: not any(map(is_running, pids)), what="all of it is gone")


def test_the_next_keeper_kills_the_command(app: KeptApp) -> None:
    """Nobody would limit it, and a second one could run at the same time."""
    pids = begin_waiting(app)
    state = Path(app.paths.state)
    wait_until(lambda: json.loads(state.read_text())["reload_commands"], what="it is saved")
    worker = app.slot()["pid"]
    app.kill_keeper()
    app.start_next_keeper()
    wait_until(lambda: not any(map(is_running, pids)), what="all of it is gone")
    wait_until(lambda: app.event_texts("reload_failed"), what="the reload has failed")
    assert app.slot()["pid"] == worker


def test_what_a_command_leaves_prints_into_the_log_after_the_death_of_its_keeper(
    app: KeptApp,
) -> None:
    """It may be the worker's successor: it has the pipes of the worker."""
    gate = app.home / "gate"
    start(app, *python(LEAVES, str(gate)))
    app.request("reload")
    wait_until(lambda: app.event_texts("reload_done"), what="the command has exited")
    app.kill_keeper()
    app.start_next_keeper()
    gate.touch()
    wait_until(lambda: app.log() == b"still here\n", what="its line is in the log")


def test_a_command_prints_into_both_logs_and_inherits_nothing_else(app: KeptApp) -> None:
    """The reason has what it printed on standard error."""
    code = (
        "import os, sys; print(os.path.exists('/proc/self/fd/3')); "
        "print('bad', file=sys.stderr); sys.exit(3)"
    )
    start(app, *python(code))
    app.request("reload")
    wait_until(lambda: app.event_texts("reload_failed"), what="the reload has failed")
    assert "the reload command failed (exit code 3): bad" in app.event_texts("reload_failed")[0]
    assert (app.log(), app.log(stream="err")) == (b"False\n", b"bad\n")


def can_bind() -> bool:
    bind = ["unshare", "-m", "mount", "--bind", "/etc/passwd", "/etc/passwd"]
    return (
        bool(shutil.which("unshare")) and not subprocess.run(bind, capture_output=True).returncode
    )


@pytest.mark.skipif(os.getuid() != 0 or not can_bind(), reason="no mount namespaces here")
def test_a_command_never_runs_as_root_for_a_worker_of_another_user(
    app: KeptApp, tmp_path: Path
) -> None:
    """If the keeper starts when the user is unknown, the reload fails until the user is known."""
    passwd, who = tmp_path / "passwd", tmp_path / "who"
    known = "root:x:0:0::/root:/bin/sh\nweb:x:4321:4321::/:/bin/sh\n"
    passwd.write_text(known)
    who.write_text("")
    who.chmod(0o666)
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o711)
    bind = f'mount --bind {passwd} /etc/passwd && exec "$@"'
    app.command = ["unshare", "-m", "sh", "-c", bind, "sh", *app.command]
    policy = QUICK._replace(reload_command=("sh", "-c", f"id -u >> {who}"))
    app.start(*SLEEP, policy=policy, worker_user="web", cwd="/")
    app.wait_for("online")

    passwd.write_text("root:x:0:0::/root:/bin/sh\n")
    app.kill_keeper()
    app.start_next_keeper()
    refused = app.request("reload")
    assert (refused["ok"], "there is no user web" in refused["message"]) == (False, True)
    assert who.read_text() == ""

    passwd.write_text(known)
    assert app.request("reload")["ok"]
    wait_until(lambda: app.event_texts("reload_done"), what="the reload succeeds")
    assert who.read_text() == "4321\n"
    app.request("delete")
    shared = Path(shared_folder(app.paths.folder))
    wait_until(lambda: not shared.exists(), what="the folder in /run is removed")
