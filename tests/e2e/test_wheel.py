"""The built wheel, installed as users install it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def _run(*words: str | Path, **env: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **env})
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(name="wheel", scope="session")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, once."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(_python("3.11") or sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
         "--wheel-dir", folder, ROOT)  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


def _python(version: str) -> str | None:
    """Return a Python of this version that works: on PATH, or one of pyenv's."""
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in (*map(str, found), shutil.which(f"python{version}")):
        if candidate is not None and _works(candidate, version):
            return candidate
    return None


def _works(python: str, version: str) -> bool:
    done = subprocess.run([python, "--version"], capture_output=True, text=True)
    return done.returncode == 0 and re.match(rf"Python {version}\.\d+$", done.stdout) is not None


def _check(bin_folder: Path, home: Path) -> None:
    """Check that both commands work, and that an app runs."""
    assert _run(bin_folder / "monit", "--version").startswith("monit ")
    assert "Usage: pmonit" in _run(bin_folder / "pmonit", "--help")
    printed = _run(bin_folder / "monit", "run", "--no-autorestart", "--", "echo", "works",
                   MONIT_HOME=str(home))  # fmt: skip
    assert printed == "works\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_works_with_each_python(
    version: str, wheel: Path, home: Path, tmp_path: Path
) -> None:
    """In a fresh environment: both commands, an app in the foreground, the man pages."""
    python = _python(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    _run(python, "-m", "venv", tmp_path / "venv")
    _run(tmp_path / "venv/bin/python", "-m", "pip", "install", "--quiet", wheel)
    _check(tmp_path / "venv/bin", home)
    assert (tmp_path / "venv/share/man/man1/monit-run.1").exists()


@pytest.mark.parametrize("installer", ["pipx", "uv"])
def test_tool_installers_install_it(
    installer: str, wheel: Path, home: Path, tmp_path: Path
) -> None:
    """``pipx install`` and ``uv tool install`` put both commands on the PATH."""
    _run(sys.executable, "-m", "venv", tmp_path / "venv")
    _run(tmp_path / "venv/bin/python", "-m", "pip", "install", "--quiet", installer)
    bin_folder = tmp_path / "bin"
    places = {
        "PIPX_HOME": "pipx", "PIPX_BIN_DIR": "bin", "PIPX_MAN_DIR": "man",
        "UV_TOOL_DIR": "uv", "UV_TOOL_BIN_DIR": "bin", "UV_CACHE_DIR": "cache",
    }  # fmt: skip
    env = {name: str(tmp_path / folder) for name, folder in places.items()}
    words = ["install"] if installer == "pipx" else ["tool", "install", "--python", sys.executable]
    _run(tmp_path / "venv/bin" / installer, *words, wheel, **env)
    _check(bin_folder, home)
