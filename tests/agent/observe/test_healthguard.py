"""From single checks to a worker's health, and when it must go."""

from monit_agent.observe.healthguard import HealthGuard
from monit_agent.wire.messages import Checks, Health

CHECKS = Checks(health_url="http://h/", health_interval_s=10.0, health_grace_s=5.0)


def _guard(pid: int = 7, now: float = 0.0, guard: HealthGuard | None = None) -> HealthGuard:
    guard = guard or HealthGuard()
    guard.due(0, pid, CHECKS, now)
    return guard


def _failures_until_replaced(guard: HealthGuard, now: float) -> tuple[int, str]:
    for count in range(1, 1000):
        now += 10.0
        verdict = guard.failed(0, "status 503", CHECKS, 0.0)
        if verdict.replace:
            return count, verdict.replace
    raise AssertionError("never replaced")


def test_grace_then_a_check_every_interval() -> None:
    """None before the worker was online for the grace, then one an interval, also if it is late."""
    guard = HealthGuard()
    due = []
    for tenth in range(400):
        if guard.due(0, 7, CHECKS, tenth / 10):
            guard.begun(0, CHECKS, tenth / 10)
            due.append(tenth / 10)
    assert due == [5.0, 15.0, 25.0, 35.0]
    assert not guard.due(0, 8, CHECKS, 40.0), "another worker has its grace too"


def test_instances_are_not_checked_all_at_once() -> None:
    """A thousand instances are spread over the interval."""
    guard = HealthGuard()
    for number in range(1000):
        guard.due(number, number + 1, CHECKS, 0.0)
    first = sum(guard.due(number, number + 1, CHECKS, 5.5) for number in range(1000))
    assert 20 < first < 100


def test_three_in_a_row_are_the_reason() -> None:
    """Two failures and a success are none; the reason says what was wrong, and how often."""
    guard = _guard()
    said = [guard.failed(0, "no answer within 3 s", CHECKS, 0.0) for n in (1, 2)]
    guard.passed(0, "status 200", 30.0, 0.0)
    said += [guard.failed(0, "no answer within 3 s", CHECKS, 0.0) for n in (4, 5, 6)]
    assert [each.replace for each in said] == [
        None, None, None, None, "health: 3 times in a row no answer within 3 s",
    ]  # fmt: skip


def test_different_failures_give_the_last() -> None:
    """What goes wrong in several ways is told by its last."""
    guard = _guard()
    guard.failed(0, "status 503", CHECKS, 0.0)
    guard.failed(0, "status 503", CHECKS, 0.0)
    last = guard.failed(0, "connection refused", CHECKS, 0.0)
    assert last.replace == "health: failed 3 times in a row, at last connection refused"


def test_a_single_failure_is_shown_and_not_told() -> None:
    """The sample has it at once; the events only from the second on, and then its end too."""
    guard = _guard()
    first = guard.failed(0, "status 503", CHECKS, 99.0)
    assert first.tell is None
    assert guard.health(0, 7) == Health(ok=False, failures=1, at=99.0, text="status 503")
    assert guard.passed(0, "status 200", 20.0, 0.0).tell is None
    guard.failed(0, "status 503", CHECKS, 0.0)
    assert guard.failed(0, "status 503", CHECKS, 0.0).tell == (
        "unhealthy", "status 503, 2 times in a row",
    )  # fmt: skip
    assert guard.passed(0, "status 200", 50.0, 0.0).tell == (
        "healthy", "status 200, after 2 failures",
    )  # fmt: skip
    assert guard.health(0, 8) == Health(), "of another worker nothing is known yet"


def test_restarts_that_do_not_help_become_rarer() -> None:
    """Each next worker that never was well gets twice the failures, to a bound."""
    guard, counts = HealthGuard(), []
    now = 0.0
    for pid in range(1, 10):
        _guard(pid, now, guard)
        count, _ = _failures_until_replaced(guard, now)
        counts.append(count)
        now += 1.0
    assert counts == [3, 6, 12, 24, 48, 96, 192, 192, 192]


def test_a_worker_that_was_well_for_long_is_judged_as_the_first() -> None:
    """After hours of health three failures are three again."""
    guard = _guard()
    _failures_until_replaced(guard, 0.0)
    _guard(8, 100.0, guard)
    for n in range(1, 60):
        guard.passed(0, "status 200", 100.0 + 10.0 * n, 0.0)
    assert _failures_until_replaced(guard, 1000.0)[0] == 3


def test_a_worker_that_stays_is_asked_for_again_later() -> None:
    """A reload may fail and the old worker stay: it is tried again, after twice the failures."""
    guard = _guard()
    assert _failures_until_replaced(guard, 0.0)[0] == 3
    assert _failures_until_replaced(guard, 30.0)[0] == 6


def test_a_refusal_is_asked_again_at_the_next_failure() -> None:
    """Another reload was under way: the next failure tries again."""
    guard = _guard()
    _failures_until_replaced(guard, 0.0)
    guard.refused(0, CHECKS)
    assert _failures_until_replaced(guard, 30.0)[0] == 1


def test_what_is_gone_is_forgotten() -> None:
    """An answer that comes after its instance was scaled away changes nothing."""
    guard = _guard()
    guard.forget(0)
    assert guard.failed(0, "status 503", CHECKS, 0.0) == guard.passed(0, "", 10.0, 0.0)
    assert guard.health(0, 7) == Health()
