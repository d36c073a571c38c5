"""A file system or a user database that never answers delays only what needs it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import TICKER, monit, row
from support.keeper import KeptApp, python
from support.processes import is_running
from support.waiting import wait_until

FUSE_FOLDER = Path(__file__).parent.parent / "programs" / "fuse_folder.py"
SLEEP = ("sleep", "1000")


class SilentFolder:
    """A file system at ``place`` that shows what is in ``behind``."""

    def __init__(self, behind: Path, place: Path) -> None:
        self.behind, self.place = behind, place
        words = [sys.executable, str(FUSE_FOLDER), str(behind), str(place)]
        self._server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._server.stdout is not None
        self.is_mounted = self._server.stdout.readline() == b"mounted\n"

    def fall_silent(self) -> None:
        self._server.send_signal(signal.SIGSTOP)

    def answer_again(self) -> None:
        self._server.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._server.kill()
        self._server.wait()
        if self._server.stdout is not None:
            self._server.stdout.close()
        subprocess.run(["umount", "--lazy", str(self.place)], stderr=subprocess.DEVNULL)


@pytest.fixture(name="remote")
def _remote(home: Path, tmp_path: Path) -> Iterator[SilentFolder]:
    if os.getuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("needs root and FUSE")
    behind, place = tmp_path / "behind", tmp_path / "remote"
    behind.mkdir()
    place.mkdir()
    folder = SilentFolder(behind, place)
    try:
        if not folder.is_mounted:
            pytest.skip("no FUSE here")
        yield folder
    finally:
        folder.close()


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


def kill_worker(app: KeptApp, instance: int) -> int:
    pid = app.slot(instance)["pid"]
    os.kill(pid, signal.SIGKILL)
    return pid


def test_an_env_file_on_a_silent_server_delays_only_the_start(
    app: KeptApp, remote: SilentFolder
) -> None:
    """The instance says what it waits for; the other one is signalled and stopped; when the server
    answers, the worker starts with what the file has by then."""
    (remote.behind / "app.env").write_text("SAID=first\n")
    (remote.behind / "app.env").chmod(0o644)
    code = "import os, time; print(os.environ['SAID'], flush=True); time.sleep(1000)"
    app.start(*python(code), instances=2, env_files=(str(remote.place / "app.env"),))
    other = app.wait_for("online", 1)["pid"]
    app.wait_for("online", 0)
    (remote.behind / "app.env").write_text("SAID=second\n")
    remote.fall_silent()
    kill_worker(app, 0)
    waiting = f"waiting for the file system at {remote.place} ("
    wait_until(lambda: waiting in str(app.slot(0)["reason"]), what="it says what it waits for")
    assert waiting in str(app.snapshot()["app"]["problems"])
    refused = app.request("restart")
    assert not refused["ok"]
    assert f"nothing was stopped: {waiting}" in refused["message"]
    assert app.slot(1)["pid"] == other
    assert app.request("signal", instances=[1], signal="CONT")["ok"]
    assert app.request("stop", instances=[1])["ok"]
    app.wait_for("stopped", 1)
    assert not is_running(other)
    assert len(app.event_texts("backoff", 0)) == 1

    remote.answer_again()

    app.wait_for("online", 0)
    wait_until(lambda: app.log() == b"first\nsecond\n", what="it has the new value")
    assert app.slot(0)["failed_starts"] == 0


def test_a_working_directory_on_a_silent_server(app: KeptApp, remote: SilentFolder) -> None:
    """A restart is refused with the worker running on; a start waits, and can be stopped."""
    app.start(*SLEEP, cwd=str(remote.place))
    first = app.wait_for("online")["pid"]
    remote.fall_silent()
    refused = app.request("restart")
    assert (refused["ok"], "nothing was stopped: waiting for" in refused["message"]) == (
        False,
        True,
    )
    assert app.slot()["pid"] == first
    kill_worker(app, 0)
    wait_until(lambda: str(remote.place) in str(app.slot()["reason"]), what="it says so")
    assert app.request("stop")["ok"]
    app.wait_for("stopped")
    assert app.request("start")["ok"]
    wait_until(lambda: str(remote.place) in str(app.slot()["reason"]), what="it waits again")

    remote.answer_again()

    app.wait_for("online")
    assert app.request("restart")["ok"]


@contextlib.contextmanager
def silent_users(app: KeptApp, tmp_path: Path) -> Iterator[None]:
    """Let nobody in the app's mount namespace learn who a user is: a directory server is down."""
    fifo = tmp_path / "silent"
    os.mkfifo(fifo)

    def in_its_namespace(*words: str) -> None:
        enter = ["nsenter", f"--target={app.keeper_pid()}", "--mount", "--"]
        subprocess.run([*enter, *words], check=True)

    in_its_namespace("mount", "--bind", str(fifo), "/etc/passwd")
    try:
        yield
    finally:
        in_its_namespace("umount", "--lazy", "/etc/passwd")
        users = b"root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
        fd = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        os.write(fd, users.ljust(4096, b"\n") * 4)  # a whole answer for each who waits
        os.close(fd)


