"""The engine of alerts: holds, hysteresis, cool-down, flapping, quiet and muted times."""

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monit_agent.agent.alerts.engine import (
    COOL_DOWN_MAX_S,
    COOL_DOWN_S,
    FLAPPING_SILENT_S,
    AlertEngine,
    Hold,
)
from monit_agent.agent.alerts.mutes import Mutes
from monit_agent.agent.alerts.state_file import AlertsFile
from support.alerts import BAD, BETWEEN, GOOD, KEY, EngineRun

HOUR = 3600


def test_it_fires_after_its_hold_and_is_cleared_after_the_other() -> None:
    """A value must be bad for the whole hold, and good for the whole of the other one."""
    run = EngineRun(Hold(60.0, 30.0))

    assert run.run(BAD, 60) == []
    assert run.run(BAD) == ["fired"]
    assert run.run(GOOD, 30) == []
    assert run.run(GOOD) == ["cleared"]
    assert run.announced[-1][1].lasted_s == 31.0


def test_a_value_that_comes_back_begins_the_hold_again() -> None:
    """One good or middling second within the hold, and nothing fires."""
    run = EngineRun(Hold(60.0))

    for reading in (GOOD, BETWEEN):
        run.run(BAD, 50)
        run.run(reading)
    assert run.run(BAD, 60) == []


def test_between_the_thresholds_it_keeps_firing() -> None:
    """What is neither bad nor good ends nothing, and begins nothing."""
    run = EngineRun(Hold(0.0, 30.0))

    assert run.run(BETWEEN, HOUR) == []
    assert run.run(BAD) == ["fired"]
    run.run(GOOD, 20)
    assert run.run(BETWEEN, HOUR) == []
    assert run.run(GOOD, 30) == []
    assert run.run(GOOD) == ["cleared"]


def test_a_second_without_data_is_neither_good_nor_bad() -> None:
    """The hold counts time with data, and silence clears nothing."""
    run = EngineRun(Hold(60.0, 30.0))

    run.run(BAD, 40)
    assert run.run(None, HOUR) == []
    assert run.run(BAD, 19) == []
    assert run.run(BAD, 2) == ["fired"]
    assert run.run(None, 5 * HOUR) == []
    assert run.is_firing


def test_in_a_quiet_time_nothing_begins_and_nothing_ends() -> None:
    """During a reload a bad value does not count, and a good one does not clear."""
    run = EngineRun(Hold(10.0, 10.0))

    assert run.run(BAD, HOUR, quiet=True) == []
    assert run.run(BAD, 10) == []
    assert run.run(BAD) == ["fired"]
    assert run.run(GOOD, HOUR, quiet=True) == []
    assert run.run(GOOD, 12) == ["cleared"]


def test_what_is_muted_fires_in_silence_and_is_announced_afterwards_if_it_lasts() -> None:
    """A mute holds back that it fires, not that it is over."""
    run = EngineRun(Hold())

    assert run.run(BAD, 100, muted=True) == []
    assert run.is_firing
    assert run.run(BAD) == ["fired"]
    assert run.run(GOOD, muted=True) == ["cleared"]
    run.run(BAD, 10, muted=True)
    assert run.run(GOOD, 10) == []


def test_the_next_notice_waits_for_the_cool_down_and_comes_if_it_still_fires() -> None:
    """After five minutes, then seven and a half; the state is known all the time."""
    run = EngineRun(Hold())

    run.run(BAD)
    run.run(GOOD)
    assert run.run(BAD, int(COOL_DOWN_S) - 3) == []
    assert run.is_firing
    assert run.run(BAD, 3) == ["fired"]
    run.run(GOOD)
    assert run.run(BAD, int(1.5 * COOL_DOWN_S) - 3) == []
    assert run.run(BAD, 3) == ["fired"]


def test_after_a_quiet_hour_the_cool_down_is_short_again_and_nothing_is_kept() -> None:
    """What was well for long enough leaves nothing behind."""
    run = EngineRun(Hold())

    run.run(BAD)
    run.run(GOOD, int(COOL_DOWN_S + COOL_DOWN_MAX_S) + 1)
    assert run.engine.alerts == {}


