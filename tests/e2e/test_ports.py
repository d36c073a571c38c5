"""Several instances on one port, and replaced without a request lost: what clients notice."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from monit_agent.wire.paths import app_paths
from support.command_line import keeper_pid, logs, monit, monit_error, pids, row, rows
from support.load import Load
from support.matrix import diagonal, matrix
from support.ports import free_port, is_listening
from support.servers import ASGI, HTTP_SERVER
from support.waiting import wait_until

NODE = """
const { createServer } = require('http');
createServer((_, res) => {
  res.end(String(process.pid));
}).listen(Number(process.env.TEST_PORT), () => console.log('listening'));
"""

KINDS = ("node", "python", "uvicorn")


class Site:
    """An app called ``web`` in a folder that a test may change."""

    def __init__(self, home: Path, kind: str) -> None:
        if kind == "node" and shutil.which("node") is None:
            pytest.skip("node is not installed here")
        self.kind = kind
        self.port = free_port()
        self.folder = home / "site"
        self.folder.mkdir()
        self.paths = app_paths(str(home), "web")
        codes = {"node": NODE, "python": HTTP_SERVER, "uvicorn": ASGI}
        name, self.code = "web.js" if kind == "node" else "web.py", codes[kind]
        self.script = self.folder / name
        self.write(self.code)

    def write(self, code: str) -> None:
        """Release another version."""
        self.script.write_text(code)

    def start(self, instances: int = 2, code: int = 0) -> str:
        options = ("--name", "web", "-i", str(instances), "--env", f"TEST_PORT={self.port}")
        if self.kind == "uvicorn":
            command = (sys.executable, "-m", "uvicorn", "web:app", "--log-level", "warning")
            words = ("--cwd", str(self.folder), "--", *command, "--port", str(self.port))
            return monit("start", *options, *words, code=code)
        by = () if self.kind == "node" else ("--interpreter", sys.executable)
        return monit("start", str(self.script), *options, *by, code=code)

    def agent_pid(self) -> int:
        described, *_ = json.loads(monit("describe", "web", "--json"))
        return described["agent_pid"]


@pytest.fixture(name="site")
def _site(home: Path) -> Callable[[str], Site]:
    return lambda kind: Site(home, kind)


def served_by(load: Load) -> set[int]:
    return {int(body) for body in load.bodies}


@pytest.mark.parametrize("kind", matrix(KINDS, ["node", "python"]))
def test_instances_share_a_port_and_a_reload_loses_no_request(kind, site):
    """The program is unchanged; all its instances answer, before and after two reloads."""
    web = site(kind)
    web.start(3)
    before = pids("web")
    assert len(before) == 3
    assert {each["mode"] for each in rows("web")} == {"cluster"}
    with Load(web.port, think_s=0) as load:  # whoever is idle answers: all must be kept busy
        wait_until(lambda: len(served_by(load)) == 3, what="all three answered", deadline_s=40)
        assert served_by(load) == before
        for _ in range(2):
            monit("reload", "web")
            load.more(100)
        wait_until(lambda: pids("web") <= served_by(load), what="all new ones", deadline_s=40)
    assert load.failures == []
    assert not pids("web") & before
    assert {each["restarts"] for each in rows("web")} == {2}
    monit("stop", "web")
    assert not is_listening(web.port)
    monit("start", "web")
    assert is_listening(web.port)


BROKEN = {
    "a syntax error": {"node": "const = ;", "python": "def :", "uvicorn": "def :"},
    "exits at once": {
        "node": "process.exit(3)",
        "python": "raise SystemExit(3)",
        "uvicorn": "raise SystemExit(3)",
    },
    "hangs before it listens": {
        "node": "setInterval(() => {}, 1000)",
        "python": "import threading; threading.Event().wait()",
        "uvicorn": "import threading; threading.Event().wait()",
    },
}


@pytest.mark.parametrize(("what", "kind"), diagonal(BROKEN, KINDS, KINDS))
def test_a_broken_release_replaces_no_worker(kind, what, site):
    """The old workers serve on without a lost request, and the command fails with the reason."""
    web = site(kind)
    web.start(2)
    if what == "hangs before it listens":
        shorten_listen_timeout(web)
    before = pids("web")
    with Load(web.port, clients=2) as load:
        load.more(20)
        web.write(BROKEN[what][kind])
        message = monit_error("reload", "web")
        load.more(20)
    assert load.failures == []
    assert pids("web") == before
    assert "the old one keeps running" in message
    assert {each["status"] for each in rows("web")} == {"online"}
    web.write(web.code)
    monit("reload", "web")
    assert not pids("web") & before


def shorten_listen_timeout(web: Site) -> None:
    """Let the next keeper wait 3 s for a worker to listen: there is no option for it yet."""
    state = json.loads(Path(web.paths.state).read_text())
    assert state["spec"]["policy"]["listen_timeout_s"] == 30.0
    wait_until(lambda: all(slot["listens"] for slot in saved(web)), what="it is written down")
    old = keeper_pid("web")
    os.kill(old, signal.SIGSTOP)  # it must not write the file again
    state = json.loads(Path(web.paths.state).read_text())
    state["spec"]["policy"]["listen_timeout_s"] = 3.0
    Path(web.paths.state).write_text(json.dumps(state))
    os.kill(old, signal.SIGKILL)
    wait_for_keeper(web, old)


def saved(web: Site) -> list[dict[str, Any]]:
    """Return the slots as the next keeper would find them."""
    return json.loads(Path(web.paths.state).read_text())["slots"]


def wait_for_keeper(web: Site, old: int) -> None:
    """Wait until another keeper has taken over."""

    def there() -> bool:
        listed = rows("web")
        settled = all(each["status"] == "online" and not each["stale"] for each in listed)
        return keeper_pid("web") != old and bool(listed) and settled

    wait_until(there, what="a new keeper", deadline_s=30)


@pytest.mark.parametrize("kind", matrix(KINDS, ["node", "uvicorn"]))
def test_the_keeper_may_be_killed(kind, site):
    """Requests are answered all the while, and the next keeper can reload without losing one."""
    web = site(kind)
    web.start(2)
    before = pids("web")
    old = keeper_pid("web")
    with Load(web.port) as load:
        load.more(100)
        os.kill(old, signal.SIGKILL)
        wait_for_keeper(web, old)
        load.more(100)
        assert pids("web") == before
        monit("reload", "web")
        load.more(100)
    assert load.failures == []
    assert not pids("web") & before


@pytest.mark.parametrize("kind", matrix(KINDS, ["node"]))
def test_reloads_leave_nothing_behind(kind, site):
    """After several reloads keeper and agent have no more descriptors and threads than before.

    `benchmarks/leaks.py` does a hundred, and looks at their memory too.
    """
    web = site(kind)
    web.start(2)
    monit("reload", "web")
    managers = [psutil.Process(keeper_pid("web")), psutil.Process(web.agent_pid())]
    before = [held_by(each) for each in managers]
    for _ in range(2):
        monit("reload", "web")
    wait_until(
        lambda: all(
            now <= then
            for each, held in zip(managers, before, strict=True)
            for now, then in zip(held_by(each), held, strict=True)
        ),
        what=f"no more descriptors and threads than before: {before}",
    )


def held_by(process: psutil.Process) -> tuple[int, int]:
    """Return how many descriptors and threads a process has."""
    return process.num_fds(), process.num_threads()


def test_a_port_that_is_taken_is_refused_before_anything_starts(site):
    """With the pid and the command of who has it."""
    web = site("python")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", web.port))
        taken.listen()
        message = monit_error(
            "start", str(web.script), "--interpreter", sys.executable, "--name", "web",
            "--port", str(web.port), "--env", f"TEST_PORT={web.port}",
        )  # fmt: skip
    assert f"port {web.port} is in use by pid {os.getpid()}" in message
    assert rows() == []


def test_one_instance_with_a_port_is_replaced_without_a_gap(site):
    """A single worker too: the new one listens before the old one goes."""
    web = site("python")
    by = ("--interpreter", sys.executable, "--name", "web")
    env = ("--port", str(web.port), "--env", f"TEST_PORT={web.port}")
    monit("start", str(web.script), *by, *env)
    first = row("web")["pid"]
    with Load(web.port, clients=2) as load:
        load.more(50)
        monit("reload", "web")
        load.more(50)
    assert load.failures == []
    assert row("web")["pid"] != first


def test_programs_without_a_port_are_as_they_were(site):
    """Several instances of what never listens come online and are reloaded one by one."""
    web = site("python")
    web.write("import threading; print('up', flush=True); threading.Event().wait()")
    web.start(2)
    before = pids("web")
    monit("reload", "web")
    assert not pids("web") & before


def has_ipv6() -> bool:
    """Whether this machine can listen at ``::1``."""
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


SHORT_QUEUE = """
import os, select, socket, threading
queues, waiting = [], select.epoll()
for address, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
    place = address, int(os.environ["TEST_PORT"])
    queues.append(socket.create_server(place, family=family, backlog=1))
    waiting.register(queues[-1])
print("two queues, and nobody ever accepts", flush=True)
threading.Event().wait()
"""


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_callers_wait_although_the_program_keeps_a_short_queue(address, site):
    """The queue is one for all instances: a program's own setting, made for one of it, would have
    the kernel turn callers away, who try again a second later."""
    web = site("python")
    web.write(SHORT_QUEUE)
    web.start(2)
    wait_until(lambda: logs("web").count("two queues") == 2, what="both listen")
    with contextlib.ExitStack() as waiting:
        for _ in range(20):
            caller = socket.create_connection((address, web.port), timeout=0.9)
            waiting.enter_context(caller)
