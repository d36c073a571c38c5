"""How what a worker left behind is waited for."""

import signal
import subprocess

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.workers.descendants import is_alive
from monit_agent.keeper.workers.leftovers import LeftoverStop
from support.keeper_loop import run_until
from support.waiting import wait_until

PROCESSES = 40


def test_many_processes_that_exit_together_are_one_look(loop: Loop) -> None:
    """Each look reads all that are left: one for each exit would take the square of their number.
    The stop is over when the last one has exited."""
    programs = [subprocess.Popen(["sleep", "1000"]) for _ in range(PROCESSES)]
    looks: list[int] = []
    over: list[bool] = []

    def find() -> list[int]:
        found = [each.pid for each in programs if is_alive(each.pid)]
        looks.append(len(found))
        return found

    stop = LeftoverStop(
        loop,
        find,
        lambda: over.append(True),
        lambda: None,
        stop_signal=signal.SIGCONT,  # they exit when the test wants it
        signaled=set(),
        at_once=False,
    )
    try:
        stop.check()
        _end(programs[: PROCESSES // 2])
        run_until(loop, lambda: len(looks) > 1)
        assert looks == [PROCESSES, PROCESSES // 2]
        _end(programs[PROCESSES // 2 :])
        run_until(loop, lambda: over)
        assert looks == [PROCESSES, PROCESSES // 2, 0]
    finally:
        for program in programs:
            program.kill()
            program.wait()


def _end(programs: "list[subprocess.Popen[bytes]]") -> None:
    for program in programs:
        program.kill()
    wait_until(lambda: not any(is_alive(each.pid) for each in programs), what="all have exited")
