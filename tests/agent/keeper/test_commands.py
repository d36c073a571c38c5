"""The requests of ``keeper.sock``: what is refused, with which text, and what an answer means."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monit_agent import __version__
from monit_agent.keeper.commands import AGENT_EVENTS, WHY_CHARACTERS
from monit_agent.supervise.spec import Checks
from monit_agent.supervise.state import Status
from support.keeper_loop import run_until
from support.kept_here import SPEC, KeptHere


@pytest.fixture(name="kept")
def _kept(short_folder: Path, own_signals: None) -> Iterator[KeptHere]:
    kept = KeptHere(short_folder)
    yield kept
    kept.close()


def refused(kind: str, message: str) -> dict[str, Any]:
    return {"ok": False, "kind": kind, "message": message}


@pytest.mark.parametrize("do", ["dance", "", None, 3, ["stop"]])
def test_an_unknown_request_is_refused_with_the_known_ones(kept: KeptHere, do: Any) -> None:
    """A client of another version sees what it can request."""
    answer = kept.request(do)
    assert answer["kind"] == ("unsupported" if isinstance(do, str) else "bad_request")
    assert answer["message"].startswith(f"no such request {do!r} in monit {__version__}; ")
    assert "known requests: hello version upgrade start stop" in answer["message"]


def test_hello_makes_a_client_follow(kept: KeptHere) -> None:
    """It gets the whole state first."""
    assert not kept.client.follows
    answer = kept.request("hello", role="test")
    assert kept.client.follows
    assert [each["id"] for each in answer["snapshot"]["instances"]] == [7]


def test_a_request_is_answered_before_it_begins(kept: KeptHere) -> None:
    """Who requests a start does not wait for the fork; the answer names the instances."""
    assert kept.request("start") == {"ok": True, "instances": (0,)}
    assert kept.slot.status is Status.STOPPED
    kept.commands.begin_accepted()
    assert kept.slot.worker is not None
    kept.commands.begin_accepted()
    assert len(kept.events("requested")) == 1


@pytest.mark.parametrize("instances", ["0", {"0": 1}, [True], [0, "1"], [0.5]])
def test_instances_are_a_list_of_numbers(kept: KeptHere, instances: Any) -> None:
    """Anything else is refused by every request."""
    for do in ("start", "stop", "flush", "signal"):
        more = {"signal": "HUP"} if do == "signal" else {}
        answer = kept.request(do, instances=instances, **more)
        assert answer == refused("bad_request", "'instances' is a list of numbers, or null for all")


def test_a_field_that_a_request_does_not_have_is_named(kept: KeptHere) -> None:
    """``instance`` for ``instances`` stops nothing; the answer says which fields there are."""
    answer = kept.request("stop", instance=0)
    assert answer == refused(
        "bad_request", "'stop' has no field 'instance'; it knows instances, by"
    )
    assert kept.events("requested") == []


def test_an_instance_that_does_not_exist_is_named(kept: KeptHere) -> None:
    """All unknown ones are in the text, and nothing happens to the others."""
    answer = kept.request("flush", instances=[0, 4, 9])
    assert answer == refused("no_such_instance", "web has no instance 4, 9")
    assert kept.events("flushed") == []


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("name", ["usr1", "SIGUSR1", "Usr1", int(signal.SIGUSR1), "10"])
def test_a_signal_is_a_name_or_a_number(kept: KeptHere, name: Any) -> None:
    """The worker gets it, and the event log says which one and from whom."""
    pid = kept.start()
    answer = kept.request("signal", signal=name, by="ann:12", why="for the test")
    assert answer == {"ok": True, "instances": (0,)}
    _, status = os.waitpid(pid, 0)  # sleep has no handler
    kept.keeper.workers._by_pid.clear()
    assert os.WTERMSIG(status) == signal.SIGUSR1
    (event,) = kept.events("requested")
    assert (event["text"], event["by"]) == ("signal SIGUSR1 0: for the test", "ann:12")


@pytest.mark.parametrize("name", ["nope", "SIGNOPE", "0", "99", None, "-1", "1.5", "SIG_IGN"])
def test_an_unknown_signal_is_refused(kept: KeptHere, name: Any) -> None:
    """Nothing is sent."""
    answer = kept.request("signal", signal=name)
    assert answer == refused("bad_request", f"there is no signal {name!r}")


def test_a_signal_to_nobody_is_refused(kept: KeptHere) -> None:
    """A stopped instance has no worker: nothing is reported as sent."""
    answer = kept.request("signal", signal="HUP")
    assert answer == refused("refused", "none of these instances has a worker to signal")
    assert kept.events("requested") == []


# ---------------------------------------------------------------- events of the agent


@pytest.mark.parametrize("kind", AGENT_EVENTS)
def test_the_agent_records_its_events(kept: KeptHere, kind: str) -> None:
    """The text is cut to its bound."""
    kept.request("record_event", kind=kind, text="x" * 1000, instance=0)
    (event,) = kept.events(kind)
    assert (event["instance"], event["text"]) == (0, "x" * WHY_CHARACTERS)


@pytest.mark.parametrize(
    "fields",
    [{"kind": "exited", "text": ""}, {"kind": "stuck"}, {"text": "a"}, {"kind": ["stuck"]}],
)
def test_no_other_event_can_be_recorded(kept: KeptHere, fields: dict[str, Any]) -> None:
    """The keeper's own events cannot be invented by a client."""
    answer = kept.request("record_event", **fields)
    known = " ".join(AGENT_EVENTS)
    assert answer == refused("bad_request", f"record_event needs 'text' and a 'kind': {known}")


