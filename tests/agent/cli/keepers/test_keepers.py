"""Making the folders of new apps, while others do the same."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monit_agent.cli.keepers.keepers import make_folders, remove_folders
from monit_agent.wire.paths import app_paths

APPS = "abcdefgh"
ROUNDS = 30


@pytest.mark.parametrize("failing", ["", "aceg"], ids=["all succeed", "half fail"])
def test_apps_started_at_once_in_a_new_home_get_their_folders(failing: str, tmp_path: Path) -> None:
    """Whoever comes first makes what they share; one that fails takes nobody's folder away."""
    for number in range(ROUNDS):
        home = tmp_path / str(number) / "home"
        begin = threading.Barrier(len(APPS))

        def start(app: str, home: Path = home, begin: threading.Barrier = begin) -> None:
            paths = app_paths(os.fspath(home), app)
            begin.wait()
            made = make_folders(os.fspath(home), paths)
            if app in failing:
                remove_folders(made, paths)

        with ThreadPoolExecutor(len(APPS)) as starting:
            list(starting.map(start, APPS))
        left = {folder.name for folder in (home / "apps").iterdir()}
        assert left == set(APPS) - set(failing)
        assert home.stat().st_mode & 0o777 == 0o700
