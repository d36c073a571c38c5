"""A keeper that is replaced by another version of monit while its workers run."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monit_agent import __version__
from monit_agent.system.installation import Installation, own_installation
from support.keeper import QUICK, KeptApp, python
from support.releases import release
from support.waiting import wait_until

ANSWER_S = 90

NEWER_SCHEMA = (
    "keeper/state/statefile.py",
    "SCHEMA, OLDEST_SCHEMA = 2, 2",
    "SCHEMA, OLDEST_SCHEMA = 3, 2",
)
TAKES_OVER = "        inherited.protect()\n"
"""A line of the new version, after `execve` and before it has anything."""

WAITS = (
    "keeper/upgrade/takeover.py",
    TAKES_OVER,
    f"""{TAKES_OVER}
        import time
        open(paths.folder + "/here", "w").close()
        while not os.path.exists(paths.folder + "/go"): time.sleep(0.01)
""",
)
"""A release that stops in the middle of its start, until the test has done what it wants."""


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


class Request:
    """A request to be replaced by a release; `answer` waits for what comes of it."""

    def __init__(self, app: KeptApp, to: Installation, **fields: Any) -> None:
        self._connection = app.connect()
        self._connection.sock.settimeout(ANSWER_S)
        request = {"id": 7, "do": "upgrade", "python": to.python, "package": to.package, **fields}
        self._connection.send(json.dumps(request).encode() + b"\n")

    def answer(self) -> dict[str, Any]:
        try:
            return self._connection.read()
        finally:
            self.close()

    def close(self) -> None:
        self._connection.close()


def agent_version(app: KeptApp) -> str | None:
    return app.request("version")["agent_version"]


ON_REQUEST = """
import os, signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: (print("last words", end="", flush=True), os._exit(7)))
print("up", flush=True)
while True: time.sleep(1000)
"""


ON_TERM = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), sys.exit()))
print("up", flush=True)
while True: time.sleep(1000)
"""


def test_what_happens_while_the_new_version_starts_is_not_missed(
    app: KeptApp, tmp_path: Path
) -> None:
    """In the middle of it, a worker prints and exits, and a client sends a request: the exit code,
    the bytes and the request are all there; the other worker is the same process, and the
    counters, events and agent too. The newer version writes the state in its own schema."""
    app.start(*python(ON_REQUEST), instances=2)
    app.wait_for("online", 1)
    wait_until(lambda: app.log(0) + app.log(1) == b"up\n" * 2, what="both handle the signal")
    before, keeper = app.slots(), app.keeper_pid()
    request = Request(app, release(tmp_path, "9.9.9", NEWER_SCHEMA, WAITS))
    wait_until(Path(app.paths.folder, "here").exists, what="it starts", deadline_s=ANSWER_S)
    os.kill(before[0]["pid"], signal.SIGUSR1)
    client = app.connect()
    client.sock.settimeout(ANSWER_S)
    client.send(b'{"id": "early", "do": "reset", "instances": [1]}\n')
    wait_until(lambda: _is_zombie(before[0]["pid"]), what="the worker has exited")
    Path(app.paths.folder, "go").touch()

    answer = request.answer()
    assert (answer["ok"], answer["from"], answer["version"]) == (True, __version__, "9.9.9")
    assert client.read() == {"id": "early", "ok": True, "instances": [1]}
    client.close()
    assert (app.keeper_pid(), answer["pid"]) == (keeper, keeper)
    wait_until(lambda: app.slot(0)["restarts"] == 1, what="the exit is noticed")
    (end,) = app.slot(0)["exits"]
    assert (end["code"], end["signal"]) == (7, None)
    app.wait_for("online", 0)
    wait_until(lambda: app.log(0) == b"up\nlast words\nup\n", what="all bytes are there")
    other = app.slot(1)
    assert (other["pid"], other["restarts"], other["adopted"]) == (before[1]["pid"], 0, False)
    assert app.event_texts("spawned")[0].endswith(str(before[0]["pid"]))
    assert agent_version(app) == "9.9.9"
    wait_until(lambda: _schema(app) == 3, what="the state has the newer schema")


def test_an_upgrade_during_a_reload_command_is_refused(app: KeptApp, tmp_path: Path) -> None:
    """The next version would not see how the command exits. The refusal says what to do."""
    app.start("/bin/sleep", "1000", policy=QUICK._replace(reload_command=("sleep", "1000")))
    before = app.wait_for("online")["pid"]
    app.request("reload")
    wait_until(lambda: app.slot()["reloading"], what="the command runs")
    to = release(tmp_path, "9.9.9")
    refused = Request(app, to).answer()
    assert (refused["ok"], refused["kind"]) == (False, "refused")
    assert "cancel it with monit reload web --cancel" in refused["message"]

    assert app.request("cancel_reload")["ok"]
    assert Request(app, to).answer()["ok"]
    assert app.request("version")["version"] == "9.9.9"
    assert (app.slot()["pid"], app.slot()["reloading"]) == (before, False)


