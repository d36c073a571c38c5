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

from monit_agent.client import shop
from monit_agent.client.chatter import Chatter, api, web, worker
from monit_agent.client.hostile import hostile
from monit_agent.client.plays import spawn
from monit_agent.client.replay import START, ReplaySource
from monit_agent.client.replay_app import Play, ReplayedApp
from monit_agent.client.shop import MIB
from monit_agent.wire.messages import Exit, Limits, Status

__all__ = ["empty", "flood", "healthy", "hostile", "many", "trouble"]

PAST_S = 900
"""Seconds of log lines that were printed before a scene of few apps begins."""


def healthy(*, real_time: bool = False) -> ReplaySource:
    """Three apps that are well, an hour into their lives, with history and logs."""
    source = ReplaySource(real_time=real_time)
    _enter(source, shop.web(), web)
    _enter(source, shop.api(), api)
    _enter(source, shop.worker(), worker)
    return source


def trouble(*, real_time: bool = False) -> ReplaySource:
    """Everything that can be wrong with a fleet, at once.

    ``web`` is near its memory limit and stops slowly; ``api`` loops: it dies each 2.5 s;
    ``newsletter`` gave up; ``search`` waits for its next start; the agent of ``worker`` hangs.
    """
    source = ReplaySource(real_time=real_time)
    swollen = shop.web(shop.swollen, limits=Limits(max_memory_bytes=256 * MIB))
    swollen.stop_takes_s = 8.0
    _enter(source, swollen, web)
    looping = shop.api()
    for number in tuple(looping.instances):
        times = tuple(START - 1600 + 8 * back for back in range(200))
        looping.change(number, restarts=212 + number, restart_times=times)
        source.play(_crash_loop(looping, number), after_s=0.4 + number)
    _enter(source, looping, api)
    _enter(source, shop.newsletter(), None)
    waiting = shop.search()
    _enter(source, waiting, None)
    waiting.change(0, restarts=6, unstable_restarts=6)
    source.play(_backing_off(waiting, 0))
    lost = shop.worker()
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
        states: list[Status] = [shop.mostly_well(place, number) for number in range(size)]
        app = shop.app(
            f"shop-{town}-{place}", shop.vitals(place), states, namespace=town, first_id=place * 10
        )
        _enter(source, app, web if place % 10 == 0 else None, past_s=30)
    return source


def flood(*, real_time: bool = False, lines_per_s: int = 20_000) -> ReplaySource:
    """The healthy shop, but ``web/0`` prints ``lines_per_s`` lines a second."""
    source = healthy(real_time=real_time)
    source.play(_pour(source.stage["web"], lines_per_s // 20), after_s=0.05)
    return source


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
