"""When the keeper saves its state, and what it does when that fails."""

from collections.abc import Callable
from pathlib import Path

import pytest

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.state import saving, statefile
from monit_agent.keeper.state.saving import Saving
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.supervisor import Save
from support.keeper_loop import run_until

SPEC = AppSpec("web", "w.py", ("python", "w.py"), "/", "me")


class State:
    """A state that is saved, and what its saving recorded."""

    def __init__(self, loop: Loop, path: Path) -> None:
        self.loop = loop
        self.path = path
        self.boot = ""
        self.reads = 0
        self.events: list[tuple[str, str]] = []
        self.saving = Saving(
            loop, str(path), self._content, lambda kind, text: self.events.append((kind, text))
        )

    def _content(self) -> statefile.Saved:
        self.reads += 1
        return statefile.Saved(SPEC, App(), self.boot, left=False)

    def change(self, boot: str, save: Save = Save.SOON) -> None:
        self.boot = boot
        self.saving.mark_changed(save)
        self.saving.round_finished()

    def saved(self) -> str:
        return statefile.load(str(self.path)).boot_id


@pytest.fixture(name="state")
def _state(loop: Loop, tmp_path: Path) -> State:
    return State(loop, tmp_path / "state.json")


def test_a_first_change_is_saved_in_its_round(state: State) -> None:
    """Nothing waits when nothing was saved recently; an unchanged state is not written."""
    state.saving.round_finished()
    assert not state.path.exists()
    state.change("one")
    assert state.saved() == "one"


def test_changes_that_follow_at_once_are_saved_together(state: State) -> None:
    """A crash of many instances does not wait for the disk many times, and the last one is kept."""
    for number in range(20):
        state.change(str(number))
    run_until(state.loop, lambda: state.saved() == "19", what="the last change is saved")
    assert state.reads == 2


def test_a_failure_is_recorded_once_and_retried(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event names the file and the reason; another one says that it works again."""
    monkeypatch.setattr(saving, "SAVE_AGAIN_S", 0.0)
    blocked = state.path.with_name("state.json.tmp")
    blocked.mkdir()
    state.change("one")
    for _ in range(3):
        state.saving.round_finished()
    problem = f"cannot write {state.path}: Is a directory"
    assert state.events == [("state_unsaved", problem)]
    assert state.reads > 2
    blocked.rmdir()
    state.saving.round_finished()
    assert state.saved() == "one"
    assert state.events[1:] == [("state_saved", "the state is saved again")]


def test_a_full_disk_is_not_tried_in_every_round(state: State) -> None:
    """After a failure the next attempt has its alarm."""
    state.path.with_name("state.json.tmp").mkdir()
    for boot in "abc":
        state.change(boot)
    assert state.reads == 1
    assert state.loop.has_alarm("save")


def test_without_a_disk_each_change_is_kept_in_memory(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is tried again less often; what changes meanwhile does not wait for that."""
    monkeypatch.setattr(saving, "SAVE_AGAIN_S", 3600.0)
    state.change("one")
    state.path.with_name("state.json.tmp").mkdir()
    for boot in ("two", "three"):
        state.change(boot)
        run_until(state.loop, lambda boot=boot: state.saved() == boot, what="it is kept")
    statefile.forget(str(state.path))


def test_what_a_worker_was_told_is_saved_early(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next keeper must not take its exit for a crash."""
    monkeypatch.setattr(saving, "SAVE_S", 3600.0)
    state.change("one")
    state.change("two")
    assert state.saved() == "one"
    state.change("three", Save.EARLY)
    run_until(state.loop, lambda: state.saved() == "three", what="it is saved")


@pytest.mark.parametrize("save", [Saving.save, Saving.round_finished])
def test_nothing_is_saved_after_the_end(state: State, save: Callable[[Saving], None]) -> None:
    """The next keeper must not see an app that is being shut down."""
    state.change("running")
    state.saving.stop()
    state.boot = "stopping"
    state.saving.mark_changed()
    save(state.saving)
    state.saving.save()
    assert state.saved() == "running"
