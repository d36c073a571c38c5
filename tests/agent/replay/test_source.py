"""Replayed scenes behave as live agents do, the same every time."""

from itertools import pairwise

import pytest

from monit_agent.client.commands.blocking import request_and_wait
from monit_agent.client.source import Changes
from monit_agent.replay import scenes
from monit_agent.replay.source import ReplaySource
from monit_agent.wire.ids import local_app, local_instance
from monit_agent.wire.messages import (
    Accepted,
    Answer,
    Delete,
    Flush,
    LogPart,
    LogRange,
    LogSince,
    LogTail,
    MetricsPart,
    MetricsRange,
    Refused,
    Reload,
    Restart,
    Scale,
    Stop,
)

WEB = local_instance("web", 0)


def statuses(source: ReplaySource, app: str) -> list[str]:
    return [view.record.status for view in source.fleet.apps[app].instances.values()]


def ask(source: ReplaySource, app: str, request) -> Answer:
    source.leaps = True
    return request_and_wait(source, app, request)


@pytest.mark.parametrize("scene", ["healthy", "trouble", "flood", "hostile"])
def test_a_scene_plays_the_same_every_time(scene: str) -> None:
    """Two plays of a scene bring the same logs, samples and events at the same times."""

    def play() -> list[Changes]:
        source = getattr(scenes, scene)()
        source.follow_logs(view.identity for app in source.fleet.apps.values()
                           for view in app.instances.values())  # fmt: skip
        brought: list[Changes] = []
        for _ in range(6):
            source.advance(0.25)
            brought.append(source.poll())
        return brought

    # NaN is no number and equals nothing, so what is compared is what is printed
    assert repr(play()) == repr(play())


def test_the_shop_is_well() -> None:
    """The healthy scene has three apps with six instances online, an hour of samples, logs."""
    source = scenes.healthy()

    parts = ask(source, local_app("web"), MetricsRange(instance=0, seconds=3600))
    tail = ask(source, local_app("web"), LogTail(instance=0, stream="out", lines=50))

    assert {app.app: statuses(source, app) for app in source.fleet.apps} == {
        "web": ["online"] * 3, "api": ["online"] * 2, "worker": ["online"],
    }  # fmt: skip
    assert isinstance(parts, MetricsPart)
    assert len(parts.at) == 3600
    assert parts.figures["heap_used_bytes"][0]
    assert isinstance(tail, LogPart)
    assert tail.data.count(b"\n") == 50
    assert tail.offset + len(tail.data) == tail.end


def test_what_can_be_wrong_is_wrong() -> None:
    """The scene of problems shows each of them in what a screen reads."""
    source = scenes.trouble()
    apps = source.fleet.apps
    loop = apps[local_app("api")].instances[0]
    waiting = apps[local_app("search")].instances[0].record

    assert loop.restarts_within(3600, source.wall()) > 150
    assert apps[local_app("newsletter")].instances[0].record.reason
    assert (apps[local_app("worker")].link, waiting.status) == ("stale", "backoff")
    assert waiting.next_start_at is not None
    assert waiting.next_start_at > source.wall()
    swollen = apps[local_app("web")].instances[0].sample
    assert swollen is not None
    assert swollen.tree.rss_bytes is not None
    assert swollen.tree.rss_bytes > 0.9 * 256 * 1024 * 1024
    assert isinstance(ask(source, local_app("worker"), Stop()), Refused)


def test_a_restart_goes_through_the_states_of_a_real_one() -> None:
    """Restarting shows stopping, starting, online, with another pid and one more restart."""
    source = scenes.healthy()
    before = source.fleet.apps[local_app("web")].instances[0].record

    assert ask(source, local_app("web"), Restart(instances=(0,))) == Accepted(instances=(0,))
    seen = [statuses(source, local_app("web"))[0]]
    for _ in range(30):
        source.advance(0.1)
        source.poll()
        if statuses(source, local_app("web"))[0] != seen[-1]:
            seen.append(statuses(source, local_app("web"))[0])
    after = source.fleet.apps[local_app("web")].instances[0].record

    assert seen == ["stopping", "starting", "online"]
    assert after.pid != before.pid
    assert after.restarts == before.restarts + 1
    assert statuses(source, local_app("web"))[1:] == ["online", "online"]


