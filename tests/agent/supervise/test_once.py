"""An app that runs once: done with exit code 0, failed with any other, never restarted."""

import pytest

from monit_agent.supervise import events as e
from monit_agent.supervise.machine import decide
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.supervise.state import DesiredState, Now, Slot, Status, Worker

SPEC = AppSpec("job", "job", ("job",), "/", "me", type="once")
BEGUN = Now(100.0, 1000.0)


def _running(status: Status) -> Slot:
    worker = Worker(10, 1, BEGUN)
    return Slot(0, 0, status, DesiredState.RUNNING, worker=worker, ready=status is Status.ONLINE)


def _exit(code: int | None, signal: int | None = None) -> e.Exited:
    return e.Exited(Now(105.0, 1005.0), code, signal, 0, 0.5, 10, 0)


@pytest.mark.parametrize("status", [Status.STARTING, Status.ONLINE])
@pytest.mark.parametrize(
    ("code", "signal", "then", "done"),
    [
        (0, None, Status.STOPPED, True),
        (3, None, Status.STOPPED, True),
        (4, None, Status.ERRORED, False),
        (None, 9, Status.ERRORED, False),
        (None, None, Status.ERRORED, False),
    ],
)
def test_an_exit_is_final(
    status: Status, code: int | None, signal: int | None, then: Status, done: bool
) -> None:
    """Done is what exits with 0, or with a code that means done; all else is an error. After a
    reboot what was done stays so, and what was not runs again."""
    spec = SPEC._replace(policy=RestartPolicy(stop_exit_codes=(3,)))
    slot, _ = decide(_running(status), _exit(code, signal), spec)
    assert (slot.status, slot.done, slot.finished) == (then, done, done)
    assert slot.desired is DesiredState.RUNNING


def test_a_start_runs_it_again() -> None:
    """It is not done any more until it has exited again."""
    slot, _ = decide(_running(Status.ONLINE), _exit(0), SPEC)
    again, actions = decide(slot, e.StartRequested(BEGUN), SPEC)
    assert (again.status, again.done) == (Status.STARTING, False)
    assert len(actions) == 1


def test_what_cannot_start_is_an_error_at_once() -> None:
    """There is no backoff for what runs once."""
    starting = _running(Status.STARTING)._replace(worker=None)
    failed = e.SpawnFailed(BEGUN, "no such file", permanent=False, jitter=0.5)
    assert decide(starting, failed, SPEC)[0].status is Status.ERRORED
