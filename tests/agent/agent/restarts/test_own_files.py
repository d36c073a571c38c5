"""Which files a process has open for writing."""

import os
from pathlib import Path

from monit_agent.agent.restarts.own_files import written_by


def test_only_files_open_for_writing_count(tmp_path: Path) -> None:
    """A file that is read, or that was closed again, is not the process's data."""
    names = ("written", "appended", "read", "closed")
    paths = {name: str(tmp_path / name) for name in names}
    for path in paths.values():
        Path(path).touch()
    with (
        open(paths["written"], "r+b"),
        open(paths["appended"], "ab"),
        open(paths["read"], "rb"),
    ):
        found = written_by([os.getpid()], paths.values())

    assert found == {paths["written"], paths["appended"]}


def test_a_path_through_a_link_is_the_same_file(tmp_path: Path) -> None:
    """The kernel names the real path; the path that was given is returned."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    path = str(tmp_path / "link" / "data")
    with open(path, "wb"):
        assert written_by([os.getpid()], [path]) == {path}


def test_a_process_that_is_gone_has_no_files(tmp_path: Path) -> None:
    """A pid that is no longer in use is skipped."""
    assert written_by([2**22 + 1], [str(tmp_path)]) == set()
