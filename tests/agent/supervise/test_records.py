"""The records that the keeper sends are those of the wire, down to the last nested field."""

from typing import Any

import msgspec
import pytest

from monit_agent.supervise import records
from monit_agent.supervise.appstate import App, Rollout
from monit_agent.supervise.event_log import EventLog
from monit_agent.supervise.spec import AppSpec, Checks, Increment, RestartPolicy
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
from monit_agent.wire import messages

NOW = Now(5.0, 1_000.0)

SPEC = AppSpec(
    name="web", script="web.py", argv=("python", "web.py"), cwd="/", user="u", created_at=1.0,
    increment=Increment("PORT", 3000), checks=Checks(health_command=("true",)),
    listen=(":80",), policy=RestartPolicy(stop_exit_codes=(7,)),
)  # fmt: skip

SLOT = Slot(
    0, 4, Status.ONLINE, DesiredState.RUNNING, ready=True, worker=Worker(10, 1, NOW),
    replacement=Replacement(Worker(11, 2, NOW), Role.INCOMING),
    exits=(Exit(1, None, 999.0, 2.0, requested=False),), restart_times=(999.0,),
)  # fmt: skip

APP = App((SLOT,))

ROLLOUT = Rollout((1,), (0,), (2,), "why", 2, ((3, "broken"),), cancelled=True)

RECORDS: list[tuple[Any, Any]] = [
    (records.app_record(APP, SPEC, 99), messages.AppRecord),
    (records.instance_record(SLOT), messages.InstanceRecord),
    (records.rollout_record(ROLLOUT), messages.Rollout),
    (EventLog(5).add(1.0, "ready", 0, "text", "u:1"), messages.EventRecord),
]


def fields(value: Any) -> Any:
    """Return the names of all fields, nested ones too; anything else becomes None."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        return {name: fields(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [fields(one) for one in value]
    return None


@pytest.mark.parametrize(("plain", "kind"), RECORDS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_record_has_exactly_the_fields_of_its_message(plain: Any, kind: type) -> None:
    """No field is missing, unknown or of another type, also in nested records."""
    message = msgspec.convert(plain, kind)

    assert fields(plain) == fields(message)
    assert msgspec.json.decode(msgspec.json.encode(plain)) == msgspec.json.decode(
        msgspec.json.encode(message)
    )


@pytest.mark.parametrize(
    ("ours", "kind"),
    [
        (records.app_record(APP, SPEC._replace(policy=RestartPolicy(), checks=Checks()), 1), None),
        (Checks()._asdict(), messages.Checks),
    ],
    ids=["policy", "checks"],
)
def test_what_is_not_set_has_the_same_default_on_both_sides(ours: Any, kind: Any) -> None:
    """A message without the policy or the checks means what a spec without them means."""
    plain, kind = (ours["policy"], messages.RestartPolicy) if kind is None else (ours, kind)

    assert msgspec.convert(plain, kind) == kind()
