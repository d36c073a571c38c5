"""What a dead keeper left is read as far as it makes sense, and never breaks a client."""

import json
import os
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.saved_state import read_saved_app
from monit_agent.keeper.state import statefile
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.supervise.state import DesiredState, Exit, Now, Slot, Status, Worker
from monit_agent.system.procfs import boot_id, process_stat

SPEC = AppSpec(
    name="web", script="web.py", argv=("python3", "web.py"), cwd="/srv", user="shop",
    namespace="shop", instances=2, created_at=5.0, policy=RestartPolicy(stop_signal=2),
)  # fmt: skip
SLOTS = (
    Slot(
        0, 7, Status.ONLINE, DesiredState.RUNNING, True, Worker(4711, 99, Now(1.5, 60.5)),
        restarts=3, exits=(Exit(1, None, 59.0, 0.5, False),),
    ),
    Slot(
        1, 8, Status.ERRORED, DesiredState.RUNNING, failed_start_times=(1.0, 2.0),
        reason="no such file",
    ),
)  # fmt: skip


def test_what_a_keeper_wrote_is_what_a_client_reads(tmp_path: Path) -> None:
    """The file of the real keeper gives the app and its slots in the words of the wire."""
    path = str(tmp_path / "state.json")
    me, stat = os.getpid(), process_stat(os.getpid())
    assert stat is not None
    running = SLOTS[0]._replace(worker=Worker(me, stat.start_ticks, Now(1.5, 60.5)))
    app = App((running, SLOTS[1]), None)
    statefile.write(path, statefile.Saved(SPEC, app, boot_id(), left=False))

    left = read_saved_app(path)

    assert left is not None
    assert (left.app.name, left.app.namespace, left.app.instances) == ("web", "shop", 2)
    assert left.app.policy.stop_signal == "SIGINT"
    well, ill = left.instances
    assert (well.pid, well.started_at, well.restarts, well.id) == (me, 60.5, 3, 7)
    assert (well.exits[0].code, well.exits[0].ran_s) == (1, 0.5)
    assert (ill.status, ill.pid, ill.failed_starts) == ("errored", None, 2)
    assert ill.reason == "no such file"


def test_a_file_of_another_schema_is_not_used(tmp_path: Path) -> None:
    """A newer keeper's file is passed over; so is one that is not there."""
    path = tmp_path / "state.json"
    statefile.write(str(path), statefile.Saved(SPEC, App(SLOTS, None), "boot", left=False))
    newer: dict[str, Any] = {**json.loads(path.read_text()), "schema": 99}
    path.write_text(json.dumps(newer))

    assert read_saved_app(str(path)) is None
    assert read_saved_app(str(tmp_path / "nothing")) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(["spec", "slots", "policy", "worker", "exits", "schema"]),
    json_values,
    st.binary(max_size=40),
)
def test_a_damaged_file_is_not_used_and_breaks_nothing(
    tmp_path_factory: Any, part: str, value: Any, tail: bytes
) -> None:
    """Whatever stands in the file in place of what belongs there, reading it never raises."""
    path = tmp_path_factory.mktemp("left") / "state.json"
    statefile.write(str(path), statefile.Saved(SPEC, App(SLOTS, None), "boot", left=False))
    state = json.loads(path.read_text())
    holder = {"policy": state["spec"], "worker": state["slots"][0], "exits": state["slots"][0]}
    holder.get(part, state)[part] = value
    path.write_bytes(json.dumps(state).encode() + tail)

    read_saved_app(str(path))
