"""Replayed scenes of one small tea shop, for tests of the screen, pictures and work on widgets.

Each function gives a fresh `ReplaySource` that always plays the same. ``real_time=True`` lets
its clock run by itself.

* `healthy`  a quiet Saturday: the shop's front, its stock service, its mail worker
* `trouble`  the night after a deployment that should have waited for Monday
* `outage`   the quiet Saturday, until one worker loses its database for some seconds
* `incident` the shop's front has leaked memory for days, and crashed a quarter of an hour ago
* `empty`    nothing was ever started
* `many`     a landlord of shops: as many instances as you like
* `flood`    somebody left debugging switched on
* `hostile`  names and output made to break a terminal (``replay/hostile.py``)
"""

from monit_agent.replay import shop
from monit_agent.replay.app import Play, ReplayedApp
from monit_agent.replay.chatter import Chatter, api, web, worker
from monit_agent.replay.hostile import hostile
from monit_agent.replay.incident import leaking_web
from monit_agent.replay.shop import MIB
from monit_agent.replay.source import START, ReplaySource
from monit_agent.supervise.spec import RestartPolicy
from monit_agent.wire.messages import Status

__all__ = ["empty", "flood", "healthy", "hostile", "incident", "many", "outage", "trouble"]

CRASHES_SINCE_S = 540.0
"""More than 200 restarts, of which the record keeps 200."""

PAST_S = 900
"""Seconds of log lines that were printed before a scene of few apps begins."""


def healthy(*, real_time: bool = False) -> ReplaySource:
    """Three apps that are well, an hour into their lives, with history and logs."""
    source = ReplaySource(real_time=real_time)
    _enter(source, shop.web(), web)
    _enter(source, shop.api(), api)
    _enter(source, shop.worker(), worker)
    return source


def outage(*, real_time: bool = False) -> ReplaySource:
    """The healthy shop, whose API loses its database after ten seconds, three times."""
    source = ReplaySource(real_time=real_time)
    _enter(source, shop.web(), web)
    _enter(source, shop.api_of_outage(begins_s=10.0, launches=3), api)
    _enter(source, shop.worker(), worker)
    return source


def trouble(*, real_time: bool = False) -> ReplaySource:
    """Everything that can be wrong with a fleet, at once.

    ``web`` is near its memory limit and stops slowly; ``api`` loops: it dies each 2.5 s;
    ``newsletter`` gave up; ``search`` waits for its next start; the agent of ``worker`` hangs.
    """
    source = ReplaySource(real_time=real_time)
    swollen = shop.web(shop.swollen, policy=RestartPolicy(max_memory_bytes=256 * MIB))
    swollen.workers.stops_after_s = 8.0
    _enter(source, swollen, web)
    _enter(source, shop.api(crashes_since_s=CRASHES_SINCE_S), api)
    _enter(source, shop.newsletter(), None)
    _enter(source, shop.search(), None)
    lost = shop.worker()
    _enter(source, lost, worker)
    source.advance(1.0)
    lost.silent = True
    source.advance(11.0)
    return source


def incident(*, real_time: bool = False) -> ReplaySource:
    """A shop whose front leaks memory; it was reloaded, crashed, and was reloaded again."""
    source = ReplaySource(real_time=real_time)
    _enter(source, leaking_web(), web)
    _enter(source, shop.api(), api)
    _enter(source, shop.worker(), worker)
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
            app.play_past(START + second)
            _say(app, chatter, START + second)
    source.enter(app)
    if chatter is not None:
        source.play(_talk(app, chatter), after_s=0.1)


def _talk(app: ReplayedApp, chatter: Chatter) -> Play:
    while not app.deleted:
        _say(app, chatter, app.wall())
        yield 0.5


def _say(app: ReplayedApp, chatter: Chatter, at: float) -> None:
    """Let every worker print what it prints from ``at`` on."""
    for number, record in list(app.instances.items()):
        if record.pid is None:
            continue
        for line in chatter(number, at):
            app.print(number, line.stream, line.data, at)


def _pour(app: ReplayedApp, lines: int) -> Play:
    """Print ``lines`` lines each twentieth of a second."""
    total = 0
    while not app.deleted:
        first = total
        total += lines
        app.print(0, "out", b"".join(
            b"DEBUG:    cache lookup %08d key=tea:%04d hit=1 took=0.02ms\n" % (n, n % 9973)
            for n in range(first, total)
        ))  # fmt: skip
        yield 0.05
