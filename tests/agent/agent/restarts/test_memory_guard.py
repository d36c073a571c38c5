"""When a worker uses too much memory, and whether it is replaced or killed."""

from collections.abc import Iterable

from monit_agent.agent.restarts.memory_guard import MemoryGuard, Overrun

LIMIT = 200_000_000
OLD_S = 1000.0


def _sampled(
    guard: MemoryGuard, used: int | None, pid: int = 7, limit: int | None = LIMIT
) -> str | None:
    overrun = guard.sampled(0, pid, used, limit, OLD_S)
    assert overrun is None or not overrun.kill
    return overrun.why if overrun else None


def test_two_samples_over_the_limit_are_a_reason_once() -> None:
    """The second sample in a row over the limit is the reason, and the same worker is not
    replaced again."""
    guard = MemoryGuard()

    reasons = [_sampled(guard, 210_000_000) for _ in range(5)]

    assert reasons == [None, "memory 210 MB > limit 200 MB", None, None, None]


def test_a_spike_is_no_reason() -> None:
    """One sample over the limit between others below it changes nothing."""
    guard = MemoryGuard()
    sizes = [210_000_000, 100, 210_000_000, 200_000_000]

    assert {_sampled(guard, size) for size in sizes} == {None}


def _samples_until_replaced(guard: MemoryGuard, pid: int, used: int = 210_000_000) -> int:
    count = 1
    while not _sampled(guard, used, pid):
        count += 1
    return count


def test_an_app_that_needs_more_than_its_limit_is_restarted_ever_more_rarely() -> None:
    """When each next worker is over the limit at once, each gets twice the time, to a bound."""
    guard = MemoryGuard()

    waits = [_samples_until_replaced(guard, pid) for pid in range(8)]

    assert waits == [2, 4, 8, 16, 32, 64, 64, 64]


def test_a_worker_that_kept_to_the_limit_for_long_resets_the_wait() -> None:
    """After a worker that grew slowly the next is judged as strictly as the first."""
    guard = MemoryGuard()
    _samples_until_replaced(guard, 1)
    for _ in range(200):
        _sampled(guard, 100, pid=2)
    _samples_until_replaced(guard, 2)

    assert _samples_until_replaced(guard, 3) == 2


def test_no_limit_is_never_exceeded() -> None:
    """Without a limit there is no reason, whatever a worker uses."""
    guard = MemoryGuard()

    assert {_sampled(guard, 10**12, limit=None) for _ in range(3)} == {None}


def _leak(guard: MemoryGuard, pid: int, per_s: int, *, stops: bool = True) -> tuple[float, Overrun]:
    """Let a worker grow until something is done; return its memory then, as a part of the limit."""
    used, overrun, age = 0, None, 0.0
    while overrun is None or not (stops or overrun.kill):
        age += 1.0
        used += per_s
        overrun = guard.sampled(0, pid, used, LIMIT, age)
    return used / LIMIT, overrun


def test_a_fast_leak_is_stopped_near_the_limit_however_often() -> None:
    """The longer wait of later workers is for the steady: each leaking one is replaced between the
    limit and twice the limit."""
    guard = MemoryGuard()

    ends = [_leak(guard, pid, per_s=LIMIT // 20)[0] for pid in range(8)]

    assert all(1.0 < end <= 2.1 for end in ends), ends


def test_a_slow_leak_does_not_escape_by_its_slowness() -> None:
    """A leak that needs a minute from the limit to the ceiling is stopped there at the latest."""
    guard = MemoryGuard()

    ends = [_leak(guard, pid, per_s=LIMIT // 90)[0] for pid in range(8)]

    assert all(1.0 < end <= 2.1 for end in ends), ends


def test_a_steady_worker_above_the_ceiling_is_given_more_time_too() -> None:
    """What does not grow is no leak: it waits as others do, also at three times the limit."""
    guard = MemoryGuard()

    waits = [_samples_until_replaced(guard, pid, used=3 * LIMIT) for pid in range(4)]

    assert waits == [2, 4, 8, 16]


def test_a_worker_that_grows_instead_of_stopping_is_killed() -> None:
    """Who ignores the stop signal and leaks on gets SIGKILL near the ceiling, once."""
    guard = MemoryGuard()

    end, overrun = _leak(guard, 1, per_s=LIMIT // 10, stops=False)

    assert overrun.kill
    assert 2.0 < end < 2.3
    assert "growing while it should stop" in overrun.why
    assert guard.used_now(0, 1, 9 * LIMIT, LIMIT) is None


def test_between_two_samples_growth_is_noticed() -> None:
    """A worker that passes the ceiling between two samples does not wait for the next one."""
    guard = MemoryGuard()
    guard.sampled(0, 1, LIMIT // 2, LIMIT, OLD_S)

    overrun = guard.used_now(0, 1, LIMIT * 8 // 5, LIMIT)

    assert overrun is not None
    assert overrun.why == "memory 320 MB, 1.6 times its limit 200 MB, and growing"


def test_the_value_of_another_worker_is_not_judged() -> None:
    """A late measurement of the worker before says nothing about the present one."""
    guard = MemoryGuard()
    guard.sampled(0, 1, LIMIT // 2, LIMIT, OLD_S)

    assert guard.used_now(0, 2, 9 * LIMIT, LIMIT) is None


def _measured_often(sizes: Iterable[int]) -> list[bool]:
    guard, found, before = MemoryGuard(), [], 0
    for used in sizes:
        guard.sampled(0, 1, used, LIMIT, OLD_S)
        found.append(guard.may_pass_soon(0, used, LIMIT, 2 * (used - before)))
        before = used
    return found


def test_only_workers_that_near_their_limit_are_measured_often() -> None:
    """Growth that leads over the limit within two seconds is; a steady worker is not, also above
    the limit."""
    megabyte = 1_000_000
    sizes = [size * megabyte for size in (50, 100, 150, 190, 190, 210, 210)]

    assert _measured_often(sizes) == [False, False, True, True, False, True, False]
