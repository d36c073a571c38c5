"""Which release a folder holds."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from monit_agent.system.files.revision import revision_of


def _git(folder: Path, *words: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *author, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(name="repository")
def _repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    _git(folder, "init", "-q")
    (folder / "app.py").write_text("")
    _git(folder, "add", ".")
    _git(folder, "commit", "-qm", "one")
    return folder


def test_the_commit_of_a_repository(repository: Path) -> None:
    """A branch, packed or not, and a detached head; also from a folder within."""
    commit = _git(repository, "rev-parse", "HEAD")[:12]
    inner = repository / "src" / "web"
    inner.mkdir(parents=True)
    assert revision_of(str(inner)) == commit
    _git(repository, "pack-refs", "--all")
    assert revision_of(str(repository)) == commit
    _git(repository, "checkout", "-q", "--detach")
    assert revision_of(str(repository)) == commit


def test_a_work_tree_of_a_repository(repository: Path, tmp_path: Path) -> None:
    """Its `.git` is a file that names a folder."""
    _git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    commit = _git(repository, "rev-parse", "HEAD")[:12]
    assert revision_of(str(tmp_path / "other")) == commit


def test_a_release_folder(tmp_path: Path) -> None:
    """The file says more than the name, and links are followed."""
    release = tmp_path / "releases" / "2026-11-30"
    release.mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/2026-11-30")
    assert revision_of(str(tmp_path / "current")) == "2026-11-30"
    (release / "REVISION").write_text("v1.2\nmore\n")
    assert revision_of(str(tmp_path / "current")) == "v1.2"


def test_what_was_written_later_does_not_count(repository: Path) -> None:
    """A worker that runs since then has other code."""
    before = time.time() + 1
    assert revision_of(str(repository), until=before) is not None
    reference = repository / ".git" / "refs" / "heads" / "main"
    os.utime(reference, (before + 10, before + 10))
    assert revision_of(str(repository), until=before) is None


@pytest.mark.parametrize("content", [b"", b"\n", b"\x1b[31mred\n", b"x" * 65, b"\xff" * 5000])
def test_a_file_that_says_nothing(tmp_path: Path, content: bytes) -> None:
    """What cannot be shown as it is is not known."""
    (tmp_path / "REVISION").write_bytes(content)
    found = revision_of(str(tmp_path))
    assert found is None or found.isprintable()


def test_nothing_waits(tmp_path: Path) -> None:
    """A pipe, a folder or a loop in the place of the file are no revision."""
    os.mkfifo(tmp_path / "REVISION")
    assert revision_of(str(tmp_path)) is None
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    assert revision_of(str(loop)) is None
    assert revision_of("/nonexistent") is None
