"""What must be exact when chaos is over: requests, lines, restarts, and nothing left behind."""

import itertools
import json
import re
import struct
import time
from pathlib import Path
from typing import Any

from chaos.apps import ChaosApp, Run
from chaos.scene import Scene

LINE = re.compile(rb"(\d+\.\d+) (\d{8}) \.{60}")
LINES_SHOWN = 5


def account(scene: Scene) -> None:
    """Check everything; `Scene.problems` has what is wrong."""
    requests(scene)
    for app in scene.apps.values():
        described = json.loads(Path(scene.records.folder / f"{app.name}.described").read_text())
        restarts(scene, app, described["instances"])
        if app.name != "node":
            lines(scene, app, described["logs"])


def requests(scene: Scene) -> None:
    """Every request was answered, but for those in the hand of a worker that chaos killed."""
    for name, traffic in scene.traffics.items():
        scene.say(
            f"{name}: {traffic.answered:,} requests answered, slowest {traffic.slowest_s:.1f} s; "
            f"{traffic.lost_in_hand} in the hand of killed workers; {len(traffic.failures)} failed"
        )
        for failure in traffic.failures[:LINES_SHOWN]:
            scene.fail(f"{name}: {failure}")


def restarts(scene: Scene, app: ChaosApp, instances: list[dict[str, Any]]) -> None:
    """The counters say how often workers were started, and how often nobody had requested it."""
    runs = scene.records.runs(app.name)
    for one in instances:
        number = one["instance"]
        own = [run for run in runs if run.instance == number]
        started = len(own) - app.forgotten.get(number, 0)
        unrequested = len(one["restart_times"]) + sum(n for _, n in one["earlier_restarts"])
        kills = app.kills.get(number, 0)
        scene.say(
            f"{app.name}/{number}: {started} workers, {one['restarts']} restarts; "
            f"{kills} killed, {unrequested} exits without a request"
        )
        if one["restarts"] != started - 1:
            scene.fail(f"{app.name}/{number}: {started} workers, but {one['restarts']} restarts")
        if unrequested != kills:
            scene.fail(
                f"{app.name}/{number}: {kills} killed, but {unrequested} exits without a request"
            )


def lines(scene: Scene, app: ChaosApp, logs: list[dict[str, Any]]) -> None:
    """Every line is in the log once and in order, or was counted as dropped."""
    runs = scene.records.runs(app.name)
    for log in logs:
        name = f"{app.name}/{log['instance']} {log['stream']}"
        own = [run for run in runs if run.instance == log["instance"]]
        _check_stream(scene, app, log, name, own)


def _check_stream(
    scene: Scene, app: ChaosApp, log: dict[str, Any], name: str, runs: list[Run]
) -> None:
    found: dict[str, list[int]] = {run.name: [] for run in runs}
    strange: list[bytes] = []
    whole = 0
    for line in Path(log["path"]).read_bytes().split(b"\n")[:-1]:
        match = LINE.fullmatch(line)
        if match is None or match[1].decode() not in found:
            strange.append(line)
        else:
            found[match[1].decode()].append(int(match[2]))
            whole += len(line) + 1
    dropped = unordered = extra = 0
    for run in runs:
        begun, done = _printed(scene, app, run, log)
        numbers = found[run.name]
        unordered += sum(b <= a for a, b in itertools.pairwise(numbers))
        extra += sum(number >= begun for number in numbers)
        length = len(f"{run.name} 00000000 ") + 61
        missing = sorted(set(range(done)) - set(numbers))
        dropped += length * len(missing)
        if missing:
            began = time.strftime("%H:%M:%S", time.localtime(int(run.name.partition(".")[2]) / 1e9))
            scene.say(
                f"{name}: pid {run.pid}, which began at {began}, printed {done} lines; "
                f"{len(missing)} are missing from {missing[0]} to {missing[-1]}"
            )
    # the file of an instance that was scaled away is removed while the disk is nearly full
    counted = log["lost_bytes"] + log["begin"]
    scene.say(f"{name}: {sum(map(len, found.values())):,} lines; {dropped:,} bytes missing, "
              f"{counted:,} counted as dropped")  # fmt: skip
    if unordered or extra:
        scene.fail(f"{name}: {unordered} lines out of order or twice, {extra} never printed")
    if strange:
        scene.fail(f"{name}: {len(strange)} lines nobody printed, as {strange[:3]}")
    if dropped != counted:
        scene.fail(f"{name}: {dropped:,} bytes missing, but {counted:,} counted")


def _printed(scene: Scene, app: ChaosApp, run: Run, log: dict[str, Any]) -> tuple[int, int]:
    """Return how many lines a worker began to print, and how many it printed."""
    name = f"{app.name}.{run.instance}.{log['stream']}.{run.name}"
    try:
        raw = (scene.records.folder / name).read_bytes()
    except FileNotFoundError:
        return 0, 0
    begun, done = struct.unpack("<qq", raw.ljust(16, b"\0"))
    return begun, done
