"""The Node preload: what it reports, and that the program does not notice it."""

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.buckets import unpacked
from support.probe import PROBE

NODE = shutil.which("node") or ""
pytestmark = pytest.mark.skipif(not NODE, reason="there is no node here")
PRELOAD = PROBE / "node" / "monit_probe.cjs"


@pytest.fixture(name="sock")
def _sock() -> Iterator[socket.socket]:
    folder = tempfile.mkdtemp(prefix="m")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(os.path.join(folder, "node.sock"))
        listener.listen()
        listener.settimeout(100)  # a look into a blocked loop waits for a machine that has time
        yield listener
    shutil.rmtree(folder, ignore_errors=True)


def _environment(path: str, **more: str) -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith("MONIT_")}
    return {**plain, "NODE_OPTIONS": f"--require={PRELOAD}", "MONIT_PROBE_NODE_SOCK": path, **more}


def _start(program: str, path: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [NODE, "-e", program], env=_environment(path, **more),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@contextlib.contextmanager
def _running(program: str, path: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Have it run, and killed in the end, whatever comes."""
    with _start(program, path, **more) as process:
        try:
            yield process
        finally:
            process.kill()


def _reports(listener: socket.socket, count: int) -> list[dict]:
    connection, _ = listener.accept()
    with connection, connection.makefile() as lines:
        connection.settimeout(20)
        return [json.loads(lines.readline()) for _ in range(count)]


def _loops(reports: list[dict]) -> list[dict]:
    return [report["loops"][0] for report in reports]


def test_heap_and_a_blocked_loop_are_reported(sock: socket.socket) -> None:
    """A program that blocks 300 ms in each second: the delay's maximum and the use say so."""
    program = """
        setInterval(() => { const end = Date.now() + 300; while (Date.now() < end); }, 1000);
    """
    with _running(program, sock.getsockname()):
        reports = _reports(sock, 4)

    assert [report["seq"] for report in reports] == [1, 2, 3, 4]
    assert max(loop["max"] for loop in _loops(reports)) > 0.27  # a timer may be early by a tick
    assert reports[-1]["loops"][0]["stuck"] >= 2
    assert 0 < reports[-1]["heap"]["used"] <= reports[-1]["heap"]["size"]
    first, last = _loops(reports)[0], _loops(reports)[-1]
    use = (last["busy"] - first["busy"]) / (last["wall"] - first["wall"])
    assert 0.15 < use < 1  # idle for most of the time, however slow the machine
    assert reports[-1]["handles"] >= 1
    assert reports[-1]["gc"] == []


def test_an_idle_loop_reads_as_idle(sock: socket.socket) -> None:
    """Nothing to do is no delay: nearly all of the time counts as a wait of nothing."""
    with _running("setInterval(() => {}, 100)", sock.getsockname()):
        reports = _reports(sock, 3)

    loop = reports[-1]["loops"][0]
    assert loop["idle"] > 0.5 * sum(us for _, _, us in unpacked(loop["lag"], 3)) / 1e6
    assert loop["idle"] > 1


def test_the_collector_is_watched_on_request(sock: socket.socket) -> None:
    """MONIT_PROBE_GC=1: collections are counted, which costs a few percent under load."""
    program = "setInterval(() => { global.x = Array(1e5).fill().map(() => ({})); }, 10)"
    with _running(program, sock.getsockname(), MONIT_PROBE_GC="1"):
        reports = _reports(sock, 3)

    assert reports[-1]["gc"][0][0] > 0


def test_esm_programs_have_it_too(sock: socket.socket, tmp_path: Path) -> None:
    """A module with ``import`` is preloaded like a script."""
    script = tmp_path / "app.mjs"
    script.write_text("import fs from 'node:fs'; setInterval(() => {}, 1000);")
    environment = _environment(sock.getsockname())
    with subprocess.Popen([NODE, script], env=environment) as process:
        (report,) = _reports(sock, 1)
        process.kill()

    assert report["rt"] == "node"
    assert report["pid"] == process.pid


@pytest.mark.parametrize("path", ["/nowhere/probe.sock", None])
def test_a_program_ends_by_itself_and_says_nothing_of_us(
    sock: socket.socket, path: str | None
) -> None:
    """The probe keeps no program alive, with an agent and without."""
    begun = time.monotonic()
    process = _start("setTimeout(() => console.log('end'), 1500)", path or sock.getsockname())
    out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (0, "end\n", "")
    assert time.monotonic() - begun < 15


def test_it_connects_again_when_the_agent_comes_back(sock: socket.socket) -> None:
    """An agent that exited and came back gets reports again, from the same count."""
    with _running("setInterval(() => {}, 100)", sock.getsockname()):
        before = _reports(sock, 1)
        after = _reports(sock, 2)

    assert after[0]["seq"] > before[0]["seq"]
    assert after[0]["started"] == before[0]["started"]


def test_workers_of_threads_are_left_out_and_the_switch_works(sock: socket.socket) -> None:
    """One report per process, also with worker threads; none with MONIT_PROBE=0."""
    program = """
        const { Worker } = require('worker_threads');
        new Worker('setTimeout(() => {}, 1500)', { eval: true });
    """
    with _running(program, sock.getsockname()) as process:
        connection, _ = sock.accept()
        with connection:  # one that was closed would be made again
            process.wait(20)
    sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        sock.accept()
    off = _start("setTimeout(() => {}, 700)", sock.getsockname(), MONIT_PROBE="0")
    assert off.communicate(timeout=20) == ("", "")
    with pytest.raises(TimeoutError):
        sock.accept()


def test_a_watch_that_could_not_begin_is_tried_again(sock: socket.socket) -> None:
    """Where no thread could be started at one block, the next ones are watched all the same."""
    program = """
        const threads = require("worker_threads");
        const { Worker } = threads;
        threads.Worker = class { constructor() { throw new Error("no threads left"); } };
        function held() { const end = Date.now() + 300; while (Date.now() < end); }
        setInterval(held, 700);
        setTimeout(() => { threads.Worker = Worker; }, 4000);
    """
    with _running(program, sock.getsockname()):
        main, _ = sock.accept()
        watch, _ = sock.accept()
        with main, watch, watch.makefile() as lines:
            watch.settimeout(20)
            blocked = json.loads(lines.readline())["blocked"]

    assert "held" in [name for _, _, name in blocked[0]["stack"]]


SLOW_TO_START = """
    const { Session } = require("inspector");
    const hold = (ms) => { const end = Date.now() + ms; while (Date.now() < end); };
    const { post } = Session.prototype;
    Session.prototype.post = function (method, ...rest) {
        if (/^Profiler.(start|stop)$/.test(method)) hold(2000); // as in a program with much code
        return post.call(this, method, ...rest);
    };
    globalThis[Symbol.for("monit")].action("hold", function held() { hold(2000); });
    setInterval(() => {}, 50);
"""


def test_the_start_of_a_profile_is_no_block_of_the_program(
    sock: socket.socket, tmp_path: Path
) -> None:
    """V8 stops the loop to start and to end a profile: that does not count as lag, as the same time
    of the program does."""
    path = tmp_path / "p"
    with _running(SLOW_TO_START, sock.getsockname()):
        main, _ = sock.accept()
        with main, main.makefile() as lines:
            main.settimeout(60)
            profiled = _until_answered(main, lines, "profile", ["cpu", 0.5, str(path)])
            held = _until_answered(main, lines, "action", [])
            held += [json.loads(lines.readline()), json.loads(lines.readline())]

    assert path.exists()
    assert max(loop["max"] for loop in _loops(profiled)) < 1.9
    assert max(loop["max"] for loop in _loops(held)) > 1.9


def _until_answered(
    connection: socket.socket, lines: io.TextIOBase, request: str, args: list[object]
) -> list[dict]:
    """Send a request and return the reports up to the one with its answer."""
    fields = {"request": request, "id": f"a.{request}", "name": "hold", "args": args}
    connection.sendall(json.dumps(fields).encode() + b"\n")
    reports: list[dict] = []
    while not reports or not reports[-1].get("answers"):
        reports.append(json.loads(lines.readline()))
    (answer,) = reports[-1]["answers"]
    assert (answer["id"], answer["ok"]) == (fields["id"], True), answer
    return reports


AFTER_A_LONG_LOOK = """
const { Budget } = require(process.argv[1]);
const budget = new Budget();
budget.spend(400, 1000);
const allowed = (at) => budget.allowsFirst(at) && budget.allowsIn(250, at);
console.log(allowed(3000), allowed(12000));
"""


def test_one_look_that_took_long_is_not_the_last() -> None:
    """A machine that was busy once does not end the watch over blocks shorter than the look."""
    budget = PROBE / "node" / "monit_finder_budget.cjs"
    printed = subprocess.run(
        [NODE, "-e", AFTER_A_LONG_LOOK, str(budget)], capture_output=True, text=True, check=True
    )
    assert printed.stdout.split() == ["false", "true"]
