"""What is named is run as its owner would run it."""

import os
import sys
from pathlib import Path

import pytest

from monit_agent.config.errors import BadInputError, TargetNotFoundError
from monit_agent.config.target import Lookup, resolve_command, resolve_module, resolve_script


@pytest.fixture(name="bin_folder")
def _bin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("python3", "node", "bash", "ruby", "perl", "php", "bun", "serve"):
        _file(folder / name, "#!/bin/sh\n", executable=True)
    return folder


@pytest.fixture(name="lookup")
def _lookup(tmp_path: Path, bin_folder: Path) -> Lookup:
    return Lookup(here=str(tmp_path), cwd=str(tmp_path), environ={"PATH": str(bin_folder)})


def _file(path: Path, text: str = "", *, executable: bool = False) -> Path:
    path.write_text(text)
    path.chmod(0o755 if executable else 0o644)
    return path


@pytest.mark.parametrize(
    ("script", "program"),
    [
        ("app.py", "python3"),
        ("app.js", "node"),
        ("app.cjs", "node"),
        ("app.mjs", "node"),
        ("app.ts", "bun"),
        ("app.sh", "bash"),
        ("app.rb", "ruby"),
        ("app.pl", "perl"),
        ("app.php", "php"),
        ("APP.PY", "python3"),
    ],
)
def test_the_extension_chooses_the_interpreter(
    script: str, program: str, lookup: Lookup, tmp_path: Path, bin_folder: Path
) -> None:
    """A script without run bit is run by the interpreter that its extension names."""
    path = _file(tmp_path / script)
    run = resolve_script(script, ("-v",), lookup)
    assert run.argv == (str(bin_folder / program), str(path), "-v")
    assert run.interpreter == str(bin_folder / program)
    assert run.name == script.split(".", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("package", "words"),
    [("tsx", ("--import", "tsx")), ("ts-node", ("--require", "ts-node/register"))],
)
def test_typescript_is_run_by_what_the_project_has_installed(
    package: str, words: tuple[str, ...], lookup: Lookup, tmp_path: Path, bin_folder: Path
) -> None:
    """A package above the workers' folder counts more than a program of PATH."""
    path = _file(tmp_path / "app.ts")
    (tmp_path / "node_modules" / package).mkdir(parents=True)
    (tmp_path / "service").mkdir()
    run = resolve_script("app.ts", ("-v",), lookup._replace(cwd=str(tmp_path / "service")))
    assert run.argv == (str(bin_folder / "node"), *words, str(path), "-v")
    assert run.interpreter == str(bin_folder / "node")


