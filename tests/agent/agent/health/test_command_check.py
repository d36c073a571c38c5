"""Checks by a command: real processes."""

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from monit_agent.agent.health.check_user import CheckUser
from monit_agent.agent.health.command_check import environment_of_worker, run_command_check
from monit_agent.agent.health.http_check import CheckResult
from monit_agent.system.users import BadUserError
from support.waiting import wait_until

FILES = resource.getrlimit(resource.RLIMIT_NOFILE)


def _run(*command: str, cwd: str = "/", files: tuple[int, int] = FILES) -> CheckResult:
    async def run() -> CheckResult:
        async with asyncio.timeout(20):
            return await run_command_check(command, cwd, dict(os.environ), files, CheckUser())

    return asyncio.run(run())


def test_the_exit_code_decides_and_the_last_line_says_why() -> None:
    """0 is good; else the code and what was printed last, on whichever stream."""
    assert _run("true") == (True, "exit code 0")
    assert _run("false") == (False, "exit code 1")
    shell = "echo checking; echo 'no disk' >&2; echo; exit 3"
    assert _run("sh", "-c", shell) == (False, "exit code 3: no disk")
    assert _run("sh", "-c", "kill -9 $$") == (False, "killed by SIGKILL")


def test_what_cannot_be_run_is_the_result() -> None:
    """No such program, no such folder: a failure and not an end of the agent."""
    assert _run("no-such-program") == (
        False, "cannot run no-such-program: No such file or directory",
    )  # fmt: skip
    assert not _run("true", cwd="/no/such/folder").ok


def test_much_output_is_no_burden() -> None:
    """Megabytes do not block the command, and no more than the end of them is kept."""
    shell = "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end; exit 1"
    assert _run("sh", "-c", shell) == (False, "exit code 1: end")
    _, text = _run("sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; exit 1")
    assert len(text) < 300


def test_what_is_left_in_the_background_goes_with_it(tmp_path: Path) -> None:
    """A command that leaves a child with its output open has ended all the same."""
    pid_file = tmp_path / "pid"
    result = _run("sh", "-c", f"sleep 1000 & echo $! > {pid_file}; exit 0")
    assert result == (True, "exit code 0")
    left = int(pid_file.read_text())
    wait_until(lambda: _is_gone(left), what="the child is gone")


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_cancelled_it_is_killed_with_its_children(tmp_path: Path) -> None:
    """When it is given up nothing of it is left, not even of one that ignores SIGTERM."""
    pids = tmp_path / "pids"
    os.mkfifo(pids)
    shell = f"trap '' TERM; sleep 1000 & echo $! $$ > {pids}; wait"

    async def give_up() -> tuple[list[int], bool]:
        command = ("sh", "-c", shell)
        task = asyncio.create_task(
            run_command_check(command, "/", dict(os.environ), FILES, CheckUser())
        )
        started = await asyncio.to_thread(pids.read_text)
        task.cancel()
        await asyncio.wait([task])
        return [int(word) for word in started.split()], task.cancelled()

    started, cancelled = asyncio.run(give_up())
    assert cancelled
    assert len(started) == 2
    for pid in started:
        wait_until(lambda pid=pid: _is_gone(pid), what="it is killed")


def test_it_has_the_descriptors_that_are_usual() -> None:
    """The agent's own raised limit does not reach it."""
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0]); exit(1)"
    result = _run(sys.executable, "-c", code, files=(200, FILES[1]))
    assert result == (False, "exit code 1: 200")
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == FILES


def test_it_has_the_environment_of_its_worker() -> None:
    """The app's own variables and ours, but nothing that only the worker can use."""
    env = {
        **os.environ, "DATABASE": "db", "PORT": "8001", "NODE_CHANNEL_FD": "3",
        "NOTIFY_SOCKET": "/x", "MONIT_SHARE": "/y", "LISTEN_FDS": "1",
    }  # fmt: skip
    worker = subprocess.Popen([sys.executable, "-c", "input()"], env=env, stdin=subprocess.PIPE)
    try:
        seen = wait_until(
            lambda: (
                found
                if "DATABASE" in (found := environment_of_worker(worker.pid, 3, 8000, hidden={}))
                else None
            )
        )
    finally:
        worker.kill()
        worker.communicate()
    assert seen is not None
    assert seen["DATABASE"] == "db"
    assert seen["PORT"] == "8001", "the worker's own port, where it has one"
    assert (seen["MONIT_PID"], seen["MONIT_INSTANCE"]) == (str(worker.pid), "3")
    assert not seen.keys() & {"NODE_CHANNEL_FD", "NOTIFY_SOCKET", "MONIT_SHARE", "LISTEN_FDS"}
    gone = environment_of_worker(2**22 + 1, 0, 8000, hidden={"LANG": "C"})
    assert gone["LANG"] == "C", "the environment of the app's keeper"
    assert (gone["PORT"], gone["MONIT_PROBE"]) == ("8000", "0")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_the_user_is_looked_up_once() -> None:
    """The second check uses what the first one found; an unknown user is looked for again."""
    user = CheckUser(("nobody", ""))
    assert user.run_as() is user.run_as()
    for _ in range(2):
        with pytest.raises(BadUserError):
            CheckUser(("nosuchuser", "")).run_as()
