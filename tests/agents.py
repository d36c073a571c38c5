"""Real keepers for tests: started as PROTOCOL.md says, in the home that the test was given.

Whatever is started here is killed by the fixture ``home`` of ``conftest.py``.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from monit_agent.supervise.spec import AppSpec, Policy, to_json
from monit_agent.wire.places import AppPlaces, app_places, keeper_command

_keepers: list["subprocess.Popen[bytes]"] = []
"""Kept, because a `Popen` that is forgotten while its process runs warns, and warnings fail."""


def start_app(
    home: Path,
    name: str,
    code: str,
    *,
    instances: int = 1,
    namespace: str = "default",
    **policy: Any,
) -> AppPlaces:
    """Start a keeper for an app that runs the Python program ``code``; give its places.

    Returns when the keeper says that it has its sockets; the agent and the workers follow.
    """
    places = app_places(str(home), name)
    os.makedirs(places.folder, mode=0o700)
    script = home / f"{name}.py"
    script.write_text(code)
    spec = AppSpec(
        name=name,
        script=str(script),
        argv=(sys.executable, "-u", str(script)),
        cwd=str(home),
        user="tester",
        instances=instances,
        namespace=namespace,
        created_at=time.time(),
        policy=Policy(min_uptime_s=0.2, kill_timeout_s=5.0)._replace(**policy),
    )
    run_keeper(places, {"spec": to_json(spec), "env": dict(os.environ)})
    return places


def run_keeper(places: AppPlaces, order: dict[str, Any] | None) -> int:
    """Start the keeper of an app, with a new spec or to adopt what is there; give its pid."""
    keeper = subprocess.Popen(
        keeper_command(places.folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    _keepers.append(keeper)
    assert keeper.stdin
    assert keeper.stdout
    with keeper.stdin, keeper.stdout:
        keeper.stdin.write(json.dumps(order).encode() if order else b"")
        keeper.stdin.close()
        said = json.loads(keeper.stdout.readline())
    assert said["ok"], said
    return said["pid"]


def kill(pid: int | None) -> None:
    """Kill one process with -9 and wait until the kernel has let go of its sockets."""
    assert pid is not None
    process = psutil.Process(pid)
    process.kill()
    process.wait(timeout=20)
