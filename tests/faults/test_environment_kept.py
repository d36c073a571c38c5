"""The environment of an app survives everything but `delete`."""

import contextlib
import os
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from monit_agent.system.claim import memory_name
from monit_agent.system.memory.memory_folder import is_private_memory, memory_folders
from support.command_line import MONIT, command, monit, row
from support.keeper import KeptApp
from support.matrix import matrix
from support.processes import is_running, processes_of
from support.waiting import wait_until

TITLED = Path(__file__).parent.parent / "programs" / "titled.py"
PRINTS = """
import os, sys, time
print("has", *(f"{name}={os.environ.get(name)}" for name in sys.argv[1:]), flush=True)
time.sleep(3600)
"""
NAMES = ("NAMED", "INHERITED")
NAMED, INHERITED = "secret-named-1", "secret-inherited-1"
BOTH = f"NAMED={NAMED} INHERITED={INHERITED}"
PROGRAMS = ["plain", "titled"]


@pytest.fixture(name="start")
def _start(home: Path, tmp_path: Path) -> Callable[..., None]:
    plain = tmp_path / "plain.py"
    plain.write_text(PRINTS)

    def start(program: str = "plain", names: tuple[str, ...] = NAMES) -> None:
        path = plain if program == "plain" else TITLED
        words = ("--name", "app", "--env", f"NAMED={NAMED}", "--min-uptime", "0.1s", "--", *names)
        mark = () if program == "plain" else (str(home),)
        done = command("start", str(path), *words, *mark, env={"INHERITED": INHERITED})
        assert done.returncode == 0, done.stderr

    return start


def _shown() -> list[str]:
    """Return what each worker printed of its environment."""
    lines = monit("logs", "app", "--no-follow").splitlines()
    return [line.partition("has ")[2] for line in lines if "has " in line]


def _kill_all(home: Path, *, spare: int | None = None) -> None:
    """Kill the keeper, the agent, the zygote and, unless it is spared, the worker."""
    found = [process for process in processes_of(home) if process.pid != spare]
    for process in found:
        process.send_signal(signal.SIGSTOP)  # so that none starts another one
    for process in found:
        process.kill()
    for process in found:
        wait_until(lambda pid=process.pid: not is_running(pid), what="it is gone")


def _from_an_empty_shell(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {"MONIT_HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.run(
        [*MONIT, *words], env=env, capture_output=True, text=True, check=False, timeout=60
    )


def _memory_file(home: Path) -> Path:
    name = memory_name(str(home / "apps" / "app"))
    (found,) = [Path(each, name) for each in memory_folders() if Path(each, name).exists()]
    return found


@pytest.mark.parametrize("program", matrix(PROGRAMS, ["titled"]))
def test_everything_is_killed(start: Callable[..., None], home: Path, program: str) -> None:
    """With keeper, agent and worker killed at once, and `start` from an empty environment, the
    next worker has what was named and what was inherited."""
    start(program)
    worker = row("app")["pid"]
    _kill_all(home)
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)  # one that wrote over its environment is not found by it
    wait_until(lambda: not is_running(worker), what="the worker is gone")

    done = _from_an_empty_shell(home, "start", "app")

    assert done.returncode == 0, done.stderr
    wait_until(lambda: _shown() == [BOTH] * 2, what="it has both again")
    assert row("app")["problems"] == []


def test_only_the_worker_is_left(start: Callable[..., None], home: Path) -> None:
    """A worker that wrote over its environment is adopted from an empty one; after a restart the
    next one has all of its variables."""
    start("titled")
    worker = row("app")["pid"]
    _kill_all(home, spare=worker)

    assert _from_an_empty_shell(home, "start", "app").returncode == 0
    assert row("app")["pid"] == worker
    monit("restart", "app")

    wait_until(lambda: _shown() == [BOTH] * 2, what="it has both again")


@pytest.mark.parametrize("removed", matrix(["env", "memory"], ["env"]))
def test_one_copy_is_enough(start: Callable[..., None], home: Path, removed: str) -> None:
    """What was named comes back from the disk or from memory, whichever is left. What was
    inherited is only in memory: without it the app starts, and that is recorded."""
    start()
    stored, memory = home / "apps" / "app" / "env", _memory_file(home)
    _kill_all(home)
    (stored if removed == "env" else memory).unlink()

    assert _from_an_empty_shell(home, "start", "app").returncode == 0

    wait_until(lambda: len(_shown()) == 2, what="it is back")
    assert _shown()[-1].startswith(f"NAMED={NAMED} ")
    problems = " ".join(row("app")["problems"])
    if removed == "env":
        assert problems == ""
    else:
        assert "variables that the workers had inherited are lost" in problems
        assert "monit restart app --update-env" in problems
        assert command("restart", "app", "--update-env", env={"INHERITED": "i2"}).returncode == 0
        wait_until(lambda: _shown()[-1] == f"NAMED={NAMED} INHERITED=i2", what="it has both")
        assert row("app")["problems"] == []


