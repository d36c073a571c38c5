"""The shop's front after nine days with a leak: deployments, a pause at night, crashes."""

import math
from bisect import bisect_right

from monit_agent.replay import shop
from monit_agent.replay.app import ReplayedApp
from monit_agent.replay.chatter import dice
from monit_agent.replay.commands import carry_out
from monit_agent.replay.shop import MIB
from monit_agent.replay.source import START
from monit_agent.supervise.spec import RestartPolicy
from monit_agent.wire.messages import (
    InstanceRecord,
    Reload,
    Request,
    Restart,
    Sample,
    Start,
    Stop,
    TreeFigures,
)

HOUR, DAY = 3600.0, 86400.0
CREATED_S_AGO = 9 * DAY
LIMIT = 256 * MIB

PAUSED = (START - 10.4 * HOUR, START - 10.2 * HOUR)
"""Stopped for a quarter of an hour, early in the morning."""

CRASH = START - 860.0
"""The kernel kills one worker: the machine has no memory left."""

REQUESTS: tuple[tuple[float, Request], ...] = (
    (START - 6.1 * DAY, Reload()),
    (START - 2.2 * DAY, Reload()),
    (START - 1.1 * DAY, Restart()),
    (PAUSED[0], Stop()),
    (PAUSED[1], Start()),
    (START - 640.0, Reload()),
)
CRASHES: tuple[tuple[float, int], ...] = (
    (START - 4.4 * DAY, 1), (START - 5.2 * HOUR, 0), (CRASH, 2), (CRASH + 41.0, 0),
)  # fmt: skip
"""(wall time, instance)"""


def leaking_web() -> ReplayedApp:
    """Return the app with its past played."""
    app = shop.app(
        "web",
        _vitals,
        ["online"] * 3,
        script="/srv/shop/web.py",
        args=("--port", "8000"),
        interpreter="python3",
        version="2.5.0",
        namespace="shop",
        mode="cluster",
        port=8000,
        policy=RestartPolicy(max_memory_bytes=LIMIT),
        created_s_ago=CREATED_S_AGO,
    )
    for at, what in sorted([*REQUESTS, *CRASHES], key=lambda one: one[0]):
        app.play_past(at)
        if isinstance(what, int):
            app.workers.exit(app.instances[what].pid or 0, None, 9)
        else:
            carry_out(app, what)
    return app


def _starts(instance: int) -> list[float]:
    """Return when the workers of an instance started, oldest first."""
    requested = [at for at, request in REQUESTS if not isinstance(request, Stop)]
    crashed = [at for at, number in CRASHES if number == instance]
    return sorted([START - CREATED_S_AGO, *requested, *crashed])


_STARTS = tuple(_starts(instance) for instance in range(3))


def _vitals(record: InstanceRecord, at: float) -> Sample:
    """Return a sample: memory grows from start to start, and what is slow with it."""
    if PAUSED[0] <= at < PAUSED[1]:
        return Sample(at=at)
    starts = _STARTS[record.instance % 3]
    ran_s = at - starts[max(0, bisect_right(starts, at) - 1)]
    day = math.sin((at - START) / DAY * 2 * math.pi + 1.1)
    traffic = max(0.08, 0.55 + 0.45 * day + 0.08 * math.sin(at / 431 + record.instance))
    noise = dice(record.instance, int(at)) % 100 / 100
    full = min(1.0, 0.25 + ran_s / (6.5 * HOUR))
    pressed = max(0.0, 1 - (CRASH - at) / 900) if CRASH - 900 < at < CRASH + 200 else 0.0
    stalls = dice(record.instance, int(at) // 3) % 61 == 0
    spike = 120.0 * pressed * (0.5 + noise) + (22.0 * full if stalls else 0.0)
    cpu = 3.0 + 22.0 * traffic * (0.7 + 0.6 * noise) + 30.0 * pressed
    plain = Sample(
        at=at,
        pid=record.pid,
        ppid=4000,
        user="shop",
        tree=TreeFigures(
            cpu_percent=round(cpu, 1),
            rss_bytes=int((58 + 150 * full + 28 * pressed + 3 * noise) * MIB),
            threads=5,
            fds=24 + int(30 * traffic) + dice(record.instance, int(at) // 7) % 6,
            children=0,
        ),
    )
    return shop.with_http(shop.with_heap(plain, spike), 46.0 * traffic * (0.9 + 0.2 * noise), spike)
