"""Replayed scenes of one small tea shop, for tests of the screen, pictures and work on widgets.

Each function gives a fresh `ReplaySource` that always plays the same. ``real_time=True`` lets
its clock run by itself.

* `healthy`  a quiet Saturday: the shop's front, its stock service, its mail worker
* `trouble`  the night after a deployment that should have waited for Monday
* `empty`    nothing was ever started
* `many`     a landlord of shops: as many instances as you like
* `flood`    somebody left debugging switched on
* `hostile`  names and output made to break a terminal (``client/hostile.py``)
"""

import math

from monit_agent.client.chatter import Chatter, api, dice, import_crash, web, worker
from monit_agent.client.hostile import hostile
from monit_agent.client.plays import spawn
from monit_agent.client.replay import START, ReplaySource
from monit_agent.client.replay_app import Play, ReplayedApp, Vitals
from monit_agent.wire.messages import (
    AppRecord,
    Exit,
    InstanceRecord,
    Limits,
    Metric,
    Sample,
    Status,
)

__all__ = ["empty", "flood", "healthy", "hostile", "many", "trouble"]

MIB = 1024 * 1024
PAST_S = 900
"""Seconds of log lines that were printed before a scene of few apps begins."""


def healthy(*, real_time: bool = False) -> ReplaySource:
    """Three apps that are well, an hour into their lives, with history and logs."""
    source = ReplaySource(real_time=real_time)
    _enter(source, _web(), web)
    _enter(source, _api(), api)
    _enter(source, _worker(), worker)
    return source


def trouble(*, real_time: bool = False) -> ReplaySource:
    """Everything that can be wrong with a fleet, at once.

    ``web`` is near its memory limit and stops slowly; ``api`` loops: it dies each 2.5 s;
    ``newsletter`` gave up; ``search`` waits for its next start; the agent of ``worker`` hangs.
    """
    source = ReplaySource(real_time=real_time)
    shop = _web(vitals=_swollen, limits=Limits(max_memory_bytes=256 * MIB))
    shop.stop_takes_s = 8.0
    _enter(source, shop, web)
    looping = _api()
    for number in tuple(looping.instances):
        times = tuple(START - 1600 + 8 * back for back in range(200))
        looping.change(number, restarts=212 + number, restart_times=times)
        source.play(_crash_loop(looping, number), after_s=0.4 + number)
    _enter(source, looping, api)
    _enter(source, _newsletter(), None)
    waiting = _search()
    _enter(source, waiting, None)
    waiting.change(0, restarts=6, unstable_restarts=6)
    source.play(_backing_off(waiting, 0))
    lost = _worker()
    _enter(source, lost, worker)
    source.advance(1.0)
    lost.silent = True
    source.advance(11.0)
    return source


def empty(*, real_time: bool = False) -> ReplaySource:
    """No apps at all."""
    return ReplaySource(real_time=real_time)


