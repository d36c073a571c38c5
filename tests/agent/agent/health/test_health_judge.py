"""From single checks to a worker's health, and when it must go."""

from monit_agent.agent.health.health_judge import HealthJudge
from monit_agent.wire.messages import Checks, Health

CHECKS = Checks(health_url="http://h/", health_interval_s=10.0, health_grace_s=5.0)


def _guard(pid: int = 7, now: float = 0.0, judge: HealthJudge | None = None) -> HealthJudge:
    judge = judge or HealthJudge()
    judge.is_due(0, pid, CHECKS, now)
    return judge


def _failures_until_replaced(judge: HealthJudge, now: float) -> tuple[int, str]:
    for count in range(1, 1000):
        now += 10.0
        verdict = judge.check_failed(0, "status 503", CHECKS, 0.0)
        if verdict.replace_reason:
            return count, verdict.replace_reason
    raise AssertionError("never replaced")


def test_grace_then_a_check_every_interval() -> None:
    """None before the worker was online for the grace, then one an interval, also if it is late."""
    judge = HealthJudge()
    due = []
    for tenth in range(400):
        if judge.is_due(0, 7, CHECKS, tenth / 10):
            judge.check_started(0, CHECKS, tenth / 10)
            due.append(tenth / 10)
    assert due == [5.0, 15.0, 25.0, 35.0]
    assert not judge.is_due(0, 8, CHECKS, 40.0), "another worker has its grace too"


def test_instances_are_not_checked_all_at_once() -> None:
    """A thousand instances are spread over the interval."""
    judge = HealthJudge()
    for number in range(1000):
        judge.is_due(number, number + 1, CHECKS, 0.0)
    first = sum(judge.is_due(number, number + 1, CHECKS, 5.5) for number in range(1000))
    assert 20 < first < 100


def test_three_in_a_row_are_the_reason() -> None:
    """Two failures and a success are none; the reason says what was wrong, and how often."""
    judge = _guard()
    said = [judge.check_failed(0, "no answer within 3 s", CHECKS, 0.0) for n in (1, 2)]
    judge.check_passed(0, "status 200", 30.0, 0.0)
    said += [judge.check_failed(0, "no answer within 3 s", CHECKS, 0.0) for n in (4, 5, 6)]
    assert [each.replace_reason for each in said] == [
        None, None, None, None, "health: no answer within 3 s, 3 times in a row",
    ]  # fmt: skip


def test_different_failures_give_the_last() -> None:
    """What fails in several ways has the text of the last one."""
    judge = _guard()
    judge.check_failed(0, "status 503", CHECKS, 0.0)
    judge.check_failed(0, "status 503", CHECKS, 0.0)
    last = judge.check_failed(0, "connection refused", CHECKS, 0.0)
    assert last.replace_reason == "health: failed 3 times in a row (last: connection refused)"


def test_a_single_failure_is_shown_and_not_recorded() -> None:
    """The sample has it at once; the events only from the second on, and then its end too."""
    judge = _guard()
    first = judge.check_failed(0, "status 503", CHECKS, 99.0)
    assert first.event is None
    assert judge.health(0, 7) == Health(ok=False, failures=1, at=99.0, text="status 503")
    assert judge.check_passed(0, "status 200", 20.0, 0.0).event is None
    judge.check_failed(0, "status 503", CHECKS, 0.0)
    assert judge.check_failed(0, "status 503", CHECKS, 0.0).event == (
        "unhealthy", "status 503, 2 times in a row",
    )  # fmt: skip
    assert judge.check_passed(0, "status 200", 50.0, 0.0).event == (
        "healthy", "status 200, after 2 failures",
    )  # fmt: skip
    assert judge.health(0, 8) == Health(), "of another worker nothing is known yet"


def test_restarts_that_do_not_help_become_rarer() -> None:
    """Each next worker that never was well gets twice the failures, to a bound."""
    judge, counts = HealthJudge(), []
    now = 0.0
    for pid in range(1, 10):
        _guard(pid, now, judge)
        count, _ = _failures_until_replaced(judge, now)
        counts.append(count)
        now += 1.0
    assert counts == [3, 6, 12, 24, 48, 96, 192, 192, 192]


def test_a_worker_that_was_well_for_long_is_judged_as_the_first() -> None:
    """After hours of health three failures are three again."""
    judge = _guard()
    _failures_until_replaced(judge, 0.0)
    _guard(8, 100.0, judge)
    for n in range(1, 60):
        judge.check_passed(0, "status 200", 100.0 + 10.0 * n, 0.0)
    assert _failures_until_replaced(judge, 1000.0)[0] == 3


def test_a_restart_of_a_worker_that_stays_is_requested_again_later() -> None:
    """A reload may fail and the old worker stay: it is tried again, after twice the failures."""
    judge = _guard()
    assert _failures_until_replaced(judge, 0.0)[0] == 3
    assert _failures_until_replaced(judge, 30.0)[0] == 6


def test_a_refused_restart_is_requested_again_at_the_next_failure() -> None:
    """Another reload was under way: the next failure tries again."""
    judge = _guard()
    _failures_until_replaced(judge, 0.0)
    judge.replacement_refused(0, CHECKS)
    assert _failures_until_replaced(judge, 30.0)[0] == 1


def test_what_is_gone_is_forgotten() -> None:
    """An answer that comes after its instance was scaled away changes nothing."""
    judge = _guard()
    judge.remove_instance(0)
    assert judge.check_failed(0, "status 503", CHECKS, 0.0) == judge.check_passed(0, "", 10.0, 0.0)
    assert judge.health(0, 7) == Health()
