"""What the agent knows, and what clients are told when a new keeper knows something else."""

import msgspec

from monit_agent.observe.keeperwords import KeeperGone, KeeperLog, KeeperSnapshot
from monit_agent.observe.known import Known
from monit_agent.wire.messages import (
    AppChanged,
    Happened,
    InstanceChanged,
    InstanceGone,
    LogEnd,
)
from observing import app_json, instance_json


def _snapshot(*instances: dict, happenings: tuple[str, ...] = (), **app: object) -> KeeperSnapshot:
    told = [
        {"seq": number, "at": 1.0, "kind": "asked", "text": text}
        for number, text in enumerate(happenings, 1)
    ]
    plain = {"app": app_json("web", **app), "instances": instances, "happenings": told}
    return msgspec.convert(plain, KeeperSnapshot)


def test_a_new_keeper_is_told_as_the_difference() -> None:
    """Slots that changed or went and happenings that are new are events; the rest is not."""
    same, changed, gone = (instance_json(n, started_at=1.0) for n in range(3))
    known = Known(_snapshot(same, changed, gone, happenings=("old",)))
    known.lose_keeper()

    events = known.replace(
        _snapshot(same, {**changed, "restarts": 1}, keeper_pid=99, happenings=("old", "new"))
    )

    assert isinstance(events[0], AppChanged)
    assert events[0].app.keeper_pid == 99
    assert events[1] == InstanceGone(instance=2)
    assert isinstance(events[2], InstanceChanged)
    assert (events[2].instance.instance, events[2].instance.restarts) == (1, 1)
    assert isinstance(events[3], Happened)
    assert events[3].happening.text == "new"
    assert len(events) == 4
    assert known.keeper_alive


def test_without_a_keeper_its_pid_is_unknown() -> None:
    """The app stays known, with no keeper's pid."""
    known = Known(_snapshot(instance_json(0), keeper_pid=5))

    (event,) = known.lose_keeper()

    assert isinstance(event, AppChanged)
    assert event.app.keeper_pid is None
    assert not known.keeper_alive
    assert list(known.instances) == [0]


def test_a_slot_that_went_takes_its_streams_along() -> None:
    """After a scale down neither the slot nor how far its logs reach is told any more."""
    known = Known(_snapshot(instance_json(0), instance_json(1)))
    for instance in (0, 1):
        known.fold(KeeperLog(instance=instance, stream="out", begin=1, end=9, lost_bytes=2))

    known.fold(KeeperGone(instance=1))

    assert list(known.instances) == [0]
    assert list(known.logs.values()) == [
        LogEnd(instance=0, stream="out", begin=1, end=9, lost_bytes=2)
    ]
