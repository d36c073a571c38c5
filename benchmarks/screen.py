"""The full-screen monitors from outside: first frame, CPU, bytes to the terminal, key to paint.

Four processes, 120 columns, 35 lines; idle, and with an app of 20,000 lines a second shown. Both
monitors sort by name, so the app that floods is the first one and shown at once.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from common import BenchmarkError, Figure, Manager, both, say
from ttymeter import Measured, Plan
from ttymeter import measure as watch

LINES_PER_SECOND = 20_000
LINE = "GET /breads/rye"


class Scene(NamedTuple):
    """What runs and over what the monitor is seen."""

    words: str
    apps: Sequence[tuple[str, str, Sequence[str]]]
    """Name, script, arguments."""
    over_ssh: bool = False
    shows: str = ""
    """What must be on the screen at the end for the figures to be valid."""


IDLE = [(f"app-{number}", "idle.py", ()) for number in range(4)]
FLOOD = [("app-0", "steady.py", (str(LINES_PER_SECOND),)), *IDLE[1:]]
SCENES = (
    Scene("4 idle processes", IDLE),
    Scene(f"{LINES_PER_SECOND:,} lines/s shown", FLOOD, shows=LINE),
    Scene(f"{LINES_PER_SECOND:,} lines/s shown, over ssh", FLOOD, over_ssh=True, shows=LINE),
)


def measure(quick: bool) -> list[Figure]:
    """Return the figures of every scene."""
    figures: list[Figure] = []
    for scene in SCENES:
        say(f"  {scene.words}")
        figures += _watch_scene(scene, quick)
    return figures


def _watch_scene(scene: Scene, quick: bool) -> list[Figure]:
    starts = 2 if quick else 7
    spans = 1 if quick else 2
    first: dict[str, list[float]] = {}
    seen: dict[str, list[Measured]] = {}
    with both() as managers:
        for manager in managers:
            for name, script, arguments in scene.apps:
                manager.start(name, script, *arguments)
        names = [name for name, _, _ in scene.apps]
        for number in range(0 if scene.over_ssh else starts):
            for manager in managers if number % 2 == 0 else reversed(managers):
                first.setdefault(manager.name, []).append(first_frame(manager, names))
        for number in range(spans):
            for manager in managers if number % 2 == 0 else reversed(managers):
                seen.setdefault(manager.name, []).extend(_look(manager, scene, quick))
    return _figures(scene, first, seen)


def first_frame(manager: Manager, names: Sequence[str]) -> float:
    """Return the milliseconds until the names of all apps stand on the screen."""
    plan = Plan(until=names, stop_when_seen=True, seconds=20)
    result = watch(_monitor(manager), manager.environment, plan)
    if result.until_s is None:
        raise BenchmarkError(f"{manager.name}: no frame with data:\n" + "\n".join(result.screen))
    return result.until_s * 1000


def _look(manager: Manager, scene: Scene, quick: bool) -> list[Measured]:
    """Watch once without touching a key, and once pressing up and down."""
    environment = dict(manager.environment)
    if scene.over_ssh:
        environment["SSH_CONNECTION"] = "192.0.2.1 50000 192.0.2.2 22"
    seconds = 10.0 if quick else 14.0
    still = watch(_monitor(manager), environment, Plan(seconds=seconds))
    keys = watch(_monitor(manager), environment, Plan(seconds=seconds + 4, keys=("down", "up")))
    if scene.shows not in "\n".join(still.screen):
        shown = "\n".join(still.screen)
        raise BenchmarkError(f"{manager.name} does not show {scene.shows!r}:\n{shown}")
    return [still._replace(key_ms=keys.key_ms)]


def _monitor(manager: Manager) -> list[str]:
    return [*manager.command, "monit"] if manager.name == "pm2" else [*manager.command]


def _figures(
    scene: Scene, first: dict[str, list[float]], seen: dict[str, list[Measured]]
) -> list[Figure]:
    def of(name: str) -> dict[str, list[float]]:
        return {who: [getattr(one, name) for one in them] for who, them in seen.items()}

    def keys(share: float) -> dict[str, list[float]]:
        return {who: [at_share(one.key_ms, share) for one in them] for who, them in seen.items()}

    start = [Figure(f"screen, {scene.words}: first frame with data", "ms", first)] if first else []
    return [
        *start,
        Figure(f"screen, {scene.words}: CPU", "% of a core", of("cpu_percent")),
        Figure(f"screen, {scene.words}: to the terminal", "B/s", of("bytes_per_s")),
        Figure(f"screen, {scene.words}: key to paint, median", "ms", keys(0.5)),
        Figure(f"screen, {scene.words}: key to paint, p95", "ms", keys(0.95)),
        Figure(f"screen, {scene.words}: PSS", "MB", of("pss_mb")),
    ]


def at_share(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else math.inf
