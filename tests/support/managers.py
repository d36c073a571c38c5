"""The managers of a home, and processes that are halted."""

import os
import signal
from pathlib import Path

import psutil

from monit_agent.client.keeper_request import request_keeper
from monit_agent.wire.paths import app_paths
from support.processes import is_running
from support.waiting import wait_until


class Managers:
    """The keepers, agents and zygotes that run for a home at one moment.

    ``agents`` has the process of each app's agent; several may be in one.
    """

    def __init__(self, home: Path) -> None:
        self.keepers: dict[str, int] = {}
        self.agents: dict[str, int] = {}
        self.zygotes: list[int] = []
        apps = f"{home}/apps/"
        keepers: dict[str, list[int]] = {}
        for pid, words in command_lines():
            line = " ".join(words)
            if line.startswith(f"monit-agent {apps}"):
                self.agents[words[1].removeprefix(apps)] = pid
            elif line.startswith(f"monit-agents {home} "):
                self.agents |= dict.fromkeys(agents_in(pid), pid)
            elif line == f"monit-zygote {home}":
                self.zygotes.append(pid)
            elif len(words) > 1 and words[-1].startswith(apps):
                self._note_young(words, words[-1].removeprefix(apps), pid, keepers)
        for app, pids in keepers.items():
            self.keepers[app] = [pid for pid in pids if _parent_of(pid) not in pids][-1]

    def _note_young(
        self, words: list[str], app: str, pid: int, keepers: dict[str, list[int]]
    ) -> None:
        if words[-2].endswith("/keeper/__main__.py"):
            # a worker is one of these too until it runs its program
            keepers.setdefault(app, []).append(pid)
        elif words[-2].endswith("/agent/__main__.py"):
            self.agents.setdefault(app, pid)


def _parent_of(pid: int) -> int | None:
    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return None


def agents_in(pid: int) -> list[str]:
    """Return the apps whose agents a process has: those whose lock it holds. Its title may be cut
    where its command line ended."""
    found: list[str] = []
    for name in _names_in(f"/proc/{pid}/fd"):
        try:
            target = Path(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            continue
        if target.name.removesuffix(" (deleted)") == "agent.lock":
            found.append(target.parent.name)
    return found


def give_own_process(home: str | Path, app: str) -> None:
    """Give the agent of an app a process of its own, and wait until it answers the keeper."""
    paths = app_paths(str(home), app)
    before = Managers(Path(home)).agents[app]
    request_keeper(paths, "move_agent")

    def has_moved() -> bool:
        about = request_keeper(paths, "version")
        return about["agent_pid"] not in (None, before) and about["agent_version"] is not None

    wait_until(has_moved, what=f"the agent of {app} has moved")


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def command_lines() -> list[tuple[int, list[str]]]:
    """Return pid and words of all processes that run."""
    found: list[tuple[int, list[str]]] = []
    for name in os.listdir("/proc"):
        if name.isdigit() and is_running(int(name)):
            try:
                raw = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            line = raw.rstrip(b"\0").decode("utf-8", "replace").replace("\0", " ")
            found.append((int(name), line.split(" ")))
    return found


def halt(pid: int) -> bool:
    """Stop a process with SIGSTOP and wait until it runs no more; return False if it is gone."""
    try:
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: _is_halted(pid), what=f"{pid} is halted")
    except OSError:
        return False
    return True


def _is_halted(pid: int) -> bool:
    """Return whether every thread of a process is halted. Raise OSError when it is gone."""
    states: set[bytes] = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        stat = Path(f"/proc/{pid}/task/{task}/stat").read_bytes()
        states.add(stat[stat.rindex(b")") + 2 :][:1])
    if states & {b"Z", b"X"}:
        raise ProcessLookupError
    return states == {b"T"}


def resume(pid: int) -> None:
    """Let a halted process continue, if it is still there."""
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
