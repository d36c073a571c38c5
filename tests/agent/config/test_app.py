"""The options of ``start`` become the spec that the keeper obeys."""

import os
from pathlib import Path
from typing import Any

import pytest

from monit_agent.config.app import Launch, change_launch, make_launch
from monit_agent.config.errors import BadInputError
from monit_agent.config.version import nearest_version
from monit_agent.supervise.spec import (
    AppSpec,
    BadSpecError,
    RestartPolicy,
    spec_from_json,
    spec_to_json,
)

ENVIRON = {"PATH": os.environ["PATH"], "MONIT_HOME": "/h", "SECRET": "s"}


def _launch(
    folder: Path, target: str | None = "app.py", words: tuple[str, ...] = (), **settings: Any
) -> Launch:
    return make_launch(target, words, settings, ENVIRON, str(folder))


def _script(folder: Path, name: str = "app.py") -> Path:
    path = folder / name
    path.write_text("")
    return path


def test_a_script_becomes_a_whole_spec(tmp_path: Path) -> None:
    """The spec holds absolute paths, the defaults and what was set, and survives JSON."""
    path = _script(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    spec = _launch(tmp_path, words=("--flag",), instances=2, env=(("A", "b"),)).spec
    assert (spec.name, spec.script, spec.cwd) == ("app", str(path), str(tmp_path))
    assert spec.argv[-2:] == (str(path), "--flag")
    assert (spec.instances, spec.version, spec.env_named) == (2, "1.2.3", ("A",))
    assert spec.created_at > 0
    assert spec_from_json(spec_to_json(spec)) == spec


def test_workers_get_the_users_environment_without_monits(tmp_path: Path) -> None:
    """MONIT_* stays out, and ``--env`` wins over ``--env-file``."""
    _script(tmp_path)
    (tmp_path / "env").write_text("A=1\nB=2\n")
    settings = {"env-file": (str(tmp_path / "env"),), "env": (("A", "3"),)}
    launch = _launch(tmp_path, **settings)
    assert launch.named == {"A": "3"}
    assert launch.spec.env_files == (str(tmp_path / "env"),)
    assert launch.env == {"PATH": ENVIRON["PATH"], "SECRET": "s"}


def test_a_file_that_can_be_read_only_once_is_kept_as_named(tmp_path: Path) -> None:
    """The variables of a pipe, as of ``<(decrypt secrets)``, stay; a later file wins over it."""
    _script(tmp_path)
    (tmp_path / "env").write_text("B=2\n")
    reading, writing = os.pipe()
    os.write(writing, b"A=1\nB=1\n")
    os.close(writing)
    launch = _launch(tmp_path, **{"env-file": (f"/dev/fd/{reading}", "env")})
    os.close(reading)
    assert launch.named == {"A": "1"}
    assert launch.spec.env_files == (str(tmp_path / "env"),)


def test_values_of_the_environment_are_not_in_the_spec(tmp_path: Path) -> None:
    """The spec goes to a file, so it holds the names of variables and no values."""
    _script(tmp_path)
    spec = _launch(tmp_path, env=(("TOKEN", "hush-hush"),)).spec
    assert "hush-hush" not in repr(spec)
    assert spec.env_named == ("TOKEN",)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "all", "é", "a b", "x" * 65, ".hidden"])
def test_odd_names_are_refused_with_the_option(name: str, tmp_path: Path) -> None:
    """A name that cannot be a folder, a topic and a target is refused, naming ``--name``."""
    _script(tmp_path)
    with pytest.raises(BadInputError, match="--name"):
        _launch(tmp_path, name=name)


def test_a_script_without_usable_name_asks_for_one(tmp_path: Path) -> None:
    """A script whose stem has no allowed character needs ``--name``."""
    _script(tmp_path, "日本.py")
    with pytest.raises(BadInputError, match="choose one with --name"):
        _launch(tmp_path, "日本.py")


def test_a_missing_cwd_is_refused(tmp_path: Path) -> None:
    """``--cwd`` must be a folder; the error says which was looked for."""
    path = _script(tmp_path)
    for wrong in ("nowhere", str(path)):
        with pytest.raises(BadInputError, match="--cwd"):
            _launch(tmp_path, cwd=wrong)


def test_nothing_to_start_says_how(tmp_path: Path) -> None:
    """Without target, module and command the error shows the three ways."""
    with pytest.raises(BadInputError, match="-m MODULE"):
        _launch(tmp_path, None)


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


def test_changed_settings_leave_the_others_alone(tmp_path: Path) -> None:
    """A known app keeps what was not named again; variables named before stay in the list."""
    _script(tmp_path)
    spec = _launch(
        tmp_path,
        instances=2,
        env=(("A", "1"),),
        **{"kill-timeout": 5.0, "health.url": "http://h/", "health.failures": 5},
    ).spec
    settings = {"instances": 3, "env": (("B", "2"),)}
    launch = change_launch(spec, settings, ENVIRON, "/", {"A": "1"})
    changed = launch.spec
    assert (changed.instances, changed.policy, changed.checks) == (3, spec.policy, spec.checks)
    assert changed.env_named == ("A", "B")
    assert launch.named == {"A": "1", "B": "2"}
    assert (changed.argv, changed.cwd) == (spec.argv, spec.cwd)


def test_a_check_replaces_the_other_of_its_kind_and_none_removes_it(tmp_path: Path) -> None:
    """A URL takes the place of a command; without a check its settings go too."""
    _script(tmp_path)
    spec = _launch(tmp_path, **{"health.command": ("true",), "health.failures": 5}).spec
    by_url = change_launch(spec, {"health.url": "http://h/"}, ENVIRON, "/", {}).spec.checks
    assert (by_url.health_url, by_url.health_command) == ("http://h/", ())
    assert by_url.health_failures == 5
    none = change_launch(spec, {"health.url": ""}, ENVIRON, "/", {}).spec
    assert none.checks == AppSpec("", "", (), "", "").checks


def test_the_spec_of_an_earlier_version() -> None:
    """Its keys mean today's; today's are written beside them, and what that version changed
    counts."""
    spec = AppSpec("web", "w.py", ("w.py",), "/srv", "me")
    plain = spec_to_json(spec)
    assert (plain["watching"], plain["policy"]["autorestart"]) == (False, True)
    old = {**plain, "watching": True, "policy": {**plain["policy"], "autorestart": False}}
    del old["watch_paths"], old["policy"]["restart"]
    found = spec_from_json(old)
    assert (found.watch_paths, found.policy.restart) == (("/srv",), "never")
    chosen = spec._replace(watch_paths=("/srv/a",), policy=RestartPolicy(restart="on-failure"))
    assert spec_from_json(spec_to_json(chosen)) == chosen
    changed = spec_to_json(chosen)
    changed["watching"] = changed["policy"]["autorestart"] = False
    found = spec_from_json(changed)
    assert (found.watch_paths, found.policy.restart) == ((), "never")


def test_a_watched_spec_without_a_folder_is_no_spec() -> None:
    """The folder that an earlier version watched is the one that the spec lacks."""
    with pytest.raises(BadSpecError, match="cwd"):
        spec_from_json({"watching": True})
