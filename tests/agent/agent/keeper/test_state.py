"""What the agent knows, and what clients get when a new keeper knows something else."""

import msgspec

from monit_agent.agent.keeper.messages import KeeperSnapshot, LogChanged
from monit_agent.agent.keeper.state import AppState
from monit_agent.wire.messages import (
    AppChanged,
    EventAdded,
    InstanceChanged,
    InstanceRemoved,
    LogEnd,
)
from support.agent import app_json, instance_json


def _snapshot(*instances: dict, events: tuple[str, ...] = (), **app: object) -> KeeperSnapshot:
    published = [
        {"seq": number, "at": 1.0, "kind": "requested", "text": text}
        for number, text in enumerate(events, 1)
    ]
    plain = {"app": app_json("web", **app), "instances": instances, "events": published}
    return msgspec.convert(plain, KeeperSnapshot)


def test_a_new_keeper_is_published_as_the_difference() -> None:
    """Slots that changed or were removed and new events are updates; the rest is not."""
    same, changed, gone = (instance_json(n, started_at=1.0) for n in range(3))
    known = AppState(_snapshot(same, changed, gone, events=("old",)))
    known.lose_keeper()

    events = known.replace(
        _snapshot(same, {**changed, "restarts": 1}, keeper_pid=99, events=("old", "new"))
    )

    assert isinstance(events[0], AppChanged)
    assert events[0].app.keeper_pid == 99
    assert events[1] == InstanceRemoved(instance=2)
    assert isinstance(events[2], InstanceChanged)
    assert (events[2].instance.instance, events[2].instance.restarts) == (1, 1)
    assert isinstance(events[3], EventAdded)
    assert events[3].event.text == "new"
    assert len(events) == 4
    assert known.keeper_alive


def test_without_a_keeper_its_pid_is_unknown() -> None:
    """The app stays known, with no keeper's pid."""
    known = AppState(_snapshot(instance_json(0), keeper_pid=5))

    (event,) = known.lose_keeper()

    assert isinstance(event, AppChanged)
    assert event.app.keeper_pid is None
    assert not known.keeper_alive
    assert list(known.instances) == [0]


def test_a_slot_that_went_takes_its_streams_along() -> None:
    """After a scale down neither the slot nor how far its logs reach is published any more."""
    known = AppState(_snapshot(instance_json(0), instance_json(1)))
    for instance in (0, 1):
        end = LogEnd(instance=instance, stream="out", begin=1, end=9, lost_bytes=2)
        known.fold(LogChanged(log=end))

    known.fold(InstanceRemoved(instance=1))

    assert list(known.instances) == [0]
    assert list(known.logs.values()) == [
        LogEnd(instance=0, stream="out", begin=1, end=9, lost_bytes=2)
    ]
