"""The faults: each does one harm to a home and returns what it did, or None when it cannot now."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from chaos.apps import ChaosApp, Run
from chaos.scene import Scene
from chaos.traffic import accepted_client_ports
from monit_agent.wire.paths import zygote_lock, zygote_socket
from support.managers import Managers, halt

LONGEST_S = 2.5
"""How long a process is halted or a disk is full at most."""


# ---------------------------------------------------------------- workers


def _pick_worker(scene: Scene) -> tuple[ChaosApp, Run] | None:
    apps = scene.idle_apps()
    if not apps:
        return None
    app = scene.random.choice(apps)
    runs = scene.records.alive(app.name)
    settled = app.is_settled(scene.records.runs(app.name))
    return (app, scene.random.choice(runs)) if runs and settled else None


def _note_requests_in_hand(scene: Scene, app: ChaosApp, pid: int) -> int:
    """Halt a worker and note what it has in hand: after that, it accepts nothing more."""
    if not halt(pid):
        return -1
    if app.name not in scene.traffics:
        return 0
    return scene.traffics[app.name].note_killed(accepted_client_ports(pid, app.port))


def kill_worker(scene: Scene) -> str | None:
    """SIGKILL to a worker."""
    found = _pick_worker(scene)
    if found is None or found[1].pid in scene.halted:
        return None
    app, run = found
    in_hand = _note_requests_in_hand(scene, app, run.pid)
    if in_hand < 0:
        return None
    os.kill(run.pid, signal.SIGKILL)
    app.kills[run.instance] = app.kills.get(run.instance, 0) + 1
    scene.wait_for_app(app)
    return f"killed {app.name}/{run.instance} (pid {run.pid}, {in_hand} requests in hand)"


def crash_worker(scene: Scene) -> str | None:
    """A worker that serves nobody exits with code 3. One that serves would accept requests until it
    does, and nobody could say which."""
    found = _pick_worker(scene)
    if found is None or found[0].port or found[1].pid in scene.halted:
        return None
    app, run = found
    os.kill(run.pid, signal.SIGUSR1)
    app.kills[run.instance] = app.kills.get(run.instance, 0) + 1
    scene.wait_for_app(app)
    return f"crashed {app.name}/{run.instance} (pid {run.pid})"


def halt_worker(scene: Scene) -> str | None:
    """SIGSTOP to a worker, and SIGCONT later."""
    found = _pick_worker(scene)
    if found is None:
        return None
    app, run = found
    seconds = scene.random.uniform(0.1, LONGEST_S)
    scene.wait_for_app(app)  # what is halted is not killed, or its requests would wait in vain
    if not scene.halt_for(run.pid, f"{app.name}/{run.instance}", seconds):
        return None
    return f"halted {app.name}/{run.instance} (pid {run.pid}) for {seconds:.1f} s"


# ---------------------------------------------------------------- managers


def kill_keeper(scene: Scene) -> str | None:
    """SIGKILL to a keeper whose agent is there to start another."""
    managers = Managers(scene.home)
    names = sorted(managers.keepers.keys() & managers.agents.keys())
    if not names:
        return None
    name = scene.random.choice(names)
    _kill(scene, managers.keepers[name])
    return f"killed the keeper of {name} (pid {managers.keepers[name]})"


def kill_agent(scene: Scene) -> str | None:
    """SIGKILL to the process of an agent, which may have those of other apps; the keepers of all
    are there to start others."""
    managers = Managers(scene.home)
    names = _with_keepers(managers)
    if not names:
        return None
    name = scene.random.choice(names)
    _kill(scene, managers.agents[name])
    return f"killed the agent of {name} (pid {managers.agents[name]})"


def _with_keepers(managers: Managers) -> list[str]:
    """Return the apps of those processes of agents that may be killed: every app with an agent in
    there has its keeper."""
    without = {pid for name, pid in managers.agents.items() if name not in managers.keepers}
    return sorted(name for name, pid in managers.agents.items() if pid not in without)


def kill_keeper_and_agent(scene: Scene) -> str | None:
    """SIGKILL to both, and ``monit start NAME`` by a person."""
    managers = Managers(scene.home)
    idle = {app.name for app in scene.idle_apps()}
    names = [name for name in _with_keepers(managers) if name in idle]
    if not names:
        return None
    name = scene.random.choice(names)
    pids = managers.keepers[name], managers.agents[name]
    for pid in pids:
        _kill(scene, pid)
    app = scene.apps[name]
    scene.wait_for_app(app)
    scene.later(scene.random.uniform(0.1, 3.0), lambda: scene.command(app, "start", name))
    return f"killed keeper and agent of {name} (pids {pids[0]} and {pids[1]})"


def kill_zygote(scene: Scene) -> str | None:
    """SIGKILL to a zygote."""
    zygotes = Managers(scene.home).zygotes
    if not zygotes:
        return None
    _kill(scene, zygotes[0])
    return f"killed the zygote (pid {zygotes[0]})"


def halt_manager(scene: Scene) -> str | None:
    """SIGSTOP to a keeper, an agent or the zygote, and SIGCONT later."""
    managers = Managers(scene.home)
    named = {f"the keeper of {name}": pid for name, pid in managers.keepers.items()}
    named |= {f"the agent of {name}": pid for name, pid in managers.agents.items()}
    named |= {"the zygote": managers.zygotes[0]} if managers.zygotes else {}
    if not named:
        return None
    who = scene.random.choice(sorted(named))
    seconds = scene.random.uniform(0.1, LONGEST_S)
    if not scene.halt_for(named[who], who, seconds):
        return None
    return f"halted {who} (pid {named[who]}) for {seconds:.1f} s"


def _kill(scene: Scene, pid: int) -> None:
    scene.halted.pop(pid, None)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


# ---------------------------------------------------------------- files


def _for_some_time(scene: Scene, spoil: Callable[[], None], mend: Callable[[], None]) -> float:
    seconds = scene.random.uniform(0.1, LONGEST_S)
    scene.disk_is_bad = True
    spoil()

    def undo() -> None:
        mend()
        scene.disk_is_bad = False

    scene.later(seconds, undo)
    return seconds


def fill_disk(scene: Scene) -> str | None:
    """No byte is left on the file system of the home."""
    if scene.disk is None or scene.disk_is_bad:
        return None
    return f"full disk for {_for_some_time(scene, scene.disk.fill, scene.disk.free):.1f} s"


def make_read_only(scene: Scene) -> str | None:
    """No file of the home can be opened for writing."""
    if scene.disk is None or scene.disk_is_bad:
        return None
    disk = scene.disk
    seconds = _for_some_time(scene, disk.make_read_only, disk.make_writable)
    return f"read-only disk for {seconds:.1f} s"


def remove_file(scene: Scene) -> str | None:
    """Somebody removes a socket, a lock or a pipe."""
    if scene.disk_is_bad:
        return None
    app = scene.random.choice(list(scene.apps.values()))
    paths = app.paths
    files = [
        paths.lock, paths.keeper, paths.ctl, paths.pub, paths.share, paths.notify, paths.probe,
        paths.agent_lock, paths.env, paths.fifo(0, "out"),
        zygote_socket(str(scene.home)), zygote_lock(str(scene.home)),
    ]  # fmt: skip
    file = scene.random.choice(files)
    Path(file).unlink(missing_ok=True)
    return f"removed {file.removeprefix(str(scene.home))}"


# ---------------------------------------------------------------- commands


def _pick_idle(scene: Scene, names: tuple[str, ...]) -> ChaosApp | None:
    apps = [app for app in scene.idle_apps() if app.name in names]
    settled = [app for app in apps if app.is_settled(scene.records.runs(app.name))]
    return scene.random.choice(settled) if settled else None


def reload_app(scene: Scene) -> str | None:
    """``monit reload``: no request may be lost."""
    app = _pick_idle(scene, ("web", "node", "calm"))
    if app is None:
        return None
    scene.command(app, "reload", app.name)
    return f"monit reload {app.name}"


def restart_app(scene: Scene) -> str | None:
    """``monit restart`` of what serves nobody: it stops before it starts, and what becomes of
    requests in hand is up to the server."""
    app = _pick_idle(scene, ("flood", "calm"))
    if app is None:
        return None
    scene.command(app, "restart", app.name)
    return f"monit restart {app.name}"


def scale_app(scene: Scene) -> str | None:
    """``monit scale`` of the web app."""
    app = _pick_idle(scene, ("web",))
    if app is None:
        return None
    size = scene.random.choice((2, 3, 4))
    runs = scene.records.runs(app.name)
    for instance in range(size, 4):
        app.forgotten[instance] = sum(run.instance == instance for run in runs)
        app.kills[instance] = 0
    scene.command(app, "scale", app.name, str(size))
    return f"monit scale {app.name} {size}"


def list_apps(scene: Scene) -> str | None:
    """``monit list``, whatever is wrong."""
    scene.command(None, "list", "--json")
    return "monit list --json"


FAULTS: dict[Callable[[Scene], str | None], int] = {
    kill_worker: 6,
    crash_worker: 3,
    halt_worker: 3,
    kill_keeper: 6,
    kill_agent: 5,
    kill_keeper_and_agent: 2,
    kill_zygote: 2,
    halt_manager: 6,
    fill_disk: 3,
    make_read_only: 2,
    remove_file: 4,
    reload_app: 5,
    restart_app: 3,
    scale_app: 2,
    list_apps: 1,
}
"""Each fault, and how often it is chosen compared with the others."""
