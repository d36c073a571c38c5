"""A real keeper in the process of a test, whose loop runs only when the test lets it."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

from monit_agent.keeper.clock import now
from monit_agent.keeper.commands import Commands
from monit_agent.keeper.control import Client
from monit_agent.keeper.keeper import Keeper
from monit_agent.keeper.state.claim import Claim
from monit_agent.supervise import events as e
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.supervise.state import Slot
from monit_agent.wire.paths import app_paths
from support.keeper_loop import close_claim, close_loop

SPEC = AppSpec(
    "web",
    "sleep",
    ("sleep", "600"),
    "/",
    "me",
    policy=RestartPolicy(min_uptime_s=0.0, kill_timeout_s=5.0),
)


class KeptHere:
    """A real keeper in the process of the test, with one stopped instance, and a client."""

    def __init__(self, home: Path, spec: AppSpec = SPEC) -> None:
        paths = app_paths(str(home), spec.name)
        for folder in (paths.logs, paths.fifos):
            os.makedirs(folder)
        env = {b"PATH": os.environb[b"PATH"]}
        self._claim = Claim(paths)
        self.keeper = Keeper(self._claim, paths, spec, (env, {}), boot="boot", subreaper=False)
        self.keeper.adopt_app(App(slots=(Slot(0, 7),)))
        self.commands = Commands(self.keeper)
        here, self._there = socket.socketpair()
        self.client = Client(here)

    @property
    def slot(self) -> Slot:
        return self.keeper.app.slots[0]

    def request(self, do: Any, **with_: Any) -> dict[str, Any]:
        return self.commands.answer(self.client, {"do": do, **with_})

    def start(self) -> int:
        """Start the worker; return its pid."""
        self.keeper.feed(e.EachSlot((0,), e.StartRequested(now())))
        assert self.slot.worker is not None
        return self.slot.worker.pid

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.keeper.snapshot()["events"] if each["kind"] == kind]

    def close(self) -> None:
        self.keeper.control.close()
        self.keeper.ports.close()
        self.keeper.notify.file.close()
        self.keeper.kept_environment.remove()
        close_claim(self._claim)
        self.client.sock.close()
        self._there.close()
        for pid in self.keeper.workers.pids():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for instance in (slot.instance for slot in self.keeper.app.slots):
            self.keeper.logs.close_instance(instance)
        close_loop(self.keeper.loop)