def test_a_reload_command_does_not_start_during_an_upgrade(app: KeptApp, tmp_path: Path) -> None:
    """The reload is refused, and succeeds afterwards."""
    here, go = tmp_path / "here", tmp_path / "go"
    line = "        handover.saved_of(read_inherited(fd))\n"
    waits = (
        f"        import time\n        open({str(here)!r}, 'w').close()\n"
        f"        while not os.path.exists({str(go)!r}): time.sleep(0.01)\n{line}"
    )
    app.start("/bin/sleep", "1000", policy=QUICK._replace(reload_command=("true",)))
    before = app.wait_for("online")["pid"]
    to = release(tmp_path, "9.9.9", ("keeper/upgrade/takeover.py", line, waits))
    request = Request(app, to)
    wait_until(here.exists, what="the rehearsal runs", deadline_s=ANSWER_S)
    refused = app.request("reload")
    go.touch()
    assert (refused["kind"], "being upgraded" in refused["message"]) == ("refused", True)
    assert request.answer()["ok"]

    assert app.request("reload")["ok"]
    wait_until(lambda: app.event_texts("reload_done"), what="the reload succeeds")
    assert app.slot()["pid"] == before


def _is_zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


def _schema(app: KeptApp) -> int:
    return json.loads(Path(app.paths.state).read_text())["schema"]


@pytest.mark.full
def test_a_signal_that_arrives_while_the_new_version_starts_waits(
    app: KeptApp, tmp_path: Path
) -> None:
    """SIGTERM stops the workers properly, as at any other moment."""
    app.start(*python(ON_TERM))
    wait_until(lambda: app.log() == b"up\n", what="it handles the signal")
    keeper = app.keeper_pid()
    request = Request(app, release(tmp_path, "9.9.9", WAITS))
    wait_until(Path(app.paths.folder, "here").exists, what="it starts", deadline_s=ANSWER_S)
    os.kill(keeper, signal.SIGTERM)
    Path(app.paths.folder, "go").touch()
    assert app.process is not None
    assert app.process.wait(ANSWER_S) == 0
    request.close()
    assert app.log() == b"up\nbye\n"


BROKEN = {
    "it does not start": (
        ("keeper/startup.py", "import os\n", "import os, nothing_of_that_name\n"),
    ),
    "it cannot read": (("keeper/upgrade/inherited.py", "FORMAT = 1", "FORMAT = 2"),),
    "its agent does not start": (
        ("agent/agent.py", "import contextlib\n", "import contextlib, nothing_of_that_name\n"),
    ),
}


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("it does not start", marks=pytest.mark.full),
        pytest.param("it cannot read", marks=pytest.mark.full),
        "its agent does not start",
    ],
)
def test_a_version_that_cannot_take_over_changes_nothing(
    app: KeptApp, tmp_path: Path, broken: str
) -> None:
    """The old keeper goes on with an agent of its own version, and the answer says why."""
    app.start("/bin/sleep", "1000")
    before = app.wait_for("online")
    wait_until(lambda: agent_version(app) == __version__, what="the agent is there")
    answer = Request(app, release(tmp_path, "9.9.9", *BROKEN[broken])).answer()
    assert not answer["ok"]
    reason = "format" if broken == "it cannot read" else "agent"
    reason = "nothing_of_that_name" if broken == "it does not start" else reason
    assert reason in answer["message"]
    assert f"monit {__version__} keeps running" in answer["message"]
    assert app.event_texts("upgrade_failed") == [answer["message"]]
    wait_until(lambda: agent_version(app) == __version__, what="its agent is back", deadline_s=60)
    assert app.slot()["pid"] == before["pid"]
    assert app.request("version")["version"] == __version__


def test_an_older_version_refuses_the_state_of_a_newer_one(app: KeptApp, tmp_path: Path) -> None:
    """Back from a newer schema: refused, with the version that wrote it; nothing is rewritten."""
    newer = release(tmp_path, "9.9.9", NEWER_SCHEMA)
    app.command[3] = f"{newer.package}/keeper/__main__.py"
    app.start("/bin/sleep", "1000")
    before = app.wait_for("online")
    answer = Request(app, own_installation()).answer()
    assert not answer["ok"]
    assert "has schema 3" in answer["message"]
    assert "monit 9.9.9" in answer["message"]
    assert (app.slot()["pid"], _schema(app)) == (before["pid"], 3)


