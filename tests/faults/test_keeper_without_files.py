"""A keeper whose Python and whose package are gone: an upgrade replaces them under its feet."""

import os
import shutil
import signal
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monit_agent.system.installation import Installation, own_installation
from support.keeper import KeptApp, python
from support.releases import release
from support.waiting import wait_until

PRINTS = "import time\nprint('up', flush=True)\ntime.sleep(1000)"


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


def private_python(folder: Path) -> str:
    """Return an interpreter whose standard library can be taken away."""
    library = Path(sysconfig.get_path("stdlib"))
    executable = folder / "bin" / "python3"
    executable.parent.mkdir(parents=True)
    shutil.copy2(os.path.realpath(sys.executable), executable)
    (folder / "lib").mkdir()
    (folder / "lib" / library.name).symlink_to(library)
    return str(executable)


def test_a_keeper_does_all_of_its_work_without_a_single_file_of_monit_or_python(
    app: KeptApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It imported everything at its start. It has no agent then and says what to do; when monit is
    there again, an upgrade brings the agent back, and the workers have noticed nothing."""
    monkeypatch.setenv("PATH", str(tmp_path))  # where no other monit is found
    old = release(tmp_path / "old", "0.0.1", python=private_python(tmp_path / "python"))
    app.command = [old.python, "-I", "-S", f"{old.package}/keeper/__main__.py", app.paths.folder]
    app.start(*python(PRINTS), instances=2)
    app.wait_for("online", 1)
    shutil.rmtree(tmp_path / "old")
    shutil.rmtree(tmp_path / "python")
    drive(app)
    wait_until(lambda: says_why(app), what="it says why there is no agent", deadline_s=60)
    log = Path(app.paths.keeper_log).read_text()
    assert "Error" not in log, log
    kept = app.slot(0)["pid"]
    answer = upgrade(app, own_installation())
    assert (answer["ok"], answer["from"]) == (True, "0.0.1")
    assert (app.slot(0)["pid"], app.slot(0)["adopted"]) == (kept, False)
    assert app.request("version")["agent_version"] == answer["version"]


def says_why(app: KeptApp) -> bool:
    return any("install monit again" in text for text in app.event_texts("agent_exited"))


def upgrade(app: KeptApp, to: Installation) -> dict[str, Any]:
    connection = app.connect()
    connection.sock.settimeout(90)
    try:
        return connection.request("upgrade", python=to.python, package=to.package)
    finally:
        connection.close()


def drive(app: KeptApp) -> None:
    """Let the keeper do one of each thing that it can do."""
    os.kill(app.slot(0)["pid"], signal.SIGKILL)
    wait_until(lambda: app.slot(0)["restarts"] == 1, what="a crash is followed by a restart")
    app.wait_for("online", 0)
    for do, fields in (
        ("reload", {"env": {"PATH": "/nowhere", "NEW": "1"}}),
        ("restart", {"instances": [1]}),
        ("scale", {"count": 3}),
        ("scale", {"count": 2}),
        ("flush", {"instances": [0]}),
        ("reset", {"instances": [0]}),
        ("signal", {"signal": "CONT", "instances": [0]}),
        ("stop", {"instances": [1]}),
        ("start", {"instances": [1]}),
    ):
        assert app.request(do, **fields)["ok"], do
        wait_until(lambda: _is_settled(app), what=f"{do} is done", deadline_s=60)
    for wrong in (
        app.request("dance"),
        app.request("restart", env={"": "no name"}),
        app.request("scale", count="many"),
        app.request("signal", signal="NOPE"),
        app.request("start", instances=[99]),
    ):
        assert not wrong["ok"]
    connection = app.connect()
    connection.send(b"\xff\xfe{\n")
    assert connection.read()["kind"] == "bad_request"
    connection.close()
    assert len(app.slots()) == 2


def _is_settled(app: KeptApp) -> bool:
    snapshot = app.snapshot()
    done = {slot["status"] for slot in snapshot["instances"]} <= {"online", "stopped"}
    return done and snapshot["rollout"] is None
