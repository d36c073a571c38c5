"""When the source is polled, and what is kept while the display is frozen."""

import time
from collections.abc import Callable

import pytest

from monit_agent.client.live.subscription import TURN_S
from monit_agent.client.source import Changes, LogChunk
from monit_agent.replay import scenes
from monit_agent.replay.source import ReplaySource
from monit_agent.wire.ids import local_app, local_instance
from monit_tui import feed as feed_module
from monit_tui.clock import Clock
from monit_tui.feed import POLLS, ChangeFeed


class ManualClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def clock(self) -> Clock:
        return Clock(lambda: self.at, lambda: self.at)


def _polls(feed: ChangeFeed, manual: ManualClock, seconds: float, got: list[Changes]) -> int:
    before = len(got)
    for _ in range(round(seconds * feed.hz)):
        manual.at += 1 / feed.hz
        feed.tick()
    return len(got) - before


@pytest.mark.parametrize(("over_ssh", "expected"), [(False, 10), (True, 5)])
def test_it_polls_ten_times_a_second_or_five_over_ssh(over_ssh: bool, expected: int) -> None:
    """The rate with the focus and with changes is 10 Hz, over ssh 5 Hz."""
    manual, got = ManualClock(), []
    feed = ChangeFeed(scenes.empty(), manual.clock(), got.append, over_ssh=over_ssh)
    assert _polls(feed, manual, 1.0, got) == expected


def test_it_slows_down_without_focus_or_changes() -> None:
    """It polls once a second without focus or without changes; a key restores the rate."""
    manual, got = ManualClock(), []
    feed = ChangeFeed(scenes.empty(), manual.clock(), got.append, over_ssh=False)
    _polls(feed, manual, 6.0, got)
    assert _polls(feed, manual, 10.0, got) in {9, 10, 11}
    feed.restore_rate()
    assert _polls(feed, manual, 1.0, got) >= 9
    feed.blurred = True
    assert _polls(feed, manual, 3.0, got) in {2, 3, 4}


def test_changes_while_frozen_are_delivered_afterwards() -> None:
    """Changes of all polls while frozen are delivered together."""
    source = scenes.healthy()
    got: list[Changes] = []
    feed = ChangeFeed(source, Clock(source.wall, source.monotonic), got.append, over_ssh=False)
    feed.flush()
    feed.freeze(frozen=True)
    source.stage["web"].crash(0)
    source.advance(3)
    feed.flush()
    source.stage["api"].crash(0)
    feed.flush()
    assert len(got) == 1
    feed.freeze(frozen=False)
    assert {local_app("web"), local_app("api")} <= got[-1].apps


def test_frozen_log_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a flood while frozen, only the newest bytes are kept."""
    monkeypatch.setattr(feed_module, "HELD_BYTES", 100)
    chunks = tuple(
        LogChunk(local_instance("web", 0), "out", at, b"x" * 30, ((at, 0),))
        for at in range(0, 300, 30)
    )
    joined = feed_module._joined(Changes(logs=chunks[:5]), Changes(logs=chunks[5:]))
    assert [chunk.offset for chunk in joined.logs] == [210, 240, 270]


class FloodedSource(ReplaySource):
    """A source whose first polls take as much time as one turn of a flood."""

    def __init__(self, long_polls: int) -> None:
        super().__init__()
        self.long_polls = long_polls

    def poll(self, wait_s: float = 0.0) -> Changes:
        until = time.thread_time() + (TURN_S if self.long_polls > 0 else 0.0)
        self.long_polls -= 1
        while time.thread_time() < until:
            pass
        return super().poll(wait_s)


class Waiting:
    """What waits to be called after the keys."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def call_later(self, call: Callable[[], None]) -> bool:
        self.calls.append(call)
        return True

    def handle_all(self) -> None:
        while self.calls:
            self.calls.pop()()


def test_a_poll_that_read_for_long_is_followed_by_another() -> None:
    """In a flood the source is polled again at once, but only after what waits meanwhile, and ticks
    add no polls to that; when all is read, the steady rate goes on."""
    manual, got, waiting = ManualClock(), [], Waiting()
    feed = ChangeFeed(
        FloodedSource(2), manual.clock(), got.append, over_ssh=False, call_later=waiting.call_later
    )
    for polls in (1, 2):
        if polls == 1:
            feed.tick()
        feed.tick()
        assert (len(got), len(waiting.calls)) == (polls, 1)
        waiting.calls.pop()()
    assert (len(got), len(waiting.calls)) == (3, 0)
    feed.tick()
    assert len(got) == 4


def test_a_flood_without_end_is_read_at_the_steady_rate() -> None:
    """Each tick reads for a while, and no longer; without focus there is one tick a second."""
    manual, got, waiting = ManualClock(), [], Waiting()
    feed = ChangeFeed(
        FloodedSource(100), manual.clock(), got.append, over_ssh=False,
        call_later=waiting.call_later,
    )  # fmt: skip

    def polls_of_ticks(count: int) -> int:
        before = len(got)
        for _ in range(count):
            manual.at += 1 / feed.hz
            feed.tick()
            waiting.handle_all()
        return len(got) - before

    assert polls_of_ticks(2) == 2 * POLLS
    feed.blurred = True
    manual.at += 1.0
    assert polls_of_ticks(5) == POLLS