def test_python_comes_from_the_active_virtualenv(lookup: Lookup, tmp_path: Path) -> None:
    """With VIRTUAL_ENV set, its python runs .py scripts and modules, whatever the PATH says."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    python = _file(venv / "bin" / "python", executable=True)
    _file(tmp_path / "app.py")
    active = lookup._replace(environ={**lookup.environ, "VIRTUAL_ENV": str(venv)})
    assert resolve_script("app.py", (), active).argv[0] == str(python)
    assert resolve_module("http.server", (), active).argv[0] == str(python)


def test_monits_own_python_is_not_taken(lookup: Lookup, tmp_path: Path) -> None:
    """The interpreter that runs monit is not the app's unless the user's PATH says so."""
    _file(tmp_path / "app.py")
    assert resolve_script("app.py", (), lookup).argv[0] != sys.executable


def test_executables_run_themselves(lookup: Lookup, tmp_path: Path) -> None:
    """A file with the run bit and no known extension is executed, as is a .sh with a shebang."""
    for name in ("tool", "tool.sh", "tool.x"):
        path = _file(tmp_path / name, "#!/bin/sh\n", executable=True)
        run = resolve_script(name, (), lookup)
        assert (run.argv, run.interpreter) == ((str(path),), None)
    assert resolve_script("tool.x", (), lookup).name == "tool.x"


def test_a_shell_script_without_shebang_is_run_by_bash(
    lookup: Lookup, tmp_path: Path, bin_folder: Path
) -> None:
    """The kernel cannot execute a script without a shebang, so bash does."""
    _file(tmp_path / "job.sh", "echo hi\n", executable=True)
    assert resolve_script("job.sh", (), lookup).interpreter == str(bin_folder / "bash")


def test_an_interpreter_may_be_given_with_arguments(
    lookup: Lookup, tmp_path: Path, bin_folder: Path
) -> None:
    """``--interpreter "node --inspect"`` looks up the program and keeps its arguments."""
    path = _file(tmp_path / "app.x")
    run = resolve_script("app.x", (), lookup, "node --inspect")
    assert run.argv == (str(bin_folder / "node"), "--inspect", str(path))


def test_interpreter_none_needs_the_run_bit(lookup: Lookup, tmp_path: Path) -> None:
    """``--interpreter none`` executes the script itself and says so when that cannot be."""
    path = _file(tmp_path / "app.py", "#!/bin/sh\n")
    with pytest.raises(BadInputError, match="chmod"):
        resolve_script("app.py", (), lookup, "none")
    path.chmod(0o755)
    assert resolve_script("app.py", (), lookup, "none").argv == (str(path),)


def test_what_is_missing_is_named_with_advice(lookup: Lookup, tmp_path: Path) -> None:
    """A missing script, a folder, a missing run bit, a missing program: each says what to do."""
    (tmp_path / "folder").mkdir()
    _file(tmp_path / "data.bin")
    _file(tmp_path / "app.tsx")
    with pytest.raises(TargetNotFoundError, match="no such script"):
        resolve_script("none.py", (), lookup)
    with pytest.raises(TargetNotFoundError, match="monit start -- serve"):
        resolve_script("serve", (), lookup)
    with pytest.raises(BadInputError, match="is a folder"):
        resolve_script("folder", (), lookup)
    with pytest.raises(BadInputError, match=r"chmod \+x data.bin, or use --interpreter"):
        resolve_script("data.bin", (), lookup)
    with pytest.raises(BadInputError, match="--interpreter zsh9"):
        resolve_script("data.bin", (), lookup, "zsh9")
    with pytest.raises(BadInputError, match="bun or tsx"):
        resolve_script("app.tsx", (), lookup._replace(environ={"PATH": "/nowhere"}))


@pytest.mark.parametrize(
    "name",
    ["monit.toml", "pyproject.toml", "Procfile", "ecosystem.config.js", "eco.json", "apps.yml"],
)
def test_config_files_are_no_scripts(name: str, lookup: Lookup, tmp_path: Path) -> None:
    """A config file is not mistaken for a script."""
    _file(tmp_path / name)
    with pytest.raises(BadInputError, match="is a config file"):
        resolve_script(name, (), lookup)


def test_a_module_is_run_as_python_does(lookup: Lookup, bin_folder: Path) -> None:
    """``-m pkg.mod`` becomes ``python -m pkg.mod`` with the arguments, named after the module."""
    run = resolve_module("http.server", ("8000",), lookup)
    assert run.argv == (str(bin_folder / "python3"), "-m", "http.server", "8000")
    assert run.name == "http.server"
    with pytest.raises(BadInputError, match="not a Python module"):
        resolve_module("a/b", (), lookup)


def test_a_command_is_found_as_a_shell_would(lookup: Lookup, bin_folder: Path) -> None:
    """A command comes from the PATH or from its path, and must be executable."""
    run = resolve_command(("serve", "main:app"), lookup)
    assert run.argv == (str(bin_folder / "serve"), "main:app")
    assert (run.name, run.script, run.args) == ("serve", "serve", ("main:app",))
    assert resolve_command(("./bin/serve",), lookup).argv == (str(bin_folder / "serve"),)
    with pytest.raises(TargetNotFoundError, match="no such command"):
        resolve_command(("nosuch",), lookup)
    with pytest.raises(BadInputError, match="not executable"):
        resolve_command(("./bin",), lookup)


def test_a_script_is_also_looked_for_in_the_workers_folder(lookup: Lookup, tmp_path: Path) -> None:
    """As with pm2, ``--cwd there app.py`` finds ``there/app.py``."""
    there = tmp_path / "there"
    there.mkdir()
    path = _file(there / "app.py")
    assert resolve_script("app.py", (), lookup._replace(cwd=str(there))).script == str(path)


def test_odd_file_names_become_names_of_apps(lookup: Lookup, tmp_path: Path) -> None:
    """Characters that an app's name cannot have become dashes."""
    _file(tmp_path / "my app (1).py")
    assert resolve_script("my app (1).py", (), lookup).name == "my-app-1"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_script_that_may_not_be_read_is_refused(lookup: Lookup, tmp_path: Path) -> None:
    """A script without read permission is refused before anything is started."""
    _file(tmp_path / "app.py").chmod(0o000)
    with pytest.raises(BadInputError, match="chmod"):
        resolve_script("app.py", (), lookup)