@pytest.mark.parametrize("hold", [Hold(), Hold(0.0, 60.0), Hold(60.0, 60.0), Hold(1.0, 1.0)])
def test_a_storm_makes_few_notices_and_then_one_that_says_flapping(hold: Hold) -> None:
    """A value that crosses its threshold every 2 s for an hour: at most three notices."""
    run = EngineRun(hold)

    for _ in range(HOUR // 4):
        run.run(BAD, 2)
        run.run(GOOD, 2)

    expected = {
        (0.0, 0.0): ["fired", "cleared", "flapping"],
        (1.0, 1.0): ["fired", "cleared", "flapping"],
        (0.0, 60.0): ["fired"],
        (60.0, 60.0): [],
    }
    assert run.words == expected[hold.fire_s, hold.clear_s]


def test_a_day_of_flapping_is_one_notice_an_hour_and_its_end_is_told() -> None:
    """It stays silent for an hour each time; when it is well again, that is announced."""
    run = EngineRun(Hold())

    for _ in range(24 * HOUR // 4):
        run.run(BAD, 2)
        run.run(GOOD, 2)
    flapping = [at for at, each in run.announced if each.what == "flapping"]
    assert 23 <= len(flapping) <= 24
    assert all(b - a >= FLAPPING_SILENT_S for a, b in itertools.pairwise(flapping))
    assert run.run(GOOD, HOUR + 1) == ["cleared"]


def test_a_killed_agent_neither_repeats_nor_forgets(tmp_path: Path) -> None:
    """What fires is read back: no second notice, and the clearing one comes."""
    path = str(tmp_path / "alerts.json")
    run = EngineRun(Hold(0.0, 30.0))
    run.run(BAD, 5)
    AlertsFile(path, run.engine, Mutes()).save(run.now, 5000.0)

    again = EngineRun(Hold(0.0, 30.0))  # another process, whose clock begins anywhere
    again.now = 77.0
    AlertsFile(path, again.engine, Mutes()).load(again.now, 5010.0)
    assert again.is_firing
    assert again.run(BAD, 100) == []
    assert again.run(GOOD, 31) == ["cleared"]
    assert again.announced[-1][1].lasted_s == 4.0 + 10.0 + 100.0 + 31.0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"version": 2}',
        b'{"version": 1, "alerts": [{"rule": 5}]}',
        b'{"version": 1, "alerts": [], "mutes": 7}',
    ],
)
def test_a_file_that_cannot_be_read_is_left_out(tmp_path: Path, raw: bytes) -> None:
    """A damaged file, or one of another version, ends nothing."""
    path = tmp_path / "alerts.json"
    path.write_bytes(raw)
    engine, mutes = AlertEngine(), Mutes()
    AlertsFile(str(path), engine, mutes).load(0.0, 0.0)

    assert (engine.alerts, mutes.current) == ({}, ())


LEVELS = st.sampled_from([BAD, GOOD, BETWEEN, None])
STEPS = st.lists(
    st.tuples(LEVELS, st.integers(1, 400), st.booleans(), st.booleans(), st.booleans()),
    max_size=60,
)


@settings(deadline=None)
@given(
    steps=STEPS,
    hold=st.sampled_from([Hold(), Hold(5.0), Hold(0.0, 60.0), Hold(60.0, 60.0), Hold(2.0, 2.0)]),
)
def test_never_two_fired_without_a_cleared_between(
    steps: list[tuple[object, int, bool, bool, bool]],
    hold: Hold,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever comes, with kills between: fired and cleared alternate, a cleared one ends
    something, and what was announced is firing or silent for a reason."""
    path = str(tmp_path_factory.mktemp("alerts") / "alerts.json")
    run = EngineRun(hold)
    for reading, seconds, quiet, muted, killed in steps:
        run.run(reading, seconds, quiet=quiet, muted=muted)  # type: ignore[arg-type]
        if killed:
            AlertsFile(path, run.engine, Mutes()).save(run.now, run.now + 7.0)
            run.engine = AlertEngine()
            AlertsFile(path, run.engine, Mutes()).load(run.now, run.now + 7.0)

    is_open = has_fired = False
    for word in run.words:
        assert not (word == "fired" and has_fired)
        assert not (word == "cleared" and not is_open)
        is_open = word != "cleared"
        has_fired = word == "fired" or (has_fired and word == "flapping")
    alert = run.engine.alerts.get(KEY)
    assert (alert is not None and alert.announced) == is_open


def test_notices_are_few_whatever_comes() -> None:
    """Random values for a day: never more than the cool-down allows."""
    choose = random.Random(3)
    run = EngineRun(Hold())
    for _ in range(20_000):
        run.run(choose.choice([BAD, GOOD]), choose.randint(1, 8))

    hours = (run.now - 1000.0) / HOUR
    assert len(run.words) <= 3 * hours + 3
