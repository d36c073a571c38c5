"""Locks on files that others may remove."""

import os
from pathlib import Path

import pytest

from monit_agent.system.files.file_lock import is_file_at, is_locked, lock_file


def test_a_lock_is_held_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    """Who comes second is refused, and learns that without touching the file."""
    path = str(tmp_path / "lock")
    assert not is_locked(path)
    assert not os.path.exists(path)
    held = lock_file(path)
    assert is_locked(path)
    with pytest.raises(BlockingIOError):
        lock_file(path)
    os.close(held)
    assert not is_locked(path)


def test_a_lock_on_a_removed_file_locks_out_nobody(tmp_path: Path) -> None:
    """A file that was removed can be locked again, and its former holder can find that out."""
    path = str(tmp_path / "lock")
    former = lock_file(path)
    os.unlink(path)
    current = lock_file(path)
    assert not is_file_at(former, path)
    assert is_file_at(current, path)
    os.close(former)
    os.close(current)
