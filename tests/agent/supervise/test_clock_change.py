"""The wall clock is set while an app runs: its times move along, and nothing else happens."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.supervise.appstate import App
from monit_agent.supervise.clock_change import with_shifted_times
from monit_agent.supervise.event_log import EventLog
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import (
    DesiredState,
    Exit,
    Now,
    Replacement,
    Role,
    Slot,
    Status,
    Worker,
)
from monit_agent.supervise.supervisor import Effects, Save, Supervisor

SPEC = AppSpec(name="web", script="web.py", argv=("web.py",), cwd="/", user="me")
SLOT = Slot(
    0, 0, Status.ONLINE, DesiredState.RUNNING, ready=True,
    worker=Worker(11, 5, Now(100.0, 5000.0)),
    deadline=130.0,
    replacement=Replacement(Worker(12, 6, Now(120.0, 5020.0)), Role.INCOMING, deadline=140.0),
    failed_start_times=(90.0,),
    restart_times=(4990.0, 5000.0),
    earlier_restarts=((4000.0, 3),),
    exits=(Exit(1, None, 4999.0, 0.5, requested=False),),
    next_start_at=5030.0,
)  # fmt: skip


def test_wall_times_move_and_monotonic_ones_stay() -> None:
    """After one hour back, everything that a person reads is an hour earlier, and every deadline
    is where it was."""
    (slot,) = with_shifted_times(App((SLOT,)), -3600.0).slots

    assert slot.worker == Worker(11, 5, Now(100.0, 1400.0))
    assert slot.replacement is not None
    assert slot.replacement.worker == Worker(12, 6, Now(120.0, 1420.0))
    assert (slot.deadline, slot.replacement.deadline, slot.failed_start_times) == (
        130.0, 140.0, (90.0,)
    )  # fmt: skip
    assert slot.restart_times == (1390.0, 1400.0)
    assert slot.earlier_restarts == ((400.0, 3),)
    assert (slot.exits[0].at, slot.exits[0].ran_s) == (1399.0, 0.5)
    assert slot.next_start_at == 1430.0


@given(st.integers(-(10**6), 10**6))
def test_a_change_and_its_undoing_leave_the_app_as_it_was(delta_s: int) -> None:
    """Nothing is lost or counted by a change of the clock."""
    app = App((SLOT, Slot(1, 1)))

    assert with_shifted_times(with_shifted_times(app, delta_s), -delta_s) == app


class _Published(Effects):
    """Collects what is published."""

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []

    def broadcast(self, update: dict[str, Any]) -> None:
        self.updates.append(update)

    def after_publish(self, save: Save) -> None:
        assert save in (Save.SOON, Save.EARLY)

    def wall(self) -> float:
        return 1500.0


def test_clients_get_the_new_start_of_a_worker() -> None:
    """The keeper publishes the instance with its shifted start, and an event says why."""
    effects = _Published()
    supervisor = Supervisor(SPEC, effects, EventLog(10), pid=1)
    supervisor.app = App((SLOT,))

    supervisor.clock_changed(-3600.0)

    (event,) = [each["event"] for each in effects.updates if each["type"] == "event_added"]
    assert (event["kind"], event["text"]) == ("clock_changed", "the clock was set back by 3600 s")
    (changed,) = [each for each in effects.updates if each["type"] == "instance_changed"]
    assert changed["instance"]["started_at"] == 1400.0
