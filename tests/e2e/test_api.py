"""What docs/api.md promises to programs in Python: its examples run, lines and states are true."""

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from monit_agent.client.api import (
    AsyncMonit,
    HostError,
    Instance,
    LostBytes,
    Monit,
    PrintedLine,
    RequestFailedError,
)
from support.command_line import MONIT, NUMBERED, NUMBERS, command, listed, monit, row, rows, script
from support.hosts import OtherHosts
from support.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
PYTHON = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)

QUIET = "import time\ntime.sleep(1000)\n"
BREAKS = """\
import os, socket, sys, time
if os.path.exists(os.environ["MONIT_HOME"] + "/broken"): sys.exit("no luck today")
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
"""

pytestmark = pytest.mark.usefixtures("home")


def _start(folder: Path, name: str = "web", *words: str, text: str | None = None) -> None:
    path = script(folder, f"{name}.py", *([text] if text is not None else []))
    monit("start", str(path), "--name", name, "--min-uptime", "0.1s", *words)


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_the_examples_run(number: int, tmp_path: Path) -> None:
    """Each example of the page ends well and prints something, with a real app."""
    _start(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[number]], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_shell_example_runs(tmp_path: Path) -> None:
    """So does the one for a shell."""
    _start(tmp_path, text=QUIET)
    (bridge,) = (each for each in SHELL if "bridge" in each)
    (tmp_path / "monit").write_text(f'#!/bin/sh\nexec {" ".join(MONIT)} "$@"\n')
    (tmp_path / "monit").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", bridge], capture_output=True, text=True, env=env, timeout=90)
    assert '"id":1,"ok":true,"instances":[{' in done.stdout, done.stderr


def test_an_instance_has_the_fields_of_the_list(tmp_path: Path) -> None:
    """`Instance` has exactly the keys of `monit list --json`."""
    _start(tmp_path, text=QUIET)
    assert {*listed()[0]} == {*Instance.__struct_fields__}
    with Monit() as client:
        (one,) = client.list("web/0")
    assert (one.app, one.pid, one.status) == ("web", row("web")["pid"], "online")


def test_there_may_be_no_apps() -> None:
    """All of nothing is nothing; a name that means nothing is an error."""
    with Monit() as client:
        assert client.list() == ()
        with pytest.raises(RequestFailedError, match="no app was started yet") as raised:
            client.list("web")
        assert raised.value.kind == "no_such_instance"


def test_an_app_that_was_just_started_is_there(tmp_path: Path) -> None:
    """A client that is open does not have to wait to see it."""
    with Monit() as client:
        assert client.list() == ()
        _start(tmp_path, text=QUIET)
        assert [each.app for each in client.list()] == ["web"]


def test_commands_return_when_they_are_done(tmp_path: Path) -> None:
    """What they return is true then."""
    _start(tmp_path, "web", "-i", "2", text=QUIET)
    before = {each["instance"]: each["pid"] for each in rows("web")}
    with Monit() as client:
        (report,) = client.reload("web")
        assert report.done == (0, 1)
        after = {each.instance: each.pid for each in client.list("web")}
        assert not {*before.values()} & {*after.values()}
        client.stop("web/1")
        assert [each.status for each in client.list("web")] == ["online", "stopped"]
        (report,) = client.restart("all")
        assert (report.done, report.skipped) == ((0,), (1,))
        client.start("web/1")
        assert [each.status for each in client.list("web")] == ["online", "online"]
        client.scale("web", 1)
        assert len(client.list()) == 1
        with pytest.raises(RequestFailedError, match="the name of one app"):
            client.scale("web/0", 2)


def test_a_command_that_fails_raises(tmp_path: Path, home: Path) -> None:
    """The error names the instance and says why; what ran keeps running."""
    _start(tmp_path, "web", "--wait-ready", text=BREAKS)
    pid = row("web")["pid"]
    (home / "broken").touch()
    with Monit() as client, pytest.raises(RequestFailedError) as raised:
        client.reload("web")
    assert raised.value.kind == "failed"
    assert "web" in str(raised.value)
    assert raised.value.reports
    assert row("web")["pid"] == pid


