"""``--watch`` on real apps, also such as write files into their own folder."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.command_line import MONIT, in_terminal, monit, monit_error, row, script
from support.waiting import wait_until
from support.watching import watches_files

pytestmark = pytest.mark.usefixtures("home")
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="needs node")

SQLITE = """
import sqlite3, time
while True:
    with sqlite3.connect("orders.db", isolation_level=None) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table if not exists t (n)")
        connection.execute("insert into t values (1)")
    connection.close()
    print("wrote", flush=True)
    time.sleep(0.1)
"""

OWN_STORE = """
import time
store = open("store", "ab", buffering=0)
while True:
    store.write(b"entry")
    print("wrote", flush=True)
    time.sleep(0.1)
"""

ROTATED_LOG = """
import logging.handlers, time
handler = logging.handlers.RotatingFileHandler("access.log", maxBytes=50, backupCount=3)
logging.getLogger().addHandler(handler)
while True:
    logging.warning("one more request")
    print("wrote", flush=True)
    time.sleep(0.1)
"""

NODE_STORE = """
const fs = require("fs");
const store = fs.openSync("data", "a");
setInterval(() => { fs.writeSync(store, "entry"); console.log("wrote"); }, 100);
"""

STATE_JSON = """
import json, os, time
time.sleep(0.2)
while True:
    with open("state.json.new", "w") as file:
        json.dump({"at": time.time()}, file)
    os.replace("state.json.new", "state.json")
    time.sleep(0.1)
