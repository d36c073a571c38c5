"""Which apps a home has, which folder and which config file is meant, and what is refused."""

import os
from pathlib import Path

import click
import pytest

from monit_agent.cli.control.config_files import chosen_profile, config_errors, config_path
from monit_agent.cli.control.current_folder import current_folder
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import app_names, complete_start, complete_target
from monit_agent.config.errors import BadInputError, TargetNotFoundError
from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place
from monit_agent.wire.paths import app_paths


def make_app(home: Path, name: str) -> None:
    paths = app_paths(str(home), name)
    os.makedirs(paths.folder)
    Path(paths.state).touch()


# ---------------------------------------------------------------- apps


def test_an_app_is_a_folder_with_a_state_file(tmp_path: Path) -> None:
    """Folders that a failed start left and files of others are none; the names are sorted."""
    assert app_names(str(tmp_path / "new")) == []
    for name in ("web", "api"):
        make_app(tmp_path, name)
    (tmp_path / "apps" / "left").mkdir()
    (tmp_path / "apps" / "file").touch()
    assert app_names(str(tmp_path)) == ["api", "web"]


def test_a_home_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    """It is not taken for an empty one."""
    (tmp_path / "apps").touch()
    with pytest.raises(CommandError) as failed:
        app_names(str(tmp_path))
    assert failed.value.code is ExitCode.FAILED
    text = f"cannot list the apps in {tmp_path}: Not a directory; check MONIT_HOME"
    assert str(failed.value) == text


def test_names_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``all`` is a target as well, and a start completes files besides."""
    monkeypatch.setenv("MONIT_HOME", str(tmp_path))
    for name in ("api", "web", "web2"):
        make_app(tmp_path, name)
    ctx, param = click.Context(click.Command("stop")), click.Argument(["target"])
    assert [each.value for each in complete_target(ctx, param, "a")] == ["api", "all"]
    started = complete_start(ctx, param, "w")
    assert [(each.value, each.type) for each in started] == [
        ("web", "plain"),
        ("web2", "plain"),
        ("w", "file"),
    ]


def test_a_completion_never_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is still typing: an error would be written into the command line."""
    monkeypatch.setenv("MONIT_HOME", str(tmp_path))
    (tmp_path / "apps").touch()
    ctx, param = click.Context(click.Command("stop")), click.Argument(["target"])
    assert complete_target(ctx, param, "") == []


# ---------------------------------------------------------------- folders


def test_the_folder_is_the_one_that_the_user_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a link, which a later release moves; a PWD of another folder does not count."""
    release, link = tmp_path / "release-1", tmp_path / "current"
    release.mkdir()
    link.symlink_to(release)
    monkeypatch.chdir(release)
    for entered, folder in (
        (link, link),
        (tmp_path, release),
        ("release-1", release),
        ("/nowhere", release),
    ):
        monkeypatch.setenv("PWD", str(entered))
        assert current_folder() == str(folder)
    monkeypatch.delenv("PWD")
    assert current_folder() == str(release)


def test_a_removed_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text says what to do."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setenv("PWD", str(gone))
    try:
        with pytest.raises(BadInputError, match="the current folder was removed; cd to another"):
            current_folder()
    finally:
        os.chdir(tmp_path)


# ---------------------------------------------------------------- config files


@pytest.mark.parametrize(("name", "why"), [("sub", "is a folder"), ("gone", "does not exist")])
def test_a_config_file_that_was_named_must_be_one(tmp_path: Path, name: str, why: str) -> None:
    """It is named as the user typed it."""
    (tmp_path / "sub").mkdir()
    with pytest.raises(CommandError) as failed:
        config_path(name, str(tmp_path))
    assert failed.value.code is ExitCode.NO_TARGET
    assert str(failed.value) == f"the config file {name} {why}"


def test_a_config_file_is_found_from_the_folder(tmp_path: Path) -> None:
    """By a relative path, or by its usual name; without one, the text names what was looked for."""
    with pytest.raises(CommandError) as failed:
        config_path(None, str(tmp_path))
    text = f"there is no config file in {tmp_path}: neither monit.toml, pyproject.toml with"
    assert str(failed.value).startswith(text)
    file = tmp_path / "monit.toml"
    file.touch()
    (tmp_path / "sub").mkdir()
    assert config_path(None, str(tmp_path)) == str(file)
    assert config_path("../monit.toml", str(tmp_path / "sub")) == str(file)


def test_all_faults_of_a_file_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the file, and the code is that of a wrong input."""
    faults = [Fault(Place("/a.toml", 9), "second"), Fault(Place("/a.toml", 2), "first")]
    with pytest.raises(CommandError) as failed, config_errors():
        raise ConfigFaultsError(faults)
    assert failed.value.code is ExitCode.USAGE
    assert str(failed.value) == "/a.toml:9: second"
    assert capsys.readouterr().err == "monit: /a.toml:2: first\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TargetNotFoundError("no such app"), ExitCode.NO_TARGET),
        (BadInputError("bad value"), ExitCode.USAGE),
    ],
)
def test_other_errors_keep_their_text(error: Exception, code: ExitCode) -> None:
    """A missing target and a wrong value have codes of their own."""
    with pytest.raises(CommandError) as failed, config_errors():
        raise error
    assert (failed.value.code, str(failed.value)) == (code, str(error))


def test_the_profile_of_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is none."""
    monkeypatch.setenv("MONIT_PROFILE", "production")
    assert chosen_profile("test") == "test"
    assert chosen_profile(None) == "production"
    monkeypatch.setenv("MONIT_PROFILE", "")
    assert chosen_profile(None) is None
