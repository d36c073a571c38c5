"""The steps of a replacement in words."""

import msgspec

from monit_agent.client.commands.replacement import step_of
from monit_agent.wire.messages import InstanceRecord, Replacement


def test_a_new_worker_without_a_process_has_no_pid() -> None:
    """Before it is forked, it is the new worker, and not a pid that is unknown."""
    replacement = Replacement(role="incoming", pid=None, ready=False)
    alone = InstanceRecord(
        instance=0, id=0, status="online", desired="running", ready=True, pid=4004
    )
    step = step_of(msgspec.structs.replace(alone, replacement=replacement))
    assert step is not None
    assert step.text == "new worker starting, old pid 4004 running"
    assert step_of(alone) is None