def many(count: int, *, real_time: bool = False) -> ReplaySource:
    """``count`` instances over apps of about ten, most well, some not."""
    source = ReplaySource(real_time=real_time)
    apps = max(1, (count + 9) // 10)
    for place in range(apps):
        town = ("leipzig", "aarhus", "gent", "porto", "graz", "tallinn", "lund", "brno")[place % 8]
        size = count // apps + (1 if place < count % apps else 0)
        states: list[Status] = [_mostly_well(place, number) for number in range(size)]
        app = _app(
            f"shop-{town}-{place}", _vitals(place), states, namespace=town, first_id=place * 10
        )
        _enter(source, app, web if place % 10 == 0 else None, past_s=30)
    return source


def flood(*, real_time: bool = False, lines_per_s: int = 20_000) -> ReplaySource:
    """The healthy shop, but ``web/0`` prints ``lines_per_s`` lines a second."""
    source = healthy(real_time=real_time)
    source.play(_pour(source.stage["web"], lines_per_s // 20), after_s=0.05)
    return source


# ------------------------------------------------------------ the apps


def _web(vitals: Vitals | None = None, limits: Limits | None = None) -> ReplayedApp:
    return _app(
        "web",
        vitals or _vitals(1, heap=True),
        ["online"] * 3,
        script="/srv/shop/web.py",
        args=("--port", "8000"),
        interpreter="python3",
        version="2.4.1",
        namespace="shop",
        port=8000,
        limits=limits or Limits(max_memory_bytes=512 * MIB),
    )


def _api() -> ReplayedApp:
    return _app(
        "api",
        _vitals(2, heap=True, busy=2.0),
        ["online"] * 2,
        first_id=3,
        script="/srv/shop/api/server.js",
        interpreter="node",
        version="1.11.0",
        namespace="shop",
        mode="cluster",
        port=8100,
    )


def _worker() -> ReplayedApp:
    return _app(
        "worker",
        _vitals(3),
        ["online"],
        first_id=5,
        script="/srv/shop/worker.py",
        interpreter="python3",
        namespace="back",
    )


def _newsletter() -> ReplayedApp:
    """An app that died at once 16 times and was given up."""
    ends = tuple(Exit(code=1, at=START - 400 - 30 * back, ran_s=0.21) for back in range(9, -1, -1))
    app = _app(
        "newsletter",
        _vitals(4),
        ["errored"],
        first_id=6,
        script="/srv/shop/newsletter.py",
        interpreter="python3",
        namespace="back",
    )
    app.change(
        0,
        restarts=15,
        unstable_restarts=16,
        exits=ends,
        restart_times=tuple(end.at for end in ends),
        reason="died 16 times before it was online, last with code 1 after 0.2 s",
    )
    app.print(0, "err", import_crash(0, START - 400), START - 400)
    app.happened("errored", 0, "16 unstable exits in a row")
    return app


def _search() -> ReplayedApp:
    """An app whose workers end early: its next start is some seconds away."""
    return _app(
        "search",
        _vitals(5),
        ["backoff"],
        first_id=7,
        script="/srv/shop/search/run.sh",
        interpreter="bash",
        namespace="shop",
    )


def _app(
    name: str,
    vitals: Vitals,
    states: list[Status],
    *,
    first_id: int = 0,
    script: str = "/srv/shop/main.py",
    args: tuple[str, ...] = (),
    interpreter: str | None = "python3",
    version: str | None = None,
    namespace: str = "default",
    mode: str = "fork",
    port: int | None = None,
    limits: Limits | None = None,
) -> ReplayedApp:
    """Make an app that has been there for a good hour."""
    born = START - 7384.0 - 60 * (dice(first_id) % 90)
    record = AppRecord(
        name=name,
        namespace=namespace,
        version=version,
        mode=mode,
        script=script,
        args=args,
        argv=(*((interpreter,) if interpreter else ()), script, *args),
        interpreter=interpreter,
        cwd=script.rpartition("/")[0],
        user="shop",
        port=port,
        limits=limits or Limits(),
        instances=len(states),
        keeper_pid=4000 + 10 * first_id,
        created_at=born,
    )
    slots = [
        InstanceRecord(
            instance=number,
            id=first_id + number,
            status=status,
            wanted="stopped" if status == "stopped" else "running",
            ready=status == "online",
            pid=4003 + 10 * first_id + number if status == "online" else None,
            started_at=born + 1 + number if status == "online" else None,
        )
        for number, status in enumerate(states)
    ]
    app = ReplayedApp(record, slots, vitals, first_pid=5200 + 100 * first_id)
    app.happened("keeper_started", None, f"pid {record.keeper_pid}")
    for slot in slots:
        if slot.pid is not None:
            app.happened("spawned", slot.instance, f"pid {slot.pid}")
            app.happened("ready", slot.instance)
    return app


def _mostly_well(place: int, number: int) -> Status:
    throw = dice(place, number) % 40
    return "errored" if throw == 0 else "stopped" if throw == 1 else "online"


# ------------------------------------------------------------ what they do


def _enter(
    source: ReplaySource, app: ReplayedApp, chatter: Chatter | None, *, past_s: int = PAST_S
) -> None:
    if chatter is not None:
        for second in range(-past_s, 0):
            _say(app, chatter, START + second)
    source.enter(app)
    if chatter is not None:
        source.play(_talk(app, chatter), after_s=0.1)


def _talk(app: ReplayedApp, chatter: Chatter) -> Play:
    while not app.left:
        _say(app, chatter, app.wall())
        yield 0.5


def _say(app: ReplayedApp, chatter: Chatter, at: float) -> None:
    """Let every worker print what it prints from ``at`` on."""
    for number, record in list(app.instances.items()):
        if record.pid is None:
            continue
        for line in chatter(number, at):
            app.print(number, line.stream, line.data, at)


def _vitals(seed: int, *, heap: bool = False, busy: float = 1.0) -> Vitals:
    """Give vitals that breathe over minutes; ``heap`` adds what a probe would report."""

    def vitals(record: InstanceRecord, at: float) -> Sample:
        phase = seed * 1.7 + record.instance * 0.9
        wave = math.sin(at / 47 + phase) + 0.6 * math.sin(at / 11 + 2 * phase)
        spike = 30.0 if dice(seed, record.instance, int(at) // 3) % 53 == 0 else 0.0
        cpu = busy * (4.0 + 1.8 * wave + dice(seed, record.instance, int(at)) % 100 / 90) + spike
        rss = (68 + 9 * seed + 6 * math.sin(at / 300 + phase) + at % 40 * 0.2) * MIB
        plain = Sample(
            at=at,
            pid=record.pid,
            cpu_percent=round(max(0.1, cpu), 1),
            rss_bytes=int(rss),
            threads=4 + seed,
            fds=21 + dice(seed, record.instance, int(at) // 5) % 9,
            children=0,
            ppid=4000,
        )
        return _with_heap(plain, spike) if heap else plain

    return vitals


def _with_heap(plain: Sample, spike: float) -> Sample:
    size = int((plain.rss_bytes or 0) * 0.7)
    used = int(size * (0.55 + plain.at % 40 * 0.009))
    lag = 0.6 + (plain.cpu_percent or 0.0) * 0.11
    return Sample(
        at=plain.at,
        pid=plain.pid,
        cpu_percent=plain.cpu_percent,
        rss_bytes=plain.rss_bytes,
        threads=plain.threads,
        fds=plain.fds,
        children=plain.children,
        ppid=plain.ppid,
        heap_size_bytes=size,
        heap_used_bytes=used,
        heap_usage_percent=round(100 * used / size, 1),
        loop_lag_p50_ms=round(lag * 0.4, 2),
        loop_lag_p95_ms=round(lag * 2 + spike, 2),
        loop_lag_p99_ms=round(lag * 3 + spike * 2, 2),
        loop_lag_max_ms=round(lag * 4 + spike * 4, 2),
        loop_utilization=round(min(1.0, (plain.cpu_percent or 0.0) / 60), 3),
        metrics={"orders": Metric(value=float(int(plain.at) % 17), unit="1/min")},
    )


def _swollen(record: InstanceRecord, at: float) -> Sample:
    """Memory that has grown to just under the limit of 256 MiB; the loop is slow with it."""
    calm = _vitals(1)(record, at)
    ran_s = max(0.0, at - (record.started_at or at))
    rss = int(min(60 + ran_s / 30, 247 + math.sin(at / 9)) * MIB)
    return _with_heap(
        Sample(
            at=at,
            pid=record.pid,
            cpu_percent=(calm.cpu_percent or 0.0) + 40,
            rss_bytes=rss,
            threads=calm.threads,
            fds=calm.fds,
            children=0,
            ppid=calm.ppid,
        ),
        180.0,
    )


def _crash_loop(app: ReplayedApp, number: int) -> Play:
    """Come online, die a little later, for ever: until somebody stops it."""
    turn = app.take_turn(number)
    while app.turns[number] == turn and number in app.instances:
        record = app.instances[number]
        now = app.wall()
        ran_s = min(2.5, now - (record.started_at or now))
        app.print(number, "err", b"Error: connect ECONNREFUSED 10.8.0.3:5432\n")
        app.exited(number, Exit(code=1, at=now, ran_s=ran_s))
        app.change(number, restarts=app.instances[number].restarts + 1)
        yield 0.02
        if app.turns[number] == turn:
            yield from spawn(app, number, turn)
            yield 1.5


def _backing_off(app: ReplayedApp, number: int) -> Play:
    """Die at once, wait longer and longer, start again."""
    turn = app.take_turn(number)
    pause = 16.0
    while app.turns[number] == turn and number in app.instances:
        record = app.instances[number]
        now = app.wall()
        app.print(number, "err", b"run.sh: line 7: elasticsearch: command not found\n")
        app.exited(number, Exit(code=127, at=now, ran_s=0.03))
        app.change(
            number,
            status="backoff",
            next_start_at=now + pause,
            restarts=record.restarts + 1,
            unstable_restarts=record.unstable_restarts + 1,
        )
        app.happened("backoff", number, f"next start in {pause:g} s")
        yield pause
        pause = min(30.0, pause * 2)


def _pour(app: ReplayedApp, lines: int) -> Play:
    """Print ``lines`` lines each twentieth of a second."""
    total = 0
    while not app.left:
        first = total
        total += lines
        app.print(0, "out", b"".join(
            b"DEBUG:    cache lookup %08d key=tea:%04d hit=1 took=0.02ms\n" % (n, n % 9973)
            for n in range(first, total)
        ))  # fmt: skip
        yield 0.05
