"""Where monit is looked for when the installation that a process runs from is gone."""

from pathlib import Path

import pytest

from monit_agent.system.installation import (
    Installation,
    find_installation,
    is_there,
    own_installation,
)


def make(prefix: Path, version: str, python: str = "python3") -> Installation:
    """Make what an installer makes, as far as it is looked at."""
    executable = prefix / "bin" / python
    executable.parent.mkdir(parents=True, exist_ok=True)
    executable.write_text("")
    executable.chmod(0o755)
    package = prefix / "lib" / version / "site-packages" / "monit_agent"
    (package / "keeper").mkdir(parents=True)
    (package / "keeper" / "__main__.py").write_text("")
    return Installation(str(executable), str(package))


def test_the_own_one_is_there() -> None:
    """This process runs from it."""
    assert is_there(own_installation())


def test_another_minor_version_in_the_same_place_is_found(tmp_path: Path) -> None:
    """The newest, by number and not by letter."""
    make(tmp_path, "python3.9")
    newer = make(tmp_path, "python3.12")
    gone = Installation(newer.python, str(tmp_path / "lib/python3.8/site-packages/monit_agent"))
    assert find_installation(gone, "") == newer


def test_the_interpreter_in_the_command_s_first_line_is_found(tmp_path: Path) -> None:
    """Where pipx or uv put another environment, and only the command has its old place."""
    new = make(tmp_path / "new", "python3.12", "python")
    command = tmp_path / "bin" / "monit"
    command.parent.mkdir()
    command.write_text(f"#!{new.python}\nimport sys\n")
    gone = Installation(str(tmp_path / "old/bin/python"), str(tmp_path / "old/lib/x/monit_agent"))
    assert find_installation(gone, f"/nowhere:{tmp_path}/bin") == new


@pytest.mark.parametrize("text", ["", "#!/nowhere/python\n", "#!", "\x7fELF", "#!/bin/sh -e\n"])
def test_another_command_of_that_name_is_not_taken(tmp_path: Path, text: str) -> None:
    """Such as Debian's monit, or a script of somebody."""
    (tmp_path / "monit").write_text(text)
    gone = Installation(str(tmp_path / "old/bin/python"), str(tmp_path / "old/lib/x/monit_agent"))
    assert find_installation(gone, str(tmp_path)) is None