# ---------------------------------------------------------------- readiness


@pytest.fixture(name="checked")
def _checked(short_folder: Path, own_signals: None) -> Iterator[KeptHere]:
    """Return an app whose workers are ready when a check says so."""
    kept = KeptHere(short_folder, SPEC._replace(checks=Checks(ready_command=("true",))))
    yield kept
    kept.close()


def test_a_check_that_succeeded_makes_its_worker_online(checked: KeptHere) -> None:
    """Until then the worker is starting."""
    pid = checked.start()
    assert checked.slot.status is Status.STARTING
    assert checked.request("ready", instance=0, pid=pid)["ok"]
    assert checked.slot.status is Status.ONLINE


def test_a_check_that_failed_leaves_its_reason(checked: KeptHere) -> None:
    """The worker is still starting, and its reason is cut to the bound."""
    pid = checked.start()
    assert checked.request("ready", instance=0, pid=pid, why="y" * 1000)["ok"]
    assert checked.slot.status is Status.STARTING
    assert checked.slot.reason.endswith("y" * WHY_CHARACTERS)
    assert "y" * (WHY_CHARACTERS + 1) not in checked.slot.reason


def test_a_check_of_another_worker_is_refused(checked: KeptHere) -> None:
    """A result that comes late must not make the next worker online."""
    pid = checked.start()
    answer = checked.request("ready", instance=0, pid=pid + 1)
    assert answer == refused("refused", f"pid {pid + 1} of instance 0 is not waited for")
    assert checked.slot.status is Status.STARTING


@pytest.mark.parametrize("fields", [{}, {"pid": "12"}, {"pid": 12, "why": 3}])
def test_a_result_needs_its_pid(checked: KeptHere, fields: dict[str, Any]) -> None:
    """And a reason is a text."""
    answer = checked.request("ready", instance=0, **fields)
    assert answer == refused("bad_request", "ready needs 'pid', and 'why' as text or null")


# ---------------------------------------------------------------- nothing is lost by a refusal


@pytest.mark.parametrize("do", ["restart", "reload"])
def test_a_worker_is_not_stopped_when_the_next_cannot_start(
    kept: KeptHere, tmp_path: Path, do: str
) -> None:
    """The refusal says what is missing; a stopped app may try, and says then what is wrong."""
    keeper = kept.keeper
    kept.start()
    keeper.supervisor.spec = SPEC._replace(cwd=str(tmp_path / "gone"))
    missing = f"nothing was stopped: the working directory {tmp_path / 'gone'} does not exist"
    assert kept.request(do) == refused("failed", missing)
    keeper.supervisor.spec = SPEC._replace(env_named=("TOKEN",))
    answer = kept.request(do)
    assert answer["message"].startswith("nothing was stopped: TOKEN was set with --env, and its ")
    keeper.supervisor.spec = SPEC
    answer = kept.request(do, env={"PATH": str(tmp_path)})
    assert answer == refused("failed", "nothing was stopped: the program sleep does not exist")
    assert keeper.variables.inherited[b"PATH"] == os.environb[b"PATH"]
    kept.commands.begin_accepted()
    assert kept.slot.status in (Status.STARTING, Status.ONLINE)


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"A=B": "1"}, "a variable's name is empty or holds '='"),
        ({"": "1"}, "a variable's name is empty or holds '='"),
        ({"A": "1\0"}, "a variable holds a NUL byte"),
        ({"A": 1}, ""),
        (["A=1"], ""),
    ],
)
def test_a_bad_environment_is_refused(kept: KeptHere, env: Any, why: str) -> None:
    """The worker keeps running with the one that it has."""
    kept.start()
    before = kept.keeper.variables.inherited
    answer = kept.request("restart", env=env)
    assert answer["kind"] == "bad_request"
    assert answer["message"].startswith(f"'env' is not an environment: {why}")
    assert kept.keeper.variables.inherited is before
    kept.commands.begin_accepted()
    assert kept.events("requested") == []


def test_a_new_environment_is_used_from_the_next_start(kept: KeptHere) -> None:
    """Variables of one worker in it, as a monit that runs under monit has them, are left out."""
    env = {"PATH": os.environ["PATH"], "COLOUR": "blue", "MONIT_PID": "1", "LISTEN_FDS": "1"}
    assert kept.request("restart", env=env)["ok"]
    assert {*kept.keeper.variables.inherited} == {b"PATH", b"COLOUR"}


def test_a_scale_without_ids_changes_nothing(kept: KeptHere, short_folder: Path) -> None:
    """When the file of ids cannot be written, the app keeps its size."""
    (short_folder / "next_id").mkdir()
    assert kept.request("scale", count=3) == refused(
        "failed", f"scale: {short_folder}/next_id: Is a directory"
    )
    kept.commands.begin_accepted()
    assert kept.keeper.spec.instances == 1
    assert len(kept.keeper.app.slots) == 1


def test_a_flush_empties_the_files_and_says_who(kept: KeptHere) -> None:
    """What was printed before is gone, also what is still in the pipe."""
    kept.start()
    log = Path(kept.keeper.paths.log(0, "out"))
    with open(kept.keeper.paths.fifo(0, "out"), "wb") as pipe:
        pipe.write(b"before\n")
    run_until(kept.keeper.loop, lambda: log.read_bytes() == b"before\n")
    assert kept.request("flush", by="ann:12") == {"ok": True, "instances": (0,)}
    assert log.read_bytes() == b""
    (event,) = kept.events("flushed")
    assert (event["instance"], event["text"], event["by"]) == (0, "log files emptied", "ann:12")
