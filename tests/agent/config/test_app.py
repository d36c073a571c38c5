"""The options of ``start`` become the spec that the keeper obeys."""

import os
from pathlib import Path

import pytest

from monit_agent.config.app import StartOptions, make_launch
from monit_agent.config.errors import BadInputError
from monit_agent.config.version import nearest_version
from monit_agent.supervise.spec import from_json, to_json

ENVIRON = {"PATH": os.environ["PATH"], "MONIT_HOME": "/h", "SECRET": "s"}


def _script(folder: Path, name: str = "app.py") -> Path:
    path = folder / name
    path.write_text("")
    return path


def test_a_script_becomes_a_whole_spec(tmp_path: Path) -> None:
    """The spec holds absolute paths, the defaults and what was said, and survives JSON."""
    path = _script(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    options = StartOptions(target="app.py", words=("--flag",), instances=2, env={"A": "b"})
    launch = make_launch(options, ENVIRON, str(tmp_path))
    spec = launch.spec
    assert (spec.name, spec.script, spec.cwd) == ("app", str(path), str(tmp_path))
    assert spec.argv[-2:] == (str(path), "--flag")
    assert (spec.instances, spec.version, spec.env_named) == (2, "1.2.3", ("A",))
    assert spec.created_at > 0
    assert from_json(to_json(spec)) == spec


def test_workers_get_the_users_environment_without_monits(tmp_path: Path) -> None:
    """MONIT_* stays out, and ``--env`` wins over ``--env-file``."""
    _script(tmp_path)
    options = StartOptions(target="app.py", env_file={"A": "1", "B": "2"}, env={"A": "3"})
    env = make_launch(options, ENVIRON, str(tmp_path)).env
    assert (env["A"], env["B"], env["SECRET"]) == ("3", "2", "s")
    assert "MONIT_HOME" not in env


def test_values_of_the_environment_are_not_in_the_spec(tmp_path: Path) -> None:
    """The spec goes to a file, so it holds the names of variables and no values."""
    _script(tmp_path)
    options = StartOptions(target="app.py", env={"TOKEN": "hush-hush"})
    spec = make_launch(options, ENVIRON, str(tmp_path)).spec
    assert "hush-hush" not in repr(spec)
    assert spec.env_named == ("TOKEN",)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "all", "é", "a b", "x" * 65, ".hidden"])
def test_odd_names_are_refused_with_the_option(name: str, tmp_path: Path) -> None:
    """A name that cannot be a folder, a topic and a target is refused, naming ``--name``."""
    _script(tmp_path)
    with pytest.raises(BadInputError, match="--name"):
        make_launch(StartOptions(target="app.py", name=name), ENVIRON, str(tmp_path))


def test_a_script_without_usable_name_asks_for_one(tmp_path: Path) -> None:
    """A script whose stem has no allowed character needs ``--name``."""
    _script(tmp_path, "日本.py")
    with pytest.raises(BadInputError, match="choose one with --name"):
        make_launch(StartOptions(target="日本.py"), ENVIRON, str(tmp_path))


def test_a_missing_cwd_is_refused(tmp_path: Path) -> None:
    """``--cwd`` must be a folder; the error says which was looked for."""
    path = _script(tmp_path)
    for wrong in ("nowhere", str(path)):
        with pytest.raises(BadInputError, match="--cwd"):
            make_launch(StartOptions(target="app.py", cwd=wrong), ENVIRON, str(tmp_path))


def test_nothing_to_start_says_how(tmp_path: Path) -> None:
    """Without target, module and command the error shows the three ways."""
    with pytest.raises(BadInputError, match="-m MODULE"):
        make_launch(StartOptions(), ENVIRON, str(tmp_path))


def test_the_nearest_version_counts(tmp_path: Path) -> None:
    """The version comes from the nearest file above the script; a broken one gives none."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "package.json").write_text('{"version": "2.0.0"}')
    assert nearest_version(str(deep)) == "2.0.0"
    (tmp_path / "a" / "pyproject.toml").write_text('[tool.poetry]\nversion = "3"\n')
    assert nearest_version(str(deep)) == "3"
    for broken in ("{", "[]", '{"version": 7}', '{"version": "\\u001b[31m"}'):
        (deep / "package.json").write_text(broken)
        assert nearest_version(str(deep)) is None


def test_the_search_for_a_version_ends_at_the_repository(tmp_path: Path) -> None:
    """A version above the repository's root is another project's."""
    repository = tmp_path / "repo"
    (repository / ".git").mkdir(parents=True)
    (tmp_path / "package.json").write_text('{"version": "9"}')
    assert nearest_version(str(repository)) is None
