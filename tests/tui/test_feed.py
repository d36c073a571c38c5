"""When data is taken in, and what waits while the display is frozen."""

import pytest

from monit_agent.client import scenes
from monit_agent.client.source import Changes, LogChunk
from monit_tui import feed as feeding
from monit_tui.clock import Clock
from monit_tui.feed import Feed


class Clicking:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def clock(self) -> Clock:
        return Clock(lambda: self.at, lambda: self.at)


def _polls(feed: Feed, clicking: Clicking, seconds: float, got: list[Changes]) -> int:
    before = len(got)
    for _ in range(round(seconds * feed.hz)):
        clicking.at += 1 / feed.hz
        feed.tick()
    return len(got) - before


@pytest.mark.parametrize(("over_ssh", "expected"), [(False, 10), (True, 5)])
def test_it_polls_ten_times_a_second_or_five_over_ssh(over_ssh: bool, expected: int) -> None:
    """The rate while somebody looks and something happens."""
    clicking, got = Clicking(), []
    feed = Feed(scenes.empty(), clicking.clock(), got.append, over_ssh=over_ssh)
    assert _polls(feed, clicking, 1.0, got) == expected


def test_it_slows_down_when_nobody_looks_or_nothing_happens() -> None:
    """Once a second when the terminal lost the focus, and in a quiet fleet; a key wakes it."""
    clicking, got = Clicking(), []
    feed = Feed(scenes.empty(), clicking.clock(), got.append, over_ssh=False)
    _polls(feed, clicking, 6.0, got)
    assert _polls(feed, clicking, 10.0, got) in {9, 10, 11}
    feed.wake()
    assert _polls(feed, clicking, 1.0, got) >= 9
    feed.blurred = True
    assert _polls(feed, clicking, 3.0, got) in {2, 3, 4}


def test_what_comes_while_frozen_is_delivered_afterwards() -> None:
    """Nothing is lost but the oldest log bytes above a bound."""
    source = scenes.healthy()
    got: list[Changes] = []
    feed = Feed(source, Clock(source.wall, source.monotonic), got.append, over_ssh=False)
    feed.flush()
    feed.freeze(frozen=True)
    source.stage["web"].change(0, restarts=1)
    source.advance(3)
    feed.flush()
    source.stage["api"].change(0, restarts=1)
    feed.flush()
    assert len(got) == 1
    feed.freeze(frozen=False)
    assert {"web", "api"} <= got[-1].apps


def test_frozen_log_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood behind a frozen display keeps its newest bytes only."""
    monkeypatch.setattr(feeding, "HELD_BYTES", 100)
    chunks = tuple(LogChunk("web", 0, "out", at, b"x" * 30, ((at, 0),)) for at in range(0, 300, 30))
    joined = feeding._joined(Changes(logs=chunks[:5]), Changes(logs=chunks[5:]))
    assert [chunk.offset for chunk in joined.logs] == [210, 240, 270]
