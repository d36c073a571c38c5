"""A reboot of the machine, as the files of a home see it: every process gone, another boot id, and
the files in memory lost."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monit_agent.system.claim import memory_name
from monit_agent.system.memory.memory_folder import remove_memory_file
from support.processes import is_running, processes_of
from support.waiting import wait_until

OTHER_BOOT = "11111111-2222-3333-4444-555555555555"


def kill_everything(home: Path, *, spare: int | None = None) -> None:
    """Kill all processes of the home at once, but the one with the pid ``spare``."""
    found = [process for process in processes_of(home) if process.pid != spare]
    for process in found:
        process.send_signal(signal.SIGSTOP)  # so that none starts another one
    for process in found:
        process.kill()
    for process in found:
        wait_until(lambda pid=process.pid: not is_running(pid), what="it is gone")


def change_state(home: Path, app: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what the app's keeper saved."""
    path = home / "apps" / app / "state.json"
    state = json.loads(path.read_text())
    change(state)
    path.write_text(json.dumps(state))


def set_other_boot(state: dict[str, Any]) -> None:
    """Let a saved state be of another boot."""
    state["boot_id"] = OTHER_BOOT


def reboot(home: Path) -> None:
    """Kill everything and leave what a reboot leaves."""
    kill_everything(home)
    for folder in (home / "apps").iterdir():
        change_state(home, folder.name, set_other_boot)
        for what in ("env", "state"):
            remove_memory_file(memory_name(str(folder), what))