def can_enter() -> bool:
    words = ["unshare", "-m", "mount", "--bind", "/etc/passwd", "/etc/passwd"]
    found = all(map(shutil.which, ("unshare", "nsenter")))
    return found and not subprocess.run(words, capture_output=True).returncode


@pytest.mark.skipif(os.getuid() != 0 or not can_enter(), reason="no mount namespaces here")
@pytest.mark.parametrize("keeper", ["same", "next"])
def test_a_user_database_that_does_not_answer(app: KeptApp, tmp_path: Path, keeper: str) -> None:
    """Its workers wait for it, whoever is their keeper, and nothing else does."""
    app.command = ["unshare", "-m", *app.command]
    app.start(*SLEEP, worker_user="nobody", cwd="/", instances=2)
    app.wait_for("online", 0)
    app.wait_for("online", 1)
    with silent_users(app, tmp_path):
        if keeper == "next":
            app.command = ["nsenter", f"--target={app.slot(1)['pid']}", "--mount", *app.command[2:]]
            app.kill_keeper()
            app.start_next_keeper()
        kill_worker(app, 0)
        waiting = "waiting for the user database ("
        wait_until(lambda: waiting in str(app.slot(0)["reason"]), what="it says what it waits for")
        for do in ("reload", "restart"):
            refused = app.request(do)
            assert (refused["ok"], "nothing was stopped: waiting" in refused["message"]) == (
                False,
                True,
            )
        assert app.slot(1)["status"] == "online"
        assert app.request("stop", instances=[1])["ok"]
        app.wait_for("stopped", 1)
        assert app.request("start", instances=[1])["ok"]
        wait_until(lambda: waiting in str(app.slot(1)["reason"]), what="it waits, too")
        assert app.request("stop", instances=[1])["ok"]
        app.wait_for("stopped", 1)
        assert app.request("signal", instances=[0], signal="CONT")["kind"] == "refused"
    slot = app.wait_for("online", 0)
    assert (os.stat(f"/proc/{slot['pid']}").st_uid, slot["failed_starts"]) == (65534, 0)
    app.request("delete")


def agent_of(app: str) -> int:
    return json.loads(monit("describe", app, "--json"))[0]["agent_pid"]


def test_an_agent_does_not_wait_for_a_silent_file_system(
    remote: SilentFolder, tmp_path: Path
) -> None:
    """Both apps of a process of agents are sampled and obey when it is started again: also the one
    that runs, is watched and is checked on a file system that does not answer."""
    for folder in (remote.behind, tmp_path):
        (folder / "tick.py").write_text(TICKER)
    check = ("--health-command", "./check", "--health-interval", "1s", "--health-timeout", "30s")
    (remote.behind / "check").symlink_to("/bin/true")
    monit("start", "tick.py", "--name", "far", "--watch", *check, cwd=remote.place)
    monit("start", str(tmp_path / "tick.py"), "--name", "near")
    agents = agent_of("far")
    assert agents == agent_of("near")

    remote.fall_silent()
    os.kill(agents, signal.SIGKILL)

    for app in ("far", "near"):
        wait_until(
            lambda app=app: not row(app)["stale"] and agent_of(app) not in (agents, None),
            what=f"{app} has an agent",
        )
        wait_until(lambda app=app: row(app)["rss_bytes"], what=f"{app} is sampled")
    waiting = f"waiting for the file system at {remote.place}"

    def cannot_watch() -> bool:
        events = monit("events", "far").splitlines()
        return any("watch failed" in line and waiting in line for line in events)

    wait_until(cannot_watch, what="it says that it cannot watch")
    assert waiting in monit("describe", "far")
    monit("restart", "near")
    assert (row("far")["status"], row("far")["restarts"]) == ("online", 0)

    remote.answer_again()

    watched = f"{remote.place} is watched again"
    wait_until(lambda: watched in monit("events", "far"), what="it watches")
