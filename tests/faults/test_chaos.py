"""Random faults under load: `make chaos` runs this for five minutes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


@pytest.mark.full
@pytest.mark.timeout(600)
def test_nothing_is_lost_in_chaos() -> None:
    """After 30 seconds of kills, halts, full disks, reloads and restarts, each request, line and
    restart is accounted for. The output names the seed."""
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "--seconds", "30"],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:]