"""


def _described(app: str) -> dict[str, Any]:
    return json.loads(monit("describe", app, "--json"))[0]


def _events(app: str, kind: str) -> list[str]:
    return [each["text"] for each in _described(app)["history"]["events"] if each["kind"] == kind]


def _causes(app: str) -> list[str]:
    """Return why the app was restarted by itself."""
    return [text.partition(": ")[2] for text in _events(app, "requested") if ": " in text]


def _start(folder: Path, name: str, text: str, *options: str) -> None:
    script(folder, name, text)
    monit("start", name, "--watch", "--min-uptime", "0.1s", *options, cwd=folder)
    agent = _described("app")["agent_pid"]
    wait_until(lambda: watches_files(agent), what="the agent watches")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("app.py", SQLITE),
        ("app.py", OWN_STORE),
        ("app.py", ROTATED_LOG),
        pytest.param(
            "app.js",
            NODE_STORE,
            marks=[
                pytest.mark.full,
                pytest.mark.skipif(not shutil.which("node"), reason="no node"),
            ],
        ),
    ],
    ids=["sqlite", "open-file", "rotated-log", "node"],
)
def test_what_the_app_writes_does_not_restart_it(tmp_path: Path, name: str, text: str) -> None:
    """Its database, its store and its log are no reason; the next edit of the code is."""
    _start(tmp_path, name, text)
    wait_until(lambda: monit("logs", "app", "--no-follow").count("wrote") > 5, what="it writes")
    (tmp_path / "util.py").write_text("edited = True")
    wait_until(lambda: _causes("app"), what="the edit restarts it")

    assert _causes("app") == ["files changed: util.py"]


def test_an_app_that_restarts_itself_is_slowed_down_and_says_why(tmp_path: Path) -> None:
    """The file is named in list, describe and the events, and on the screen; with the remedy."""
    _start(tmp_path, "app.py", STATE_JSON)
    slowed = wait_until(lambda: _events("app", "watch_slowed"), deadline_s=60, what="it is slowed")

    assert "state.json" in slowed[0]
    assert "--ignore-watch" in slowed[0]
    assert set(_causes("app")) <= {
        "files changed: state.json", "files changed: state.json, state.json.new"
    }  # fmt: skip
    watch = row("app")["watch"]
    assert watch["last_cause"].startswith("state.json")
    assert watch["slowed_until"] is not None
    assert "watch slowed: state.json" in monit("list")
    described = monit("describe", "app")
    assert "slowed after" in described
    assert "cause: state.json" in described
    screen = in_terminal("app", columns=160, rows=50)
    screen.expect("watch slow")
    screen.close(force=True)


def test_ignored_files_do_not_restart_the_app(tmp_path: Path) -> None:
    """``--ignore-watch`` is the remedy, and is listed among the settings."""
    _start(tmp_path, "app.py", STATE_JSON, "--ignore-watch", "state.json*")
    wait_until((tmp_path / "state.json").exists, what="it writes")
    (tmp_path / "util.py").write_text("edited = True")
    wait_until(lambda: _causes("app"), what="the edit restarts it")

    assert _causes("app") == ["files changed: util.py"]
    assert "state.json*" in monit("describe", "app")


def test_a_switched_link_restarts_the_app_and_is_followed(tmp_path: Path) -> None:
    """The folder of the app is a link to a release: the new release runs, and is watched."""
    text = "import time\nprint(open('release').read(), flush=True)\ntime.sleep(3600)\n"
    for name in ("r1", "r2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "release").write_text(f"this is {name}")
        script(tmp_path / name, text=text)
    (tmp_path / "current").symlink_to("r1")
    monit("start", "app.py", "--watch", "--cwd", str(tmp_path / "current"), cwd=tmp_path / "r1")
    agent = _described("app")["agent_pid"]
    wait_until(lambda: watches_files(agent), what="the agent watches")

    (tmp_path / "next").symlink_to("r2")
    (tmp_path / "next").rename(tmp_path / "current")
    wait_until(lambda: "this is r2" in monit("logs", "app", "--no-follow"), what="r2 runs")
    assert _causes("app") == [f"folder replaced: {tmp_path / 'current'}"]
    wait_until(lambda: _touched(tmp_path / "r2" / "util.py"), what="r2 is watched")


def _touched(path: Path) -> bool:
    path.write_text("x")  # again and again: the watch of the new folder may not have begun yet
    return "files changed: util.py" in _causes("app")


LIMITED = ["unshare", "--user", "--map-root-user", "sh", "-c"]


def _can_limit() -> bool:
    """Return whether a user namespace of our own can be made here."""
    words = [*LIMITED, "echo 9 > /proc/sys/user/max_inotify_watches"]
    return shutil.which("unshare") is not None and not (
        subprocess.run(words, stderr=subprocess.DEVNULL).returncode
    )


@pytest.mark.skipif(not _can_limit(), reason="needs unshare and a user namespace of its own")
@pytest.mark.parametrize("limit", ["watches", "instances"])
def test_a_limit_of_the_kernel_is_named_with_the_way_out(tmp_path: Path, limit: str) -> None:
    """A project has more folders than a user may watch on many machines; the app runs all the
    same."""
    (tmp_path / "one" / "two").mkdir(parents=True)
    path = script(tmp_path)
    lower = f"echo {int(limit == 'watches')} > /proc/sys/user/max_inotify_{limit}"
    words = [*MONIT, "start", str(path), "--name", "app", "--watch"]
    subprocess.run([*LIMITED, f'{lower} && exec "$@"', "sh", *words], check=True, cwd=tmp_path)
    wait_until(lambda: _events("app", "watch_failed"), what="it is recorded")
    (why,) = _events("app", "watch_failed")
    assert f"sysctl fs.inotify.max_user_{limit}=" in why
    assert "Error" not in why
    assert row("app")["status"] == "online"


def test_bad_patterns_are_refused(tmp_path: Path) -> None:
    """A pattern that means nothing, and one without a watch, are wrong usage."""
    path = str(script(tmp_path))

    for pattern in ("", "!", "#x", "a\nb", "["):
        error = monit_error("start", path, "--watch", "--ignore-watch", pattern, code=2)
        assert "such as 'data/'" in error
    assert "--watch" in monit_error("start", path, "--ignore-watch", "data", code=2)
