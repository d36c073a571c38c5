"""When an app may start or stop, as far as others are."""

import pytest

from monit_agent.client.commands.start_order import state_problem
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import InstanceRecord

RUNNING = {"status": "online", "desired": "running", "ready": True, "pid": 10}


def _view(*records: dict[str, object], link: str = "live") -> AppView:
    app = AppView(local_app("db"))
    app.link = link  # type: ignore[assignment]
    app.epoch = 1
    for number, fields in enumerate(records):
        record = InstanceRecord(instance=number, id=number, **fields)  # type: ignore[arg-type]
        app.instances[number] = InstanceView(app.id, record)
    return app


STARTING = {**RUNNING, "status": "starting", "ready": False}
STOPPED = {**RUNNING, "status": "stopped", "desired": "stopped", "ready": False, "pid": None}
DONE = {**STOPPED, "desired": "running", "done": True}
ERRORED = {**DONE, "status": "errored", "done": False, "reason": "exit code 3"}


@pytest.mark.parametrize(
    ("records", "started", "ready", "done"),
    [
        ([RUNNING], "", "", None),
        ([RUNNING, STARTING], "", None, None),
        ([RUNNING, STOPPED], "", "", None),
        ([DONE], "", "", ""),
        ([{**DONE, "desired": "stopped"}], "", "", ""),
        ([DONE, RUNNING], "", "", None),
        ([STOPPED], *["which is not running"] * 3),
        ([RUNNING, ERRORED], *["which failed: exit code 3"] * 3),
        ([{**DONE, "done": False}], *["which has exited without success"] * 3),
    ],
)
def test_how_far_an_app_is(
    records: list[dict[str, object]], started: str | None, ready: str | None, done: str | None
) -> None:
    """Another one may begin (empty text), must wait (None), or never begins, and why."""
    app = _view(*records)
    found = tuple(state_problem(app, state) for state in ("started", "ready", "done"))
    assert found == (started, ready, done)


def test_an_app_without_a_keeper_is_not_waited_for() -> None:
    """What its file says it was is not there."""
    assert state_problem(_view(RUNNING, link="gone"), "ready") == "which is not running"
