"""Every verb has a man page, and the pages are those of today's commands."""

import shutil
import subprocess
from pathlib import Path

import pytest

from monit_agent.cli.verb_table import VERBS
from support.man_pages import FOLDER, man_pages


def test_the_pages_are_current() -> None:
    """What ``python tests/support/man_pages.py`` writes is what is there, a page for each verb."""
    there = {path.name: path.read_text() for path in FOLDER.glob("*.1")}
    assert there == man_pages(), "run .venv/bin/python tests/support/man_pages.py"
    assert {f"monit-{verb}.1" for verb in VERBS} <= set(there)


@pytest.mark.skipif(shutil.which("man") is None, reason="no man here")
def test_man_reads_them_without_a_warning(tmp_path: Path) -> None:
    """A page shows its options, and roff has nothing to object to."""
    done = subprocess.run(
        ["man", "--warnings", "-l", str(FOLDER / "monit-run.1")],
        capture_output=True, text=True,
        env={"MANWIDTH": "90", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "--health-port [HOST:]PORT" in done.stdout