def test_workers_survive_a_version_that_fails_after_it_took_over(
    app: KeptApp, tmp_path: Path
) -> None:
    """What no rehearsal can find: the process is gone, and another keeper adopts the workers."""
    fails = (
        "keeper/upgrade/takeover.py",
        "        inherited.protect()\n",
        "        raise SystemError('no')\n",
    )
    app.start("/bin/sleep", "1000")
    before = app.wait_for("online")
    request = Request(app, release(tmp_path, "9.9.9", fails))
    with pytest.raises(ConnectionError):
        request.answer()

    def adopted() -> dict[str, Any] | None:
        try:
            return app.slot() if app.slot()["adopted"] else None
        except OSError:
            return None

    slot = wait_until(adopted, what="another keeper adopted it", deadline_s=60)
    assert slot is not None
    assert (slot["pid"], slot["restarts"]) == (before["pid"], 0)
    assert "no" in Path(app.paths.keeper_log).read_text()


@pytest.mark.full
def test_a_rehearsal_changes_nothing(app: KeptApp, tmp_path: Path) -> None:
    """Keeper, agent and worker stay; the state keeps its schema."""
    app.start("/bin/sleep", "1000")
    app.wait_for("online")
    wait_until(lambda: agent_version(app) == __version__, what="the agent is there")
    before = app.slot(), app.request("version")
    assert Request(app, release(tmp_path, "9.9.9", NEWER_SCHEMA), rehearse=True).answer()["ok"]
    after = app.slot(), app.request("version")
    assert (before[0]["pid"], before[1]["version"], before[1]["agent_pid"], 2) == (
        after[0]["pid"], after[1]["version"], after[1]["agent_pid"], _schema(app),
    )  # fmt: skip


@pytest.mark.full
def test_a_descriptor_of_ours_reaches_no_worker(app: KeptApp, tmp_path: Path) -> None:
    """What outlives the old version ends at the new one: the next worker has its own three only."""
    app.start("/bin/sleep", "1000")
    app.wait_for("online")
    assert Request(app, release(tmp_path, "9.9.9")).answer()["ok"]
    app.request("restart", instances=[0])
    wait_until(lambda: app.slot()["restarts"] == 1, what="it was restarted")
    pid = app.wait_for("online")["pid"]
    assert sorted(os.listdir(f"/proc/{pid}/fd"), key=int) == ["0", "1", "2"]


def test_a_second_upgrade_and_a_way_back_succeed(app: KeptApp, tmp_path: Path) -> None:
    """To another version and back: descriptors do not become more, the worker stays."""
    app.start("/bin/sleep", "1000", instances=2)
    app.wait_for("online", 1)
    pids = [slot["pid"] for slot in app.slots().values()]
    wait_until(lambda: agent_version(app) == __version__, what="the agent is there")
    before = app.request("version")["descriptors"]
    for to in (release(tmp_path, "9.9.9"), own_installation()):
        assert Request(app, to).answer()["ok"]
    assert [slot["pid"] for slot in app.slots().values()] == pids
    wait_until(
        lambda: app.request("version")["descriptors"] <= before, what="no descriptor was left over"
    )


def executable_of(name: str) -> str | None:
    """Return the interpreter that a command starts, which may be a script of a version manager."""
    command = shutil.which(name)
    if command is None:
        return None
    code = [command, "-c", "import sys; print(sys.executable)"]
    return subprocess.run(code, capture_output=True, text=True).stdout.strip() or None


@pytest.mark.full
@pytest.mark.parametrize("minor", ["python3.12", "python3.13"])
def test_a_keeper_goes_to_another_python_and_back(app: KeptApp, tmp_path: Path, minor: str) -> None:
    """Only the keeper, which needs nothing but the standard library; its agent stays in ours."""
    other = executable_of(minor)
    if other is None or os.path.realpath(other) == os.path.realpath(sys.executable):
        pytest.skip(f"there is no other {minor} here")
    ours = f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.orig_argv[1:]])"
    back = f"import os, sys\nif sys.version_info[:2] != {sys.version_info[:2]}: {ours}\n"
    changed = ("agent/__main__.py", "import contextlib\n", f"{back}import contextlib\n")
    app.start("/bin/sleep", "1000")
    before = app.wait_for("online")
    there = Request(app, release(tmp_path, "9.9.9", changed, python=other)).answer()
    assert (there["ok"], there["python_version"][:4]) == (True, minor[-4:])
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: app.slot()["restarts"] == 1, what="it supervises there")
    pid = app.wait_for("online")["pid"]
    back_again = Request(app, own_installation()).answer()
    assert (back_again["ok"], back_again["from"]) == (True, "9.9.9")
    assert (app.slot()["pid"], app.slot()["restarts"]) == (pid, 1)
