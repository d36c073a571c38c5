"""How soon changed files may restart an app again."""

import itertools
from collections.abc import Iterable

from monit_agent.agent.restarts.watch_brake import LONGEST_WAIT_S, WatchBrake


def _restarts(changes: Iterable[float], brake: WatchBrake | None = None) -> list[float]:
    """Return when restarts come, for changes at these times; one waits at most."""
    brake = brake or WatchBrake()
    made: list[float] = []
    due: float | None = None
    for now in changes:
        brake.changed(now)
        if due is not None and due <= now:
            brake.restarted(due)
            made.append(due)
            due = None
        at = brake.restart_at(now)
        if due is None and at == now:
            brake.restarted(now)
            made.append(now)
        elif due is None:
            due = at
    return made if due is None else [*made, due]


def test_an_app_that_restarts_itself_is_slowed_down() -> None:
    """A file that is written every second restarts the app five times at once, then ever more
    rarely, to a bound."""
    made = _restarts(range(1, 3000))
    gaps = [b - a for a, b in itertools.pairwise(made)]

    assert made[:5] == [1, 2, 3, 4, 5]
    assert gaps[4:10] == [10, 20, 40, 80, 160, 300]
    assert set(gaps[9:]) == {LONGEST_WAIT_S}


def test_a_person_who_edits_is_not_slowed_down() -> None:
    """A save now and then, also four within a minute, restarts the app each time at once."""
    saves = [start + step for start in range(0, 3600, 200) for step in (0, 7, 20, 50)]

    assert _restarts(saves) == saves


def test_a_file_written_three_times_a_minute_is_noticed_too() -> None:
    """A slower loop is one as well: after twenty restarts in ten minutes the next one waits."""
    made = _restarts(range(0, 1200, 20))

    assert made[:20] == list(range(0, 400, 20))
    assert len(made) < 30


def test_nothing_is_lost_while_the_brake_is_on() -> None:
    """The last change restarts the app in the end, however many restarts there were before."""
    made = _restarts([*range(1, 40), 41.5])

    assert made[-1] >= 41.5


def test_after_a_calm_time_it_starts_from_the_beginning() -> None:
    """Two minutes without a change release the brake; a change every second does not."""
    brake = WatchBrake()
    _restarts(range(1, 400), brake)
    assert brake.wait_s > 0
    brake.changed(1000.0)

    assert brake.restart_at(1000.0) == 1000.0
    assert brake.wait_s == 0