def test_a_watcher_sees_states_events_and_the_end(tmp_path: Path) -> None:
    """Every instance comes before `listed`, and a deletion ends it."""
    _start(tmp_path, text=QUIET)
    seen: list[str] = []
    with Monit() as client:
        for change in client.watch("web", samples=False):
            seen.append(change.type)
            if change.type == "listed":
                assert seen[0] == "instance_changed"
                client.signal("TERM", "web")
            if change.event is not None and change.event.kind == "ready":
                command("delete", "web")
            if change.type == "app_deleted":
                break
    assert "instance_removed" in seen


def _numbers(lines: Iterator[PrintedLine | LostBytes]) -> list[int]:
    """Return the numbers that the app printed, as far as they come; kill the agent meanwhile."""
    found: list[int] = []
    for line in lines:
        assert isinstance(line, PrintedLine), line
        found.append(int(line.line.split()[1]))
        if len(found) in (3000, 12000):
            (described,) = json.loads(monit("describe", "web", "--json"))
            psutil.Process(described["agent_pid"]).kill()
        if found[-1] == NUMBERED - 1:
            break
    return found


def test_no_line_is_lost_or_sent_twice(tmp_path: Path) -> None:
    """Neither rotation nor a kill of the agent changes what a follower gets."""
    with Monit() as client:
        _start(
            tmp_path,
            "web",
            "--log-max-size",
            "256k",
            "--log-max-files",
            "0",
            text=NUMBERS + "time.sleep(1000)\n",
        )
        lines = client.logs("web", lines=NUMBERED, follow=True, stream="out")
        assert _numbers(lines) == [*range(NUMBERED)]
        again = [line.line for line in client.logs("web", lines=NUMBERED) if line.type == "log"]
        assert [int(line.split()[1]) for line in again] == [*range(NUMBERED)]


def test_an_unfinished_line_is_sent_at_the_end(tmp_path: Path) -> None:
    """Without `follow`, what has no newline so far is a line too."""
    text = "import time\nprint('one\\ntwo', end='', flush=True)\ntime.sleep(1000)\n"
    _start(tmp_path, text=text)
    with Monit() as client:

        def lines() -> list[tuple[str, bool]]:
            found = client.logs("web", stream="out")
            return [(each.line, each.ended) for each in found if isinstance(each, PrintedLine)]

        wait_until(lambda: lines() == [("one", True), ("two", False)], what="both lines are there")


async def _async_story(folder: Path) -> None:
    async with AsyncMonit() as client:
        _start(folder)
        (one,) = await client.list()
        (report,) = await client.restart("web")
        assert report.done == (0,)
        (other,) = await client.list()
        assert one.pid != other.pid
        found: list[int] = []
        async for line in client.logs("web", lines=0, follow=True):
            assert isinstance(line, PrintedLine)
            if line.line == "up":
                continue
            found.append(int(line.line.split()[1]))
            if len(found) == 5:
                break
        assert found == [*range(found[0], found[0] + 5)]
        with pytest.raises(RequestFailedError):
            await client.stop("nothing")
        async for change in client.watch():
            if change.type == "listed":
                break


def test_asyncio_has_the_same(tmp_path: Path) -> None:
    """List, act, follow and watch with `AsyncMonit`."""
    import asyncio

    asyncio.run(_async_story(tmp_path))


def test_other_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts are named as for `monit --host`."""
    hosts = OtherHosts(tmp_path)
    monkeypatch.setenv("MONIT_SSH", hosts.env["MONIT_SSH"])
    try:
        for name in ("web1", "web2"):
            hosts.add(name)
            hosts.start(name, "api")
        with Monit(hosts=["web1,web2"]) as client:
            before = {each.host: each.pid for each in client.list()}
            (report,) = client.restart("web2:api")
            assert (report.host, report.app, report.done) == ("web2", "api", (0,))
            after = {each.host: each.pid for each in client.list()}
            assert before["web1"] == after["web1"]
            assert before["web2"] != after["web2"]
            for line in client.logs("web1:api", follow=True):
                assert line.host == "web1"
                break
    finally:
        hosts.close()
    with pytest.raises(HostError):
        Monit(hosts=["-x"])


def test_importing_it_costs_no_screen_and_no_command_line() -> None:
    """A program that uses the library loads neither."""
    code = textwrap.dedent("""\
        import sys
        import monit_agent.client.api
        print([name for name in ("click", "textual", "psutil", "rich") if name in sys.modules])
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
