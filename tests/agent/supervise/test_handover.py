"""A worker that continues as another process."""

import pytest

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import RecordEvent
from monit_agent.supervise.overlap import decide
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import DesiredState, Now, Replacement, Role, Slot, Status, Worker

SPEC = AppSpec("web", "x", ("x",), "/", "u")
NOW = Now(100.0, 5e8)
OLD, OTHER, NEW = (Worker(pid, pid, NOW) for pid in (7, 8, 9))


@pytest.mark.parametrize("status", [Status.STARTING, Status.ONLINE, Status.STOPPING])
def test_only_the_process_of_the_worker_changes(status: Status) -> None:
    """Status, deadline and counters stay, and one event says who took over."""
    slot = Slot(3, 3, status, DesiredState.RUNNING, worker=OLD, deadline=110.0, restarts=4)
    after, actions = decide(slot, e.TookOver(NOW, NEW, OLD.pid), SPEC)
    assert after == slot._replace(worker=NEW)
    assert actions == (RecordEvent("took_over", 3, "pid 9 took over from pid 7"),)


def test_the_other_worker_of_a_reload_may_continue_as_another_process_too() -> None:
    """The slot's own stays as it is."""
    other = Replacement(OTHER, Role.DRAINING, deadline=120.0)
    slot = Slot(0, 0, Status.ONLINE, DesiredState.RUNNING, worker=OLD, replacement=other)
    after, _ = decide(slot, e.TookOver(NOW, NEW, OTHER.pid), SPEC)
    assert after == slot._replace(replacement=other._replace(worker=NEW))


def test_a_successor_of_an_unknown_process_changes_nothing() -> None:
    """Its worker may have been replaced meanwhile."""
    slot = Slot(0, 0, Status.ONLINE, DesiredState.RUNNING, worker=OLD)
    assert decide(slot, e.TookOver(NOW, NEW, 5), SPEC) == (slot, ())
