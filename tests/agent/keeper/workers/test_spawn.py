"""A new process: what it inherits, and why its program could not be run."""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from monit_agent.keeper.workers.spawn import SpawnOrder, read_exec_error, spawn

PRINT = """\
import os, resource, signal, sys
print(sys.argv[1:], os.getcwd(), oct(os.umask(0)))
print(os.getsid(0) == os.getpid(), os.environ["MONIT_PID"] == str(os.getpid()))
print(os.environ.get("LISTEN_PID") == str(os.getpid()), sorted(os.listdir("/proc/self/fd")))
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
print(blocked, [n for n in (1, 2, 3, 13, 15, 25) if n in ignored()])
"""
IGNORED = """\
def ignored():
    for line in open("/proc/self/status"):
        if line.startswith("SigIgn"):
            bits = int(line.split()[1], 16)
            return [n for n in range(1, 65) if bits >> n - 1 & 1 and n not in (13, 25)]
"""
"""SIGPIPE and SIGXFSZ are ignored by the Python that runs this, not by us."""


NO_PROGRAM = (
    "Exec format error; it is neither a program for this machine nor a script that begins with #!"
)
NO_INTERPRETER = (
    "No such file or directory; its interpreter '/nowhere/lang' (the first line, #!) does not "
    "exist; install it, correct the line, or start the file with --interpreter PROGRAM"
)


def order(folder: Path, *argv: str, **fields: Any) -> SpawnOrder:
    out = str(folder / "out")
    plain = SpawnOrder(
        tuple(map(os.fsencode, argv)),
        {b"PATH": b"/usr/bin:/bin"},
        str(folder),
        0o027,
        out,
        str(folder / "err"),
        os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    )
    return plain._replace(**fields)


def run(order: SpawnOrder) -> tuple[int, tuple[str, bool] | None]:
    """Start it and wait; return its exit code and why it could not be run."""
    new = spawn(order)
    _, status = os.waitpid(new.pid, 0)
    error = read_exec_error(new.error_fd)
    return os.waitstatus_to_exitcode(status), error and (error.text, error.permanent)


def test_a_program_gets_what_was_ordered(tmp_path: Path) -> None:
    """Arguments, folder, umask, a session of its own, its pid, descriptors from 3, signals."""
    given = os.open(os.devnull, os.O_RDONLY)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code = IGNORED + PRINT
        words = (sys.executable, "-I", "-S", "-c", code, "a b", "")
        env = {b"LISTEN_FDS": b"2"}
        assert run(order(tmp_path, *words, env=env, fds=(given, given))) == (0, None)
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.close(given)
    printed = (tmp_path / "out").read_text().splitlines()
    assert printed == [
        f"['a b', ''] {tmp_path} 0o27",
        "True True",
        "True ['0', '1', '2', '3', '4', '5']",  # 5 lists the folder
        "set() []",
    ]


def test_the_program_is_the_leader_of_its_group_when_spawn_returns(tmp_path: Path) -> None:
    """A stop that follows at once reaches the whole group."""
    new = spawn(order(tmp_path, "sleep", "600"))
    try:
        assert os.getsid(new.pid) == os.getpgid(new.pid) == new.pid
    finally:
        os.killpg(new.pid, signal.SIGKILL)
        os.waitpid(new.pid, 0)
        assert read_exec_error(new.error_fd) is None


def test_the_caller_is_as_it_was(tmp_path: Path) -> None:
    """Mask of signals, descriptors, limits."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = set(os.listdir("/proc/self/fd"))
    run(order(tmp_path, "true"))
    run(order(tmp_path, "./nothing"))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits
    assert set(os.listdir("/proc/self/fd")) == opened


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (None, 0, "No such file or directory"),
        ("#!/bin/sh\n", 0o644, "Permission denied"),
        ("words\n", 0o755, NO_PROGRAM),
        ("#!/nowhere/lang\n", 0o755, NO_INTERPRETER),
    ],
    ids=["missing", "not executable", "no program", "no interpreter"],
)
def test_why_a_program_could_not_be_run(
    tmp_path: Path, content: str | None, mode: int, why: str
) -> None:
    """The reason names the program, and a retry would not help."""
    program = tmp_path / "tool"
    if content is not None:
        program.write_text(content)
        program.chmod(mode)
    text = f"cannot run: program {str(program)!r}: {why}"
    assert run(order(tmp_path, str(program))) == (127, (text, True))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The step that failed is in the text: not the program is missing."""
    gone = str(tmp_path / "gone")
    code, why = run(order(tmp_path, "true", cwd=gone))
    text = f"cannot run: working directory {gone!r}: No such file or directory"
    assert (code, why) == (127, (text, True))


def test_output_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """Nothing runs whose output would be lost."""
    _, why = run(order(tmp_path, "touch", "ran", out=str(tmp_path)))
    assert why == ("cannot run: output: Is a directory", True)
    assert not (tmp_path / "ran").exists()
