"""Processes in the order of their tree."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client import fold
from monit_agent.client.process_trees import DEEPEST, process_branches
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import InstanceRecord, Process, Sample


def _sample(*pairs: tuple[int, int]) -> Sample:
    return Sample(
        at=1.0,
        processes=tuple(Process(pid=pid, ppid=ppid, name=f"p{pid}") for pid, ppid in pairs),
    )


def test_children_stand_below_their_parents() -> None:
    """Depth first, whatever the order in which they came; strangers' children at the top."""
    tree = process_branches(_sample((13, 11), (12, 1), (11, 1), (14, 13), (20, 99)))

    assert [(one.process.pid, one.depth) for one in tree] == [
        (11, 0), (13, 1), (14, 2), (12, 0), (20, 0),
    ]  # fmt: skip


def test_siblings_are_sorted_as_requested() -> None:
    """Sorting never takes a process from below its parent."""
    tree = process_branches(_sample((11, 1), (12, 1), (13, 11)), key=lambda process: -process.pid)

    assert [one.process.pid for one in tree] == [12, 11, 13]


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30))))
def test_nonsense_loses_no_process(pairs: list[tuple[int, int]]) -> None:
    """Circles, orphans and doubles: each pid is listed once, at a depth that can be drawn."""
    tree = process_branches(_sample(*pairs))

    assert sorted(one.process.pid for one in tree) == sorted({pid for pid, _ in pairs})
    assert all(0 <= one.depth <= DEEPEST for one in tree)


def test_the_history_of_a_client_has_no_trees() -> None:
    """The newest sample has the processes, the hour of old ones does not."""
    app = AppView(local_app("web"))
    record = InstanceRecord(instance=0, id=0, status="online", desired="running", ready=True)
    app.instances[0] = InstanceView(local_app("web"), record)
    app.epoch = 1

    fold.apply_sample(app, 1, 0, _sample((11, 1)), now=1.0)

    view = app.instances[0]
    assert view.sample is not None
    assert [each.pid for each in view.sample.processes] == [11]
    assert [sample.processes for sample in view.history] == [()]
