"""How many crashes there were in the last minute, five minutes and hour."""

import pytest

from monit_agent.client.view import InstanceView
from monit_agent.supervise import events as e
from monit_agent.supervise.machine import decide
from monit_agent.supervise.records import instance_record
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.supervise.state import RESTART_TIMES_KEPT, Now, Slot, Worker
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import InstanceRecord

SPEC = AppSpec(name="web", script="web.py", argv=("web",), cwd="/", user="u",
               policy=RestartPolicy(min_uptime_s=0.0))  # fmt: skip


def _view_after(crashes: int, every_s: float) -> tuple[InstanceView, float]:
    """Return the slot, as a client knows it, after it crashed so often, and the time."""
    slot, _ = decide(Slot(0, 0), e.StartRequested(Now(0.0, 0.0)), SPEC)
    at = 0.0
    for _ in range(crashes):
        slot, _ = decide(slot, e.Spawned(Now(at, at), Worker(7, 1, Now(at, at))), SPEC)
        at += every_s
        slot, _ = decide(slot, e.DeadlinePassed(Now(at, at)), SPEC)
        slot, _ = decide(slot, e.Exited(Now(at, at), 1, None, 0, 0.5), SPEC)
    record = instance_record(slot)
    assert len(record["restart_times"]) <= RESTART_TIMES_KEPT
    assert len(record["earlier_restarts"]) <= 122
    fields = {name: record[name] for name in ("restart_times", "earlier_restarts", "restarts")}
    known = InstanceRecord(
        instance=0, id=0, status="online", desired="running", ready=True, **fields
    )
    return InstanceView(local_app("web"), known), at


@pytest.mark.parametrize(
    ("crashes", "every_s", "hour", "minute"),
    [(682, 1.5, 682, 40), (3000, 1.5, 2400, 40), (150, 1.5, 150, 40), (5000, 0.5, 5000, 120)],
)
def test_every_crash_of_the_last_hour_counts(
    crashes: int, every_s: float, hour: int, minute: int
) -> None:
    """No number stops at 200, whatever the pace; an hour is exact to 1 %."""
    view, now = _view_after(crashes, every_s)
    assert view.restarts_within(3600, now) == pytest.approx(hour, rel=0.01)
    assert view.restarts_within(60, now) == minute
    assert view.record.restarts == crashes


def test_reset_forgets_earlier_crashes() -> None:
    """After a reset, no crash of before counts."""
    full = Slot(0, 0, restart_times=(1.0,), earlier_restarts=((0.5, 7),))
    slot, _ = decide(full, e.ResetRequested(Now(2.0, 2.0)), SPEC)
    assert (slot.restart_times, slot.earlier_restarts) == ((), ())
