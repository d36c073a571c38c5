"""When a worker that starts counts as accepting or settled, and why it does not yet."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.ports.listeners import BindAddress, Listeners, key_of
from monit_agent.keeper.workers import start_watch
from monit_agent.keeper.workers.start_watch import (
    ACCEPTS,
    ACCEPTS_SHARED,
    SETTLED,
    StartWatch,
    StartWatchCallbacks,
)
from support.keeper_loop import run_until
from support.ports import free_port

LISTEN = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"


class Watched:
    """A watch, what it reported, and the programs that it watches."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.reports: list[tuple[int, str]] = []
        self.reasons: list[tuple[int, str]] = []
        self.listeners = Listeners(lambda _paths: None)
        self.watch = StartWatch(
            loop,
            StartWatchCallbacks(
                lambda pid, what: self.reports.append((pid, what)),
                lambda pid, why: self.reasons.append((pid, why)),
                self.listeners,
            ),
        )
        self._programs: list[subprocess.Popen[bytes]] = []

    def run(self, code: str, *words: object, fds: tuple[int, ...] = ()) -> int:
        """Start a Python program and return its pid when ``code`` prints a line."""
        program = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=fds,
        )
        self._programs.append(program)
        assert program.stdout is not None
        program.stdout.readline()
        return program.pid

    def share(self) -> tuple[int, str]:
        """Bind a shared socket; return its descriptor and its key."""
        place = BindAddress(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1", 0)
        listener = self.listeners.get(key_of(place), (place,))
        return listener.sock.fileno(), listener.key

    def close(self) -> None:
        for program in self._programs:
            program.kill()
            program.communicate()
        for listener in self.listeners.all():
            listener.sock.close()


@pytest.fixture(name="watched")
def _watched(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(start_watch, "LOOK_S", 0.01)
    monkeypatch.setattr(start_watch, "LOOK_SHARE", 0)
    monkeypatch.setattr(start_watch, "REASON_AFTER_S", 0.0)
    watched = Watched(loop)
    yield watched
    watched.close()


def test_a_worker_that_accepts_on_its_port_is_reported_once(watched: Watched) -> None:
    """And watched no longer."""
    port = free_port()
    pid = watched.run(LISTEN + "print(flush=True); s.accept()", port)
    watched.watch.await_accept(pid, port, 30.0)
    run_until(watched.loop, lambda: watched.reports)
    assert watched.reports == [(pid, ACCEPTS)]
    assert not watched.loop.has_alarm(f"start {pid}")


def test_a_worker_that_accepts_on_a_shared_socket(watched: Watched) -> None:
    """It is reported only when it waits for connections; having the socket proves nothing."""
    fd, key = watched.share()
    code = "import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); print(flush=True)\n"
    wait = "input(); s.setblocking(True); s.accept()"
    pid = watched.run(code + wait, fd, fds=(fd,))
    listener = watched.listeners.find(key)
    assert listener is not None
    listener.users.add(pid)
    watched.watch.await_accept(pid, None, 30.0)
    (_, why) = run_until(watched.loop, lambda: watched.reasons)[0]
    assert why.startswith(f"pid {pid} (")
    assert why.endswith(" has its port, but no process accepts on it")
    program = watched._programs[0]
    assert program.stdin is not None
    program.stdin.write(b"\n")
    program.stdin.flush()
    run_until(watched.loop, lambda: watched.reports)
    assert watched.reports == [(pid, ACCEPTS_SHARED)]


def test_the_reason_names_the_port_that_nothing_listens_on(watched: Watched) -> None:
    """Each reason comes once, however often it is seen."""
    pid = watched.run("print(flush=True); input()")
    looks: set[float] = set()

    def looked_at_often() -> bool:
        looks.add(watched.loop._alarms[f"start {pid}"][0])
        return len(looks) > 3

    watched.watch.await_accept(pid, 4711, 30.0)
    run_until(watched.loop, looked_at_often)
    assert watched.reasons == [(pid, "no process of it listens on port 4711")]


def test_the_reason_names_the_port_that_it_listens_on_instead(watched: Watched) -> None:
    """As when a program ignores ``PORT``."""
    port = free_port(2)
    pid = watched.run(LISTEN + "print(flush=True); s.accept()", port)
    watched.watch.await_accept(pid, port + 1, 30.0)
    run_until(watched.loop, lambda: watched.reasons)
    assert watched.reasons == [(pid, f"it listens on port {port}, not on port {port + 1}")]


def test_nothing_is_reported_after_the_timeout(watched: Watched) -> None:
    """The watch ends by itself."""
    pid = watched.run("print(flush=True); input()")
    watched.watch.await_accept(pid, 4711, 0.0)
    run_until(watched.loop, lambda: not watched.loop.has_alarm(f"start {pid}"))
    assert watched.reports == []


def test_an_idle_worker_has_settled(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that uses little CPU time over `BUSY_S`."""
    monkeypatch.setattr(start_watch, "BUSY_S", 0.05)
    pid = watched.run("print(flush=True); input()")
    watched.watch.await_settled(pid, 30.0)
    run_until(watched.loop, lambda: watched.reports)
    assert watched.reports == [(pid, SETTLED)]


def test_a_port_that_is_declared_later_counts_more_than_settling(watched: Watched) -> None:
    """A worker that binds a shared port is waited for until it accepts."""
    pid = watched.run("print(flush=True); input()")
    watched.watch.await_settled(pid, 30.0)
    watched.watch.await_accept(pid, 4711, 30.0)
    watched.watch.await_settled(pid, 30.0)
    run_until(watched.loop, lambda: watched.reasons)
    assert watched.reports == []


def test_the_process_that_takes_over_is_watched_in_its_place(watched: Watched) -> None:
    """The former main process is not looked at any more, nor is one that has exited."""
    port = free_port()
    old = watched.run("print(flush=True); input()")
    new = watched.run(LISTEN + "print(flush=True); s.accept()", port)
    watched.watch.await_accept(old, port, 30.0)
    watched.watch.worker_replaced(old, new)
    assert not watched.loop.has_alarm(f"start {old}")
    run_until(watched.loop, lambda: watched.reports)
    assert watched.reports == [(new, ACCEPTS)]
    watched.watch.await_accept(old, port, 30.0)
    watched.watch.worker_exited(old)
    assert not watched.loop.has_alarm(f"start {old}")


CRASHING = """
import os, sys
print("up", flush=True)
for number in range(int(sys.argv[1])):
    if os.fork() == 0:
        os._exit(1)
    os.wait()
open(sys.argv[2], "w").close()
sys.stdin.read()
"""
"""A master that listens, and whose workers exit at once."""


def test_processes_that_exit_while_they_are_looked_into_prove_nothing(
    watched: Watched, loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A master whose workers crash again and again never counts as accepting."""
    monkeypatch.setattr(start_watch, "UNSEEN_S", 0.3)
    fd, key = watched.share()
    ended = tmp_path / "ended"
    pid = watched.run(CRASHING, 3000, ended, fds=(fd,))
    listener = watched.listeners.find(key)
    assert listener is not None
    listener.users.add(pid)
    watched.watch.await_accept(pid, None, 60.0)
    run_until(loop, ended.exists)
    assert watched.reports == []


def test_many_workers_that_start_together_are_looked_at_less_often() -> None:
    """All looks together take a twentieth of a core, but each worker has one within a second."""
    assert start_watch.pause_after(0.0, 0.001, 1) == start_watch.LOOK_S
    assert start_watch.pause_after(0.0, 0.001, 20) == pytest.approx(0.4)
    assert start_watch.pause_after(9.0, 0.001, 1) == start_watch.LOOK_LATER_S
    assert start_watch.pause_after(0.0, 0.001, 1000) == start_watch.LOOK_AT_MOST_S