def test_a_warning_comes_back_with_the_old_settings(start: Callable[..., None], home: Path) -> None:
    """A change that brings other variables and is undone leaves those of before lost."""
    start()
    memory = _memory_file(home)
    _kill_all(home)
    memory.unlink()
    assert _from_an_empty_shell(home, "start", "app").returncode == 0
    lost = "variables that the workers had inherited are lost"
    wait_until(lambda: lost in " ".join(row("app")["problems"]), what="it is known")
    app = KeptApp(home, "app")
    spec = app.request("compare", named={"NAMED": NAMED})["spec"]
    fails = {**spec, "argv": ["/bin/sh", "-c", "exit 3"]}
    variables = {"env": dict(os.environ), "named": {"NAMED": NAMED}}

    assert app.request("apply", spec=fails, how="reload", **variables)["ok"]

    wait_until(lambda: app.event_texts("change_undone"), what="the change is undone")
    wait_until(lambda: lost in " ".join(row("app")["problems"]), what="it is known again")


def test_never_without_a_named_variable(start: Callable[..., None], home: Path) -> None:
    """With all copies gone, the app does not start without what was named: it is errored, with the
    command that helps, and the command helps."""
    start()
    stored, memory = home / "apps" / "app" / "env", _memory_file(home)
    _kill_all(home)
    stored.unlink()
    memory.unlink()

    done = _from_an_empty_shell(home, "start", "app")

    assert done.returncode == 1
    assert "NAMED" in done.stderr
    assert "monit start app --env NAMED=..." in done.stderr
    assert row("app")["status"] == "errored"
    assert len(_shown()) == 1
    refused = command("start", "app", "--max-memory", "1G")
    assert refused.returncode == 2
    assert "--env NAMED=..." in refused.stderr
    monit("stop", "app")
    monit("start", "app", "--env", "NAMED=n2")
    wait_until(lambda: _shown()[-1].startswith("NAMED=n2"), what="it has it again")


def test_a_worker_stays_when_the_next_one_would_lack_a_variable(
    start: Callable[..., None], home: Path
) -> None:
    """A running worker whose named variables are lost is not stopped by restart or reload."""
    start("titled")
    worker = row("app")["pid"]
    stored, memory = home / "apps" / "app" / "env", _memory_file(home)
    _kill_all(home, spare=worker)
    stored.unlink()
    memory.unlink()
    assert "NAMED" in _from_an_empty_shell(home, "start", "app").stderr + str(row("app"))

    for verb in ("restart", "reload"):
        done = command(verb, "app")
        assert done.returncode == 1
        assert "--env NAMED=..." in done.stderr
    assert row("app")["pid"] == worker


def test_the_copies_are_private_and_made_again(start: Callable[..., None], home: Path) -> None:
    """Both copies can be read by their user only, the one in memory is in memory; both are made
    again when somebody removes them, and go with the app."""
    start()
    stored, memory = home / "apps" / "app" / "env", _memory_file(home)
    for copy in (stored, memory):
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(memory.parent.stat().st_mode) == 0o700
    kinds = subprocess.run(
        ["stat", "-f", "-c", "%T", str(memory.parent)], capture_output=True, text=True, check=True
    )
    assert kinds.stdout.strip() in ("tmpfs", "ramfs")
    for copy in (stored, memory):
        copy.unlink()
    wait_until(lambda: stored.exists() and memory.exists(), what="they are there again")

    monit("delete", "app")

    assert not stored.exists()
    wait_until(lambda: not memory.exists(), what="the copy in memory is gone")


def test_values_are_never_shown(start: Callable[..., None], home: Path) -> None:
    """No value is in what list and describe say, or in the files that are not made for values."""
    start(names=())
    texts = [monit("list", "--json"), monit("describe", "app"), monit("describe", "app", "--json")]
    texts += [
        (home / "apps" / "app" / name).read_text()
        for name in ("state.json", "keeper.log", "agent.log")
    ]

    assert not [text for text in texts if NAMED in text or INHERITED in text]


def test_a_folder_in_memory_of_another_user_is_not_used(tmp_path: Path) -> None:
    """A folder that belongs to another user, that others may enter, or that is a link, is not used,
    wherever it lies."""
    if os.getuid() != 0:
        pytest.skip("needs a second user")
    good = Path(f"/dev/shm/monit-test-{os.getpid()}")
    link = good.with_suffix(".link")
    try:
        good.mkdir(mode=0o700)
        assert is_private_memory(str(good))
        link.symlink_to(good)
        assert not is_private_memory(str(link))
        good.chmod(0o755)
        assert not is_private_memory(str(good))
        good.chmod(0o700)
        os.chown(good, 65534, 65534)
        assert not is_private_memory(str(good))
    finally:
        link.unlink(missing_ok=True)
        good.rmdir()
    tmp_path.chmod(0o700)
    on_disk = (
        "tmpfs"
        not in subprocess.run(
            ["stat", "-f", "-c", "%T", str(tmp_path)], capture_output=True, text=True, check=True
        ).stdout
    )
    assert not (on_disk and is_private_memory(str(tmp_path)))
