"""What docs/api.md promises to programs in Python: its examples run, lines and states are true."""

import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from monit_agent.client.api import (
    AppEvent,
    AsyncMonit,
    HistorySeries,
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


def _with_monit(folder: Path) -> dict[str, str]:
    """Return an environment in which `monit` is a command."""
    tool = folder / "bin" / "monit"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {" ".join(MONIT)} "$@"\n')
    tool.chmod(0o755)
    return {**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_the_examples_run(number: int, tmp_path: Path) -> None:
    """Each example of the page ends well and prints something, with a real app."""
    _start(tmp_path)
    wait_until(lambda: row("web")["heap_used_bytes"], what="its probe has reported")
    script(tmp_path, "worker.py", QUIET)
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[number]],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=tmp_path,
        env=_with_monit(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_shell_example_runs(tmp_path: Path) -> None:
    """So does the one for a shell."""
    _start(tmp_path, text=QUIET)
    (bridge,) = (each for each in SHELL if "bridge" in each)
    env = _with_monit(tmp_path)
    done = subprocess.run(["sh", "-c", bridge], capture_output=True, text=True, env=env, timeout=90)
    assert '"id":1,"ok":true,"instances":[{' in done.stdout, done.stderr


def _signature(method: Callable[..., object]) -> str:
    """Return a method as the page writes it."""
    words: list[str] = []
    for each in list(inspect.signature(method).parameters.values())[1:]:
        star = "*" if each.kind is each.VAR_POSITIONAL else ""
        default = "" if each.default is each.empty else f"={each.default!r}"
        words.append(f"{star}{each.name}{default}")
    return f"{method.__name__}({', '.join(words)})"


@pytest.mark.parametrize("client", [Monit, AsyncMonit])
def test_the_page_has_every_method(client: type[Monit | AsyncMonit]) -> None:
    """With its parameters and their defaults, which are promised."""
    table = PAGE.read_text().partition("| method | returns |")[2].partition("\n\n")[0]
    documented = {each for each in re.findall(r"`([^`]+)`", table) if "(" in each}
    methods = [each for name, each in vars(client).items() if not name.startswith("_")]
    assert {*map(_signature, methods)} == documented


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


ACTIONS = """\
import os, sys, time
import monit_probe
def join(*words):
    return {"instance": os.environ["MONIT_INSTANCE"], "words": words}
def half():
    if os.environ["MONIT_INSTANCE"] == "1": raise RuntimeError("not here")
    return "done"
monit_probe.action("join", join)
monit_probe.action("half", half)
monit_probe.gauge("offered", 1)
time.sleep(1000)
"""


def _start_actions(folder: Path) -> None:
    """Start two instances that offer actions, and wait until that is known."""
    _start(folder, "web", "-i", "2", text=ACTIONS)
    for number in (0, 1):
        wait_until(
            lambda number=number: "offered" in row("web", number)["metrics"],
            what="a report that has the actions too",
        )


def test_actions_are_triggered(tmp_path: Path) -> None:
    """Each process returns its own value; what one raises is the error of the command."""
    _start_actions(tmp_path)
    with Monit() as client:
        one, two = client.trigger("join", "web", args=["a b", "-v"])
        assert (one.app, one.instance, one.pid) == ("web", 0, row("web")["pid"])
        assert two.value == {"instance": "1", "words": ["a b", "-v"]}
        (only,) = client.trigger("join", "web/1")
        assert (only.instance, only.ok, only.error) == (1, True, None)
        with pytest.raises(RequestFailedError, match=r"web/1 \(pid \d+\): .*not here") as raised:
            client.trigger("half", "web")
        assert [(each.ok, each.value) for each in raised.value.results] == [
            (True, "done"),
            (False, None),
        ]
        with pytest.raises(RequestFailedError, match=r"no process of web offers .jump.; .*join"):
            client.trigger("jump", "web")


def test_logs_are_emptied(tmp_path: Path) -> None:
    """The content is gone, and offsets are not used again."""
    _start(tmp_path)

    def first() -> PrintedLine | LostBytes | None:
        return next(client.logs("web", lines=1000, stream="out"), None)

    with Monit() as client:
        wait_until(lambda: first() is not None, what="it has printed")
        (report,) = client.flush("web")
        assert report.error is None
        line = wait_until(first, what="it has printed again")
        assert line.offset > 0


def test_an_app_is_deleted_and_can_be_started_again(tmp_path: Path) -> None:
    """When delete returns, nothing of the app is in the way of a new one of its name."""
    for _ in range(3):
        _start(tmp_path, "web", "-i", "2", text=QUIET)
        with Monit() as client:
            for part in ("web/1", str(client.list("web/1")[0].id)):
                with pytest.raises(RequestFailedError, match="web/1 is an instance, and delete"):
                    client.delete(part)
            (report,) = client.delete("web")
            assert (report.done, report.error) == ((0, 1), None)
            assert client.list() == ()
            with pytest.raises(RequestFailedError):
                client.delete("web")


CRASHES = """\
import os, sys, time
time.sleep(0.5)
crashed = os.environ["MONIT_HOME"] + "/crashed"
if os.environ["MONIT_INSTANCE"] == "0" and not os.path.exists(crashed):
    open(crashed, "w").close()
    raise RuntimeError("no luck")
time.sleep(1000)
"""


def test_the_past_is_known(tmp_path: Path) -> None:
    """Events, metrics and crashes from before the program was there."""
    began = time.time()
    _start(tmp_path, "web", "-i", "2", text=CRASHES)
    _start(tmp_path, "other", text=QUIET)
    with Monit() as client:
        (crash,) = wait_until(lambda: client.crashes("web"), what="there is a report")
        assert crash.reason == "RuntimeError: no luck"
        assert crash.exit.code == 1
        assert crash.lines[-1].line == "RuntimeError: no luck"
        assert {each.app for each in crash.before} == {"web"}

        def spawns() -> tuple[AppEvent, ...]:
            found = client.events("web", "other", kinds=["spawned"], since=began - 1)
            return found if len(found) == 4 else ()

        spawned = wait_until(spawns, what="it was started again")
        assert [each.at for each in spawned] == sorted(each.at for each in spawned)
        assert {each.app for each in spawned} == {"web", "other"}
        assert client.events(kinds=["spawned"], limit=1) == spawned[-1:]
        assert {each.instance for each in client.events("web/1")} == {None, 1}
        assert client.events("web", until=began - 3600) == ()
        with pytest.raises(RequestFailedError, match="did you mean exited") as raised:
            client.events(kinds=["exit"])
        assert raised.value.kind == "bad_request"

        def series() -> list[HistorySeries]:
            found = client.history("web", metrics=["rss_bytes", "fds"], since=began, step_s=1)
            known = [each for each in found if each.instance is not None]
            return [*known] if len(known) == 4 else []

        found = wait_until(series, what="both metrics of both instances are known")
        assert [(each.instance, each.metric) for each in found] == [
            (0, "fds"), (0, "rss_bytes"), (1, "fds"), (1, "rss_bytes"),
        ]  # fmt: skip
        point = found[1].points[-1]
        assert point.low <= point.mean <= point.high
        assert (found[1].step_s, point.at % 1) == (1, 0)
        assert client.history("web/1", metrics=["nothing"]) == ()
        with pytest.raises(RequestFailedError, match="ends before it begins") as raised:
            client.history("web", since=began, until=began - 60)
        assert raised.value.kind == "bad_request"


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
        assert "spawned" in {each.kind for each in await client.events("web")}
        assert await client.crashes("web") == ()
        assert await client.history("web", metrics=["nothing"]) == ()
        (emptied,) = await client.flush("web")
        assert emptied.error is None
        async for change in client.watch():
            if change.type == "listed":
                break
        (deleted,) = await client.delete("web")
        assert deleted.done == (0,)


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
            assert {each.host for each in client.events(kinds=["spawned"])} == {"web1", "web2"}
            wait_until(
                lambda: all(each.heap_used_bytes for each in client.list()), what="probes report"
            )
            assert [each.host for each in client.trigger("gc", "api")] == ["web1", "web2"]
            assert {each.host for each in client.history("web1:api", step_s=1)} == {"web1"}
            (report,) = client.delete("web2:api")
            assert (report.host, report.done) == ("web2", (0,))
            assert [each.host for each in client.list()] == ["web1"]
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
