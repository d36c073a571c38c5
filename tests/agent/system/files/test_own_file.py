"""A file of the home is read only if it is one, and ours."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from monit_agent.keeper.state import statefile
from monit_agent.system.files.named_env import read_named
from monit_agent.system.files.own_file import FILE_MAX_BYTES, read_own_file


def _make_long(path: str) -> None:
    with open(path, "wb") as file:
        file.truncate(FILE_MAX_BYTES + 1)


def test_a_file_of_ours_is_read(tmp_path: Path) -> None:
    """Also behind a link."""
    (tmp_path / "real").write_bytes(b"content")
    (tmp_path / "link").symlink_to("real")
    assert read_own_file(str(tmp_path / "link")) == b"content"


@pytest.mark.parametrize("read", [read_own_file, read_named, statefile.load])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "not a regular file"),
        (os.mkdir, "not a regular file"),
        (lambda path: os.symlink("/dev/zero", path), "not a regular file"),
        (_make_long, "more than"),
    ],
    ids=["pipe", "folder", "device", "endless"],
)  # fmt: skip
def test_what_is_no_file_is_an_error_and_never_waited_for(
    tmp_path: Path, make: Callable[[str], None], why: str, read: Callable[[str], object]
) -> None:
    """A pipe, a device or a folder in its place says so at once."""
    path = str(tmp_path / "state.json")
    make(path)
    with pytest.raises(OSError, match=why):
        read(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is theirs."""
    path = tmp_path / "state.json"
    path.write_bytes(b"{}")
    os.chown(path, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to user 65534"):
        read_own_file(str(path))
