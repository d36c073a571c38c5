"""Run chaos and print what came of it. Exit with 1 when anything was lost or counted wrongly."""

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from chaos.account import account
from chaos.faults import FAULTS
from chaos.scene import SETTLES_S, Scene
from chaos.traffic import Traffic
from support.command_line import command
from support.managers import Managers
from support.processes import end_processes_of
from support.small_disk import SmallDisk, mount_small_disk
from support.waiting import wait_until

IN_NAMESPACE = "MONIT_CHAOS_IN_NAMESPACE"
DISK = "size=512M,nr_inodes=2000"
SHOWN_S = 120.0
"""How much room a disk has is looked at once a minute."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    given = parser.parse_args()
    if IN_NAMESPACE not in os.environ:
        _enter_namespace(given.seed)
    print(f"seed {given.seed}, {given.seconds:.0f} seconds", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="c", dir="/tmp"))
    for name in ("home", "records"):
        (folder / name).mkdir(mode=0o700)
    os.environ["MONIT_HOME"] = str(folder / "home")
    try:
        return _run(folder, given.seconds, given.seed)
    finally:
        end_processes_of(folder / "home")
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "--lazy", str(folder / "home")], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def _enter_namespace(seed: int) -> None:
    """Run again where file systems can be mounted that nobody else sees, if that is possible."""
    words = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        print("no mount namespace: the disk stays well", flush=True)
        return
    os.environ[IN_NAMESPACE] = "1"
    again = [sys.executable, "-m", "chaos", *sys.argv[1:]]
    os.execvp("unshare", [*words, *again, f"--seed={seed}"])


def _run(folder: Path, seconds: float, seed: int) -> int:
    disk = None
    if IN_NAMESPACE in os.environ:
        mount_small_disk(folder / "home", DISK)
        disk = SmallDisk(folder / "home")
    scene = Scene(folder, seed, disk)
    _start(scene)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        (fault,) = scene.random.choices(list(FAULTS), list(FAULTS.values()))
        did = fault(scene)
        if did is not None:
            scene.say(did)
            scene.counts[fault.__name__] += 1
        _pass(scene, scene.random.expovariate(3.0))
    _end_faults(scene)
    _check_processes(scene)
    _check_list(scene)
    _stop_and_describe(scene)
    account(scene)
    _delete(scene)
    return _report(scene)


def _pass(scene: Scene, seconds: float) -> None:
    """Let time pass, in which faults end and apps become well again."""
    end = time.monotonic() + seconds

    def is_over() -> bool:
        scene.step()
        return time.monotonic() >= end

    wait_until(is_over, deadline_s=seconds + SETTLES_S)


def _start(scene: Scene) -> None:
    for app in scene.apps.values():
        done = command("start", *app.words)
        if done.returncode != 0:
            raise SystemExit(f"cannot start {app.name}: {done.stderr}")
        wait_until(
            lambda app=app: app.is_settled(scene.records.runs(app.name)), deadline_s=SETTLES_S
        )
        if app.port:
            scene.traffics[app.name] = Traffic(app.port)
            scene.traffics[app.name].start()


def _end_faults(scene: Scene) -> None:
    """End all faults, and the requests when everything is well."""
    scene.say("no more faults")
    scene.undo_all()
    for app in scene.apps.values():
        scene.wait_for_app(app)
    while not scene.is_quiet:
        _pass(scene, 0.1)
    for traffic in scene.traffics.values():
        traffic.end()


def _check_processes(scene: Scene) -> None:
    """Every instance has one worker."""
    for app in scene.apps.values():
        snapshot = app.snapshot() or {"instances": []}
        expected = sorted(slot["pid"] or 0 for slot in snapshot["instances"])
        alive = sorted(run.pid for run in scene.records.alive(app.name))
        if alive != expected:
            scene.fail(f"{app.name} should run as {expected}, and runs as {alive}")


def _check_list(scene: Scene) -> None:
    """What a person sees is that all is well."""

    def is_well() -> bool:
        shown[:] = json.loads(command("list", "--json").stdout or "[]")
        return all(row["status"] == "online" and not row["problems"] for row in shown)

    shown: list[dict[str, Any]] = []
    try:
        wait_until(is_well, what="all is shown as well", deadline_s=SHOWN_S)
    except AssertionError as error:
        scene.fail(f"{error}: {[(row['app'], row['status'], row['problems']) for row in shown]}")


def _stop_and_describe(scene: Scene) -> None:
    """Stop all workers, and write down what the keepers know."""
    command("stop", "all")
    for app in scene.apps.values():
        snapshot = app.snapshot()
        if snapshot is None:
            raise SystemExit(f"the keeper of {app.name} does not answer")
        described = {"instances": snapshot["instances"], "logs": snapshot["logs"]}
        for log in described["logs"]:
            log["path"] = app.paths.log(log["instance"], log["stream"])
        (scene.records.folder / f"{app.name}.described").write_text(json.dumps(described))


def _delete(scene: Scene) -> None:
    """Delete all apps; nothing may be left of them."""
    command("delete", "all")
    managers = Managers(scene.home)
    left = [*managers.keepers.values(), *managers.agents.values()]
    left += [run.pid for app in scene.apps for run in scene.records.alive(app)]
    if left:
        scene.fail(f"left behind after delete: {left}")


def _report(scene: Scene) -> int:
    for what, count in sorted(scene.counts.items()):
        scene.say(f"{count:5d}  {what}")
    scene.say("nothing was lost" if not scene.problems else f"{len(scene.problems)} problems")
    for problem in scene.problems:
        scene.say(f"PROBLEM  {problem}")
    return 1 if scene.problems else 0


if __name__ == "__main__":
    sys.exit(main())