def test_a_slow_stop_ends_with_a_kill() -> None:
    """An app that does not heed SIGTERM is stopping for its whole grace, then killed."""
    source = scenes.trouble()
    source.stage["web"].workers.stops_after_s = 60.0

    ask(source, local_app("web"), Stop(instances=(0,)))
    source.advance(9.0)
    assert statuses(source, local_app("web"))[0] == "stopping"
    source.advance(2.0)

    assert statuses(source, local_app("web"))[0] == "stopped"
    assert source.fleet.apps[local_app("web")].instances[0].record.exits[-1].signal == 9


def test_a_reload_takes_one_after_another() -> None:
    """While a rolling reload runs its progress can be read and only one slot is away."""
    source = scenes.healthy()
    ask(source, local_app("web"), Reload())
    steps: list[tuple[int, ...]] = []
    for _ in range(100):
        source.advance(0.1)
        source.poll()
        rollout = source.fleet.apps[local_app("web")].rollout
        assert sum(status != "online" for status in statuses(source, local_app("web"))) <= 1
        if rollout and rollout.current not in steps:
            steps.append(rollout.current)

    assert steps == [(0,), (1,), (2,)]
    assert source.fleet.apps[local_app("web")].rollout is None


def test_scaling_brings_and_takes_slots_and_deleting_takes_the_app() -> None:
    """Slots come and go by their numbers; a deleted app leaves the fleet."""
    source = scenes.healthy()

    ask(source, local_app("api"), Scale(count=4))
    source.advance(3.0)
    assert statuses(source, local_app("api")) == ["online"] * 4
    ask(source, local_app("api"), Scale(count=1))
    source.advance(3.0)
    assert list(source.fleet.apps[local_app("api")].instances) == [0]
    ask(source, local_app("api"), Delete())
    source.advance(3.0)
    source.poll()

    assert local_app("api") not in source.fleet.apps
    assert isinstance(ask(source, local_app("api"), Stop()), Refused)


def test_logs_are_brought_for_whom_is_followed_only() -> None:
    """Chunks come for followed instances, join without a hole, and can be read again."""
    source = scenes.healthy()
    source.follow_logs([WEB])
    source.advance(20.0)
    chunks = source.poll().logs

    assert {chunk.identity for chunk in chunks} == {WEB}
    out = [chunk for chunk in chunks if chunk.stream == "out"]
    for one, next_one in pairwise(out):
        assert one.offset + len(one.data) == next_one.offset
    part = ask(source, local_app("web"), LogRange(instance=0, stream="out", start=out[0].offset))
    assert isinstance(part, LogPart)
    assert part.data.startswith(out[0].data)


def test_offsets_continue_after_a_flush() -> None:
    """An emptied log begins where it ended, and time still finds the first line after it."""
    source = scenes.healthy()
    source.advance(5.0)
    before = ask(source, local_app("web"), LogTail(instance=0, stream="out", lines=1))
    ask(source, local_app("web"), Flush(instances=(0,)))
    flushed_at = source.wall()
    source.advance(20.0)
    after = ask(source, local_app("web"), LogSince(instance=0, stream="out", at=flushed_at))

    assert isinstance(before, LogPart)
    assert isinstance(after, LogPart)
    assert before.end <= after.begin < after.end
    assert after.offset == after.begin


def test_a_flood_that_nobody_reads_leaves_a_hole() -> None:
    """What piles up between two polls is bounded: later bytes are skipped, not kept."""
    source = scenes.flood()
    source.follow_logs([WEB])
    source.advance(30.0)
    piled_up = source.poll().logs
    source.advance(0.1)
    next_one = next(chunk for chunk in source.poll().logs if chunk.stream == "out")
    last = [chunk for chunk in piled_up if chunk.stream == "out"][-1]

    assert sum(len(chunk.data) for chunk in piled_up) <= 5 * 1024 * 1024
    assert next_one.offset > last.offset + len(last.data)


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_many_means_that_many(count: int) -> None:
    """The landlord's scene has exactly as many instances as were requested."""
    source = scenes.many(count)

    assert sum(len(app.instances) for app in source.fleet.apps.values()) == count
