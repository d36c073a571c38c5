"""What an agent notices of its app's folder."""

import socket
from pathlib import Path

import pytest

from monit_agent.agent.keeper.folder_changes import (
    SELDOM_S,
    SETTLES_S,
    FolderChanges,
    knock,
)
from monit_agent.system.claim import claim_address


class _Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> _Clock:
    return _Clock()


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "lock").touch()
    return folder


def _settled(folder: Path, clock: _Clock) -> FolderChanges:
    """Return the changes of a folder in which nothing has changed for some seconds."""
    changes = FolderChanges(str(folder), clock)
    assert changes.may_have_changed()
    clock.now += SETTLES_S
    assert not changes.may_have_changed()
    return changes


def test_a_folder_in_which_nothing_changes_is_not_looked_at(folder: Path, clock: _Clock) -> None:
    """The files are looked at when the agent starts, and then seldom."""
    changes = _settled(folder, clock)
    (folder / "lock").write_text("a file that is written to stays the same one")
    assert not changes.may_have_changed()
    clock.now += SELDOM_S
    assert changes.may_have_changed()
    clock.now += 1.0
    assert not changes.may_have_changed()


def test_a_removed_file_is_noticed_for_some_seconds(folder: Path, clock: _Clock) -> None:
    """A second file that is removed within the same tick of the kernel's clock changes no time."""
    changes = _settled(folder, clock)
    (folder / "lock").unlink()
    assert changes.may_have_changed()
    assert changes.may_have_changed()
    clock.now += SETTLES_S
    assert not changes.may_have_changed()


def test_a_folder_that_is_gone_or_another_one_is_noticed(folder: Path, clock: _Clock) -> None:
    """While there is no folder, each look is at the files; and so is the first one of another."""
    changes = _settled(folder, clock)
    folder.rename(folder.with_name("elsewhere"))
    for _ in range(3):
        assert changes.may_have_changed()
        clock.now += SETTLES_S
    folder.mkdir()
    assert changes.may_have_changed()


def test_what_could_not_be_put_right_is_looked_at_again(folder: Path, clock: _Clock) -> None:
    """An agent that could not lock its file again tries it every second."""
    changes = _settled(folder, clock)
    changes.look_again()
    assert changes.may_have_changed()


def test_a_knock_reaches_the_keeper(folder: Path) -> None:
    """Whoever listens on the app's abstract socket gets a connection; without a keeper, nothing
    happens."""
    knock(str(folder))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as keeper:
        keeper.bind(claim_address(str(folder)))
        keeper.listen()
        knock(str(folder))
        with keeper.accept()[0] as connection:
            assert connection.recv(1) == b""
