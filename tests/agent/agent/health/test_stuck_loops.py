"""For how long event loops are blocked, as far as it can be known."""

from monit_agent.agent.health.stuck_loops import ProcessLook, StuckJudge, StuckTracker

LIVES = ProcessLook("S", "/usr/bin/python3")


class _World:
    """The processes that there are."""

    def __init__(self) -> None:
        self.looks: dict[int, ProcessLook] = {7: LIVES, 8: LIVES}
        self.stuck = StuckTracker(self.looks.get)

    def heard(self, busy_s: float | None, now: float, pid: int = 7) -> None:
        self.stuck.report_received(0, pid, busy_s, now)

    def at(self, now: float) -> float | None:
        return self.stuck.blocked_s(0, 7, now)


def test_a_loop_that_runs_is_not_stuck() -> None:
    """What it was busy with for a moment when it reported does not grow until the next report."""
    world = _World()
    assert world.at(0.0) is None
    world.heard(0.0, 1.0)
    assert world.at(1.9) == 0.0
    world.heard(0.3, 2.0)
    assert world.at(2.9) == 0.3


def test_a_python_loop_says_itself_how_long() -> None:
    """Its report's own figure, and the time since then."""
    world = _World()
    world.heard(4.0, 10.0)
    assert world.at(10.5) == 4.5
    world.heard(0.0, 11.0)
    assert world.at(11.1) == 0.0


def test_silence_of_a_loop_is_being_stuck() -> None:
    """A Node process cannot speak meanwhile: from its last report on, when two are missing."""
    world = _World()
    world.heard(0.0, 10.0)
    assert world.at(12.4) == 0.0
    assert world.at(13.0) == 3.0
    assert world.at(22.0) == 12.0
    world.heard(0.0, 22.5)
    assert world.at(22.6) == 0.0


def test_a_process_that_has_exited_or_announced_its_exit_is_not_stuck() -> None:
    """Neither a process that is gone, nor one whose connection closed, nor one that became another
    program."""
    for end in ("gone", "closed", "exec"):
        world = _World()
        world.heard(0.0, 10.0)
        if end == "gone":
            del world.looks[7]
        elif end == "closed":
            world.stuck.remove_process(0, 7)
        else:
            world.looks[7] = ProcessLook("S", "/usr/bin/sleep")
        assert world.at(30.0) is None, end


def test_a_program_without_a_loop_is_stuck_only_when_halted() -> None:
    """It may compute for long; but halted it does nothing at all."""
    world = _World()
    world.heard(None, 10.0)
    assert world.at(20.0) is None
    world.looks[7] = ProcessLook("T", LIVES.program)
    assert world.at(20.0) == 10.0


def test_the_worst_process_counts() -> None:
    """A master runs on while one of its workers is stuck."""
    world = _World()
    world.heard(0.0, 10.0)
    world.heard(6.0, 10.0, pid=8)
    assert world.at(10.5) == 6.5


def test_what_an_earlier_agent_saw_holds_until_the_worker_reports() -> None:
    """A Node worker that is stuck cannot connect to the next agent."""
    world = _World()
    world.stuck.presume_stuck(0, 7, -20.0)
    assert world.at(1.0) == 21.0
    assert world.stuck.blocked_s(0, 99, 1.0) is None, "of the next worker it says nothing"
    world.stuck.presume_stuck(0, 7, -20.0)
    world.heard(0.0, 2.0)
    assert world.at(2.1) == 0.0


def test_beginning_and_end_are_recorded_once() -> None:
    """From five seconds on, and when it is over; a short one is not recorded at all."""
    judge = StuckJudge()
    seconds = [0.0, 3.0, 0.0, 4.9, 5.9, 6.9, 7.9, 0.0, 0.0]
    told = [judge.judge(0, 7, value, float(at)) for at, value in enumerate(seconds)]
    assert [each for each in told if each] == [
        ("stuck", "event loop blocked for 6 s so far"),
        ("unstuck", "event loop runs again after 8 s"),
    ]
    assert judge.judge(0, 7, 6.0, 20.0) is not None, "another time is told again"
    assert judge.judge(0, 8, 0.0, 21.0) is None, "the end of the worker tells enough"


def _asked(judge: StuckJudge, pid: int, limit: float | None = 30.0) -> list[float]:
    return [
        float(second) for second in range(400) if judge.replace_reason(0, pid, float(second), limit)
    ]


def test_a_stuck_worker_is_replaced_where_the_user_wants_it() -> None:
    """Not without the option; with it after the time, and later again if the worker stays."""
    assert _asked(StuckJudge(), 7, None) == []
    assert _asked(StuckJudge(), 7)[:3] == [30.0, 60.0, 120.0]


def test_replacing_that_does_not_help_becomes_rarer() -> None:
    """A next worker that is stuck at once is given twice the time."""
    judge = StuckJudge()
    judge.replace_reason(0, 7, 30.0, 30.0)
    assert judge.replace_reason(0, 8, 40.0, 30.0) is None
    assert judge.replace_reason(0, 8, 60.0, 30.0) == "stuck: event loop blocked for 60 s"


def test_a_refused_restart_is_requested_again_soon_and_not_each_second() -> None:
    """Another reload is under way."""
    judge = StuckJudge()
    assert judge.replace_reason(0, 7, 30.0, 30.0)
    judge.replacement_refused(0, 30.0)
    asked = [s for s in range(31, 45) if judge.replace_reason(0, 7, float(s), 30.0)]
    assert asked[0] == 35
