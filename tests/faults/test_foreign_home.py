"""Homes and files that another user made: nothing of theirs is changed, read or executed."""

import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.supervise.spec import AppSpec, spec_to_json
from support.command_line import TICKER, command, monit, row
from support.keeper import KeptApp, python
from support.matrix import matrix
from support.waiting import wait_until

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give files away")


@pytest.fixture(name="script")
def _script(tmp_path: Path) -> str:
    script = tmp_path / "tick.py"
    script.write_text(TICKER)
    return str(script)


@pytest.fixture(name="planted")
def _planted(home: Path, tmp_path: Path) -> Iterator[Path]:
    """Plant an app that writes a file when it is executed; return that file."""
    mark = tmp_path / "executed"
    argv = (sys.executable, "-c", f"open({str(mark)!r}, 'w'); import time; time.sleep(1000)")
    spec = AppSpec(name="web", script=argv[0], argv=argv, cwd="/", user="nobody")
    slot = {
        "instance": 0, "id": 0, "status": "stopped", "desired": "running", "ready": False,
        "worker": None, "after_stop": "stay_stopped", "failed_start_times": [],
        "restart_times": [], "exits": [],
    }  # fmt: skip
    state = {
        "schema": 2, "boot_id": "another", "keeper_pid": 1, "left": True, "ports": [],
        "spec": spec_to_json(spec), "rollout": None, "slots": [slot],
    }  # fmt: skip
    folder = home / "apps" / "web"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "state.json").write_text(json.dumps(state))
    yield mark
    assert not mark.exists()


FOREIGN = {"home": "", "apps": "apps", "the app": "apps/web"}


@pytest.mark.parametrize("what", matrix(FOREIGN, ["home"]))
def test_every_command_refuses_what_another_user_owns(
    home: Path, planted: Path, script: str, what: str
) -> None:
    """With the home, or a folder in it, of another user, each command says whose it is and what to
    do, changes no mode and executes nothing of it."""
    assert not planted.exists()
    foreign = home / FOREIGN[what]
    foreign.chmod(0o755)
    os.chown(foreign, NOBODY, NOBODY)

    for words in (("start", "web"), ("start", script), ("list",), ("restart", "all"), ("logs",)):
        done = command(*words)
        assert done.returncode == 1, (words, done.stdout, done.stderr)
        assert f"{foreign} belongs to nobody" in done.stderr.replace("/ ", " "), done.stderr
        assert "MONIT_HOME" in done.stderr

    assert stat.S_IMODE(foreign.stat().st_mode) == 0o755
    assert not (home / "apps" / "tick").exists()


@pytest.mark.parametrize("name", matrix(["", "state.json"], ["state.json"]))
def test_a_keeper_refuses_what_another_user_owns(home: Path, planted: Path, name: str) -> None:
    """A keeper that is started by hand checks the folder and its files itself."""
    assert not planted.exists()
    app = KeptApp(home)
    os.chown(os.path.join(app.paths.folder, name), NOBODY, NOBODY)

    answer = app.start_keeper()

    app.close()
    assert answer["ok"] is False
    assert "belongs to nobody" in answer["message"]


@pytest.mark.parametrize(("mode", "code"), [(0o1777, 1), (0o755, 0)], ids=oct)
def test_the_mode_of_a_folder_with_other_files_stays(
    home: Path, script: str, mode: int, code: int
) -> None:
    """A home that also holds other files, as /tmp would, keeps its mode; where other users can
    write, it is refused."""
    (home / "somebody's file").touch()
    home.chmod(mode)

    done = command("start", script)

    assert done.returncode == code, done.stderr
    assert stat.S_IMODE(home.stat().st_mode) == mode
    if code:
        assert "MONIT_HOME" in done.stderr
    else:
        monit("delete", "tick")


def test_a_home_of_monit_alone_becomes_private(home: Path, script: str) -> None:
    """An empty folder that was made for monit is closed for others, as one that monit makes."""
    home.chmod(0o777)

    monit("start", script)

    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert row("tick")["status"] == "online"
    monit("delete", "tick")


def test_a_running_keeper_uses_no_folder_that_another_user_made(home: Path) -> None:
    """When the folder is removed and another user makes one in its place, the keeper writes nothing
    there, says so, and keeps supervising."""
    app = KeptApp(home)
    app.start(*python("import time; time.sleep(1000)"), cwd="/")
    app.wait_for("online")
    line = app.connect()
    line.request("hello", role="test", pid=1)
    theirs = home.with_name(home.name + "y")
    theirs.mkdir(mode=0o755)
    os.chown(theirs, NOBODY, NOBODY)
    home.rename(home.with_name(home.name + "x"))
    try:
        theirs.rename(home)

        def problems() -> str:
            app_record = line.request("hello", role="test", pid=1)["snapshot"]["app"]
            return str(app_record["problems"])

        wait_until(lambda: f"{home} belongs to nobody" in problems(), what="it is shown")
        assert list(home.iterdir()) == []
        line.close()
        app.close()
    finally:
        shutil.rmtree(home.with_name(home.name + "x"))


CHANGEABLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "a config file": ("monit.toml", ()),
    "a config file in an open folder": ("monit.toml", ()),
    "an env file": ("vars", ("tick.py", "--env-file")),
}
"""The name of the file, and what is written before it after ``monit start``."""


@pytest.mark.parametrize("what", CHANGEABLE)
def test_root_does_not_follow_what_every_user_can_change(
    home: Path, script: str, tmp_path: Path, what: str
) -> None:
    """A file that says what root runs, and that anybody can write or replace, is refused with what
    to do; with that done it is used."""
    name, words = CHANGEABLE[what]
    file = tmp_path / name
    config = f'[apps.tick]\nscript = "{Path(script).name}"\n'
    file.write_text(config if name == "monit.toml" else "LD_PRELOAD=/tmp/evil.so\n")
    file.chmod(0o600)
    open_to_all = tmp_path if "folder" in what else file
    mode = open_to_all.stat().st_mode
    open_to_all.chmod(mode | stat.S_IWOTH)

    refused = command("start", *words, name, cwd=tmp_path)

    assert refused.returncode == 2
    assert f"root would run what it says: chmod o-w {open_to_all}" in refused.stderr
    assert not list(home.glob("apps/*"))
    open_to_all.chmod(mode)
    assert "chmod" not in command("start", *words, name, cwd=tmp_path).stderr
