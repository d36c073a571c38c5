"""Checks by a command: real processes, watched by the agent's loop."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from monit_agent.observe.commandcheck import CommandCheck, environment
from monit_agent.observe.loop import Loop
from waiting import wait_until

FILES = resource.getrlimit(resource.RLIMIT_NOFILE)


def _run(
    *command: str,
    cwd: str = "/",
    env: dict[str, str] | None = None,
    meanwhile: Callable[[Loop, CommandCheck], None] = lambda _loop, _check: None,
    files: tuple[int, int] = FILES,
) -> list[tuple[bool, str]]:
    """Run a loop until the check has its verdict or the loop was stopped; give the verdicts."""
    loop, said = Loop(), list[tuple[bool, str]]()

    def done(ok: bool, text: str) -> None:
        said.append((ok, text))
        loop.stop()

    def begin() -> None:
        check = CommandCheck(loop, command, cwd, env or dict(os.environ), done, files=files)
        meanwhile(loop, check)

    loop.after(0.0, begin)
    loop.after(20.0, loop.stop)
    loop.run()
    return said


def test_the_exit_code_decides_and_the_last_line_says_why() -> None:
    """0 is good; else the code and what was printed last, on whichever stream."""
    assert _run("true") == [(True, "exit code 0")]
    assert _run("false") == [(False, "exit code 1")]
    shell = "echo checking; echo 'no disk' >&2; echo; exit 3"
    assert _run("sh", "-c", shell) == [(False, "exit code 3: no disk")]
    assert _run("sh", "-c", "kill -9 $$") == [(False, "killed by SIGKILL")]


def test_what_cannot_be_run_is_said() -> None:
    """No such program, no such folder: a failure and not an end of the agent."""
    assert _run("no-such-program") == [
        (False, "cannot run no-such-program: No such file or directory")
    ]
    assert _run("true", cwd="/no/such/folder")[0][0] is False


def test_much_output_is_no_burden() -> None:
    """Megabytes do not block the command, and no more than the end of them is kept."""
    shell = "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end; exit 1"
    assert _run("sh", "-c", shell) == [(False, "exit code 1: end")]
    ((_, text),) = _run("sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; exit 1")
    assert len(text) < 300


def test_what_is_left_in_the_background_goes_with_it(tmp_path: Path) -> None:
    """A command that leaves a child with its output open has ended all the same."""
    pid_file = tmp_path / "pid"
    said = _run("sh", "-c", f"sleep 1000 & echo $! > {pid_file}; exit 0")
    assert said == [(True, "exit code 0")]
    left = int(pid_file.read_text())
    wait_until(lambda: not psutil.pid_exists(left) or _is_zombie(left), what="the child is gone")


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_given_up_it_is_killed_with_its_children(tmp_path: Path) -> None:
    """After the time-out nothing of it is left and no verdict comes, not even from one that
    ignores SIGTERM."""
    pids = tmp_path / "pids"
    kept: list[CommandCheck] = []

    def meanwhile(loop: Loop, check: CommandCheck) -> None:
        kept.append(check)

        def give_up_when_there() -> None:
            if pids.exists() and len(pids.read_text().split()) == 2:
                check.cancel()
            if check.gone:
                loop.stop()

        loop.every(0.02, give_up_when_there)

    shell = f"trap '' TERM; sleep 1000 & echo $! $$ > {pids}; wait"
    assert _run("sh", "-c", shell, meanwhile=meanwhile) == []
    assert kept[0].gone
    for pid in map(int, pids.read_text().split()):
        wait_until(lambda pid=pid: _is_zombie(pid), what="it is killed")


def test_it_has_the_descriptors_that_are_usual() -> None:
    """The agent's own raised limit does not reach it."""
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0]); exit(1)"
    said = _run(sys.executable, "-c", code, files=(200, FILES[1]))
    assert said == [(False, "exit code 1: 200")]
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
            lambda: found if "DATABASE" in (found := environment(worker.pid, 3, 8000)) else None
        )
    finally:
        worker.kill()
        worker.communicate()
    assert seen is not None
    assert seen["DATABASE"] == "db"
    assert seen["PORT"] == "8001", "the worker's own port, where it has one"
    assert (seen["MONIT_PID"], seen["MONIT_INSTANCE"]) == (str(worker.pid), "3")
    assert not seen.keys() & {"NODE_CHANNEL_FD", "NOTIFY_SOCKET", "MONIT_SHARE", "LISTEN_FDS"}
    gone = environment(2**22 + 1, 0, 8000)
    assert (gone["PORT"], gone["MONIT_PROBE"]) == ("8000", "0")
