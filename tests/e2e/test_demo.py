"""`monit demo` shows itself with and without a terminal, and leaves nothing behind."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pexpect
import psutil
import pytest

import monit_agent.demo
from support.command_line import logs, monit, row, rows
from support.load import Load
from support.matrix import matrix
from support.ports import free_port
from support.processes import end_processes_of, processes_of
from support.waiting import wait_until

APPS = Path(monit_agent.demo.__file__).parent
DEMO = [sys.executable, "-P", "-m", "monit_agent", "demo"]


def home_of(demo_pid: int) -> str | None:
    """Return the home of a running demo: it stands in the command line of the demo's guard."""
    for child in psutil.Process(demo_pid).children():
        with suppress(psutil.NoSuchProcess):  # one of those that start the apps
            words = child.cmdline()
            if "monit_agent.cli.control.demo_cleanup" in words:
                return words[-1]
    return None


def nothing_left(home: str) -> bool:
    """Whether the demo's processes and files are gone."""
    return not os.path.exists(home) and not processes_of(home)


def test_without_a_terminal_it_shows_the_list_and_the_logs_and_ends():
    """Without a terminal: some seconds, the list, the last lines, exit code 0, nothing left."""
    done = subprocess.run(
        [*DEMO, "--seconds", "3", "--instances", "2"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    listed, _, logged = done.stdout.partition("customers/0")
    for name in ("bakery/0", "bakery/1", "courier", "customers"):
        assert f" {name} " in listed
    assert "online" in listed
    assert logged
    assert done.stdout.count("open: http://127.0.0.1:") == 1
    assert "The demo is removed" in done.stderr


@contextmanager
def demo_without_terminal() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a long demo without a terminal; return it and its home when its apps serve."""
    with tempfile.TemporaryFile() as output:
        demo = subprocess.Popen(
            [*DEMO, "--seconds", "300", "--instances", "1"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

        home: str | None = None

        def serves(home: str) -> bool:
            assert demo.poll() is None, os.pread(output.fileno(), 4096, 0).decode()
            return named(home, "bakery.py") == 1

        try:
            home = wait_until(lambda: home_of(demo.pid), what="the demo's home")
            assert home is not None
            wait_until(lambda: serves(home), deadline_s=30, what="its apps serve")
            yield demo, home
        finally:
            demo.kill()
            demo.wait()
            end_demo(home)


def end_demo(home: str | None) -> None:
    """End what a test may have left of a demo."""
    if home is not None:
        end_processes_of(home)
        shutil.rmtree(home, ignore_errors=True)


def named(home: str, word: str) -> int:
    """Count the demo's processes that have ``word`` in their command line."""
    count = 0
    for process in processes_of(home):
        with suppress(psutil.NoSuchProcess):  # it may have ended since it was found
            count += word in " ".join(process.cmdline())
    return count


@pytest.mark.parametrize(
    "number",
    matrix([signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL], [signal.SIGKILL]),
)
def test_a_signal_leaves_nothing_behind(number: signal.Signals):
    """However the demo is ended, all that it started ends and its home is removed."""
    with demo_without_terminal() as (demo, home):
        assert os.stat(home).st_mode & 0o777 == 0o700
        demo.send_signal(number)
        demo.wait(timeout=60)
        wait_until(lambda: nothing_left(home), deadline_s=60, what="nothing is left")


def is_keeper(word: str) -> bool:
    """Return whether a word of a command line shows that it is a keeper's."""
    return word.endswith("keeper/__main__.py")


def test_stuck_keepers_and_agents_do_not_outlive_the_demo():
    """Keepers and agents that do not answer are killed with everything below them."""
    with demo_without_terminal() as (demo, home):
        for process in processes_of(home):
            with suppress(psutil.NoSuchProcess):  # it may have ended since it was found
                words = process.cmdline()
                is_agent = words and words[0].startswith(("monit-agent ", "monit-agents "))
                if is_agent or any(map(is_keeper, words)):
                    process.suspend()
        demo.terminate()
        demo.wait(timeout=100)
        wait_until(lambda: nothing_left(home), deadline_s=60, what="nothing is left")


@pytest.fixture(name="terminal")
def _in_a_terminal() -> Iterator["pexpect.spawn[bytes]"]:
    """Return the demo in a terminal of 120 by 35, its screen full of data."""
    child = pexpect.spawn(
        DEMO[0],
        [*DEMO[1:], "--instances", "1"],
        dimensions=(35, 120),
        timeout=60,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    home: str | None = None
    try:
        child.expect(b"online")
        home = home_of(child.pid)
        yield child
    finally:
        child.close(force=True)
        end_demo(home)


@pytest.mark.parametrize("key", matrix(["q", "\x03"], ["q"]))
def test_quitting_the_screen_ends_the_demo(terminal: "pexpect.spawn[bytes]", key: str):
    """`q` and Ctrl-C leave the screen; then everything stops, and a message says so."""
    home = home_of(terminal.pid)
    assert home is not None
    terminal.send(key)
    terminal.expect(b"The demo is removed")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0
    assert nothing_left(home)


def test_a_terminal_that_hangs_up_ends_the_demo(terminal: "pexpect.spawn[bytes]"):
    """The window is closed or the line drops: nothing keeps running."""
    home = home_of(terminal.pid)
    assert home is not None
    terminal.ptyproc.fileobj.close()
    wait_until(lambda: nothing_left(home), deadline_s=60, what="nothing is left")


@pytest.mark.parametrize("number", matrix([signal.SIGTERM, signal.SIGKILL], [signal.SIGTERM]))
def test_a_killed_screen_ends_the_demo(terminal: "pexpect.spawn[bytes]", number: signal.Signals):
    """Whatever becomes of the screen, the apps of the demo do not outlive it."""
    home = home_of(terminal.pid)
    assert home is not None
    terminal.kill(number)
    wait_until(lambda: nothing_left(home), deadline_s=60, what="nothing is left")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("verb", matrix(["reload", "restart"], ["reload"]))
def test_the_bakeries_are_replaced_without_a_lost_customer(verb: str):
    """All bakeries serve one port; replaced twice under load, neither the customers nor others
    who ask without pause, or wait for their bread, miss an answer."""
    port = free_port()
    python = ("--interpreter", sys.executable)
    monit("start", str(APPS / "bakery.py"), "-i", "2", "--port", str(port), *python)
    monit("start", str(APPS / "load.py"), "--name", "customers", *python, "--", str(port))
    before = {each["pid"] for each in rows("bakery")}
    end = threading.Event()
    with ThreadPoolExecutor() as waiting, Load(port) as load:
        bakes = [waiting.submit(_bake, port, end) for _ in range(4)]
        try:
            wait_until(lambda: _bakeries(load) == before, deadline_s=40, what="both answer")
            for _ in range(2):
                monit(verb, "bakery")
                seen = load.answered
                wait_until(lambda seen=seen: load.answered > seen + 100, deadline_s=40, what="more")
        finally:
            end.set()
    assert load.failures == []
    assert [failure for bake in bakes for failure in bake.result()] == []
    assert not before & {each["pid"] for each in rows("bakery")}
    reports = len(_reports())
    wait_until(lambda: len(_reports()) > reports, deadline_s=40, what="the next report")
    assert sum(report["served"] for report in _reports()) > 10
    assert {report["failed"] for report in _reports()} == {0}
    assert row("customers")["restarts"] == 0


def _bake(port: int, end: threading.Event) -> list[str]:
    """Order bread, which takes up to 0.7 s, again and again; return what went wrong."""
    failures: list[str] = []
    order = urllib.request.Request(f"http://127.0.0.1:{port}/bake", data=b"{}", method="POST")
    while not end.is_set():
        try:
            urllib.request.urlopen(order, timeout=20).read()
        except (OSError, http.client.HTTPException) as error:
            failures.append(repr(error))
    return failures


def _bakeries(load: Load) -> set[int]:
    return {json.loads(body)["pid"] for body in load.bodies.copy()}


def _reports() -> list[dict[str, float]]:
    lines = logs("customers").splitlines()
    return [json.loads(line[line.index("{") :]) for line in lines if '{"served"' in line]
