"""A keeper that is given another spec: when it counts, when the old one does, and what a kill
in between leaves."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monit_agent.supervise.spec import spec_to_json
from support.keeper import KeptApp, python
from support.waiting import wait_until

CODE = """
import os, sys, time
print(os.environ.get("LEVEL"), flush=True)
if sys.argv[1] == "waits":
    while os.path.exists("gate"):
        time.sleep(0.01)
elif sys.argv[1] == "second fails" and os.environ["MONIT_INSTANCE"] == "1":
    sys.exit(3)
time.sleep(1000)
"""


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    app.start(*python(CODE, "first"), instances=2)
    for number in (0, 1):
        app.wait_for("online", number)
    yield app
    app.close()


def apply(app: KeptApp, how: str, *argv: str, **fields: Any) -> dict[str, Any]:
    """Give the app another spec."""
    named: dict[str, str] = fields.pop("named", {})
    spec = app.spec(*argv, instances=2, env_named=tuple(sorted(named)), **fields)
    return app.request("apply", spec=spec_to_json(spec), named=named, how=how)


def saved(app: KeptApp) -> dict[str, Any]:
    """Return the spec in the state file."""
    return json.loads(Path(app.paths.state).read_text())["spec"]


def pids(app: KeptApp) -> set[int]:
    return {slot["pid"] for slot in app.slots().values()}


def word(app: KeptApp) -> str:
    """Return the last argument of the command that counts now."""
    return app.snapshot()["app"]["argv"][-1]


def test_a_failed_reload_takes_the_spec_back_everywhere(app: KeptApp) -> None:
    """The instance that was replaced before the failure is replaced again, by the old spec; a
    variable that was named for the new one is gone."""
    before = pids(app)
    apply(app, "reload", *python(CODE, "second fails"), named={"LEVEL": "new"})
    wait_until(lambda: app.event_texts("change_undone"), what="the change is undone")
    assert word(app) == "first"
    wait_until(lambda: app.event_texts("reload_done"), what="instance 0 is replaced again")
    assert len(before & pids(app)) == 1
    assert app.log(0).split() == [b"None", b"new", b"None"]
    assert saved(app)["argv"][-1] == "first"
    assert not Path(app.paths.env).exists() or Path(app.paths.env).read_bytes() == b""


def test_a_kill_in_the_middle_leaves_the_old_spec(app: KeptApp) -> None:
    """Until the new workers run, the file has the old spec, so that the next keeper uses that, and
    who compares sees that something is left to do. The same change is possible again."""
    gate = app.home / "gate"
    gate.touch()
    apply(app, "reload", *python(CODE, "waits"), named={"LEVEL": "new"})
    wait_until(lambda: app.slot(0)["replacement"], what="a new worker starts")
    refused = apply(app, "live", *python(CODE, "other"))
    assert "another change of the app is in progress" in refused["message"]
    assert "is being changed" in app.request("upgrade")["message"]
    app.kill_keeper()
    app.start_next_keeper()
    compared = app.request("compare", named={"LEVEL": "new"})
    assert compared["spec"]["argv"][-1] == "first"
    gate.unlink()
    wait_until(lambda: not app.request("compare", named={})["busy"], what="the reload has ended")
    before = pids(app)
    assert apply(app, "reload", *python(CODE, "waits"), named={"LEVEL": "new"})["ok"]
    wait_until(lambda: not before & pids(app), what="both are replaced")
    wait_until(lambda: saved(app)["argv"][-1] == "waits", what="the new spec is saved")
    wait_until(lambda: Path(app.paths.env).read_bytes() == b"LEVEL=new\0")
    again = app.request("compare", named={"LEVEL": "new"})
    assert (again["added"], again["removed"], again["changed"]) == ([], [], [])


def test_a_restart_keeps_the_new_spec_also_when_it_fails(app: KeptApp) -> None:
    """There is no old worker to keep: the app has the new spec, and is errored."""
    apply(
        app,
        "restart",
        *python("raise SystemExit(3)"),
        policy=app.spec("x").policy._replace(max_restarts=1),
    )
    app.wait_for("errored", 0)
    app.wait_for("errored", 1)
    wait_until(lambda: saved(app)["argv"][-1] == "raise SystemExit(3)")


def test_a_live_change_is_saved_before_the_answer(app: KeptApp) -> None:
    """No worker is touched, and a keeper that is killed at once has lost nothing."""
    before = pids(app)
    policy = app.spec("x").policy._replace(kill_timeout_s=1.5)
    assert apply(app, "live", *python(CODE, "first"), policy=policy)["ok"]
    assert saved(app)["policy"]["kill_timeout_s"] == 1.5
    assert pids(app) == before


def test_what_differs_is_told_by_name(app: KeptApp) -> None:
    """Variables are compared where their values are, and only names come back."""
    file = app.home / "file.env"
    file.write_text("ONE=1\nTWO=2\n")
    named = {"KEPT": "a", "CHANGED": "b", "REMOVED": "c"}
    argv = python(CODE, "first")
    apply(app, "restart", *argv, named=named, env_files=(str(file),))
    wait_until(lambda: app.event_texts("changed"), what="the new spec is kept")
    file.write_text("ONE=1\nTWO=secret\n")
    answer = app.request("compare", named={"KEPT": "a", "CHANGED": "secret", "ADDED": "secret"})
    assert (answer["added"], answer["removed"], answer["changed"]) == (
        ["ADDED"],
        ["REMOVED"],
        ["CHANGED"],
    )
    assert answer["files"] == {str(file): ["TWO"]}
    assert "secret" not in json.dumps(answer)


def test_what_cannot_be_a_spec_is_refused(app: KeptApp) -> None:
    """A refusal says why, and changes nothing."""
    spec = spec_to_json(app.spec(*python(CODE, "first")))
    for fields, why in (
        ({"spec": {"name": "web"}, "named": {}, "how": "live"}, "not a spec"),
        ({"spec": spec, "named": {}, "how": "now"}, "live, reload, restart"),
        ({"spec": {**spec, "name": "api"}, "named": {}, "how": "live"}, "for 'api'"),
        ({"spec": spec, "named": {"A=": "x"}, "how": "live"}, "not an environment"),
        ({"spec": spec, "how": "live"}, "not an environment"),
        ({"spec": {**spec, "cwd": "/nosuch"}, "named": {}, "how": "reload"}, "nothing was changed"),
    ):
        answer = app.request("apply", **fields)
        assert answer["ok"] is False
        assert why in answer["message"]
    assert word(app) == "first"
    assert os.path.exists(app.paths.state)
