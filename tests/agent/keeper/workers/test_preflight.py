"""What must exist before a running worker is stopped for the next one."""

import os
from pathlib import Path
from typing import Any

import pytest

from monit_agent.keeper.workers.preflight import missing_for_start
from monit_agent.supervise.spec import AppSpec

NOT_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")


def spec(folder: Path, *argv: str, **fields: Any) -> AppSpec:
    return AppSpec("web", argv[0], argv, str(folder), "me")._replace(**fields)


def program(path: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_nothing_is_missing_where_everything_exists(tmp_path: Path) -> None:
    """By its path, by a path from the working directory, and by its name in PATH."""
    tool = program(tmp_path / "bin" / "tool")
    path = os.fsencode(tool.parent)
    for name in (str(tool), "bin/tool", "./bin/tool", "tool"):
        assert missing_for_start(spec(tmp_path, name), path) is None
    assert missing_for_start(spec(tmp_path, "tool"), b"bin") is None


def test_without_path_the_usual_folders_are_searched(tmp_path: Path) -> None:
    """As the system does when the variable is not set."""
    assert missing_for_start(spec(tmp_path, "sh"), None) is None
    assert missing_for_start(spec(tmp_path, "sh"), b"/nowhere") == "the program sh does not exist"


def test_the_working_directory_must_exist(tmp_path: Path) -> None:
    """A file in its place is none."""
    for folder in (tmp_path / "gone", program(tmp_path / "file")):
        text = f"the working directory {folder} does not exist"
        assert missing_for_start(spec(folder, "/bin/sh"), None) == text


@NOT_ROOT
def test_the_working_directory_must_let_it_in(tmp_path: Path) -> None:
    """The text says that a permission is missing."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o600)
    text = f"the working directory {folder} cannot be entered: permission denied"
    assert missing_for_start(spec(folder, "/bin/sh"), None) == text


def test_the_script_of_an_interpreter_must_exist(tmp_path: Path) -> None:
    """It is the word before the script's own arguments."""
    script = program(tmp_path / "app.py")
    argv = ("/bin/sh", "-u", str(script), "--port", "1")
    fields = {"interpreter": "/bin/sh", "args": ("--port", "1")}
    assert missing_for_start(spec(tmp_path, *argv, **fields), None) is None
    script.unlink()
    text = f"the script {script} does not exist"
    assert missing_for_start(spec(tmp_path, *argv, **fields), None) == text


def test_a_module_of_an_interpreter_is_no_file(tmp_path: Path) -> None:
    """``python -m http.server`` has no script to look for."""
    module = spec(tmp_path, "/bin/sh", "-m", "http.server", interpreter="/bin/sh")
    assert missing_for_start(module, None) is None


@pytest.mark.parametrize("name", ["tool", "./tool", "/nowhere/tool"])
def test_the_program_must_exist(tmp_path: Path, name: str) -> None:
    """It is named as the user typed it."""
    text = f"the program {name} does not exist"
    assert missing_for_start(spec(tmp_path, name), os.fsencode(tmp_path)) == text


def test_the_program_must_be_executable(tmp_path: Path) -> None:
    """By its path the permission is the reason; in PATH the system looks further."""
    tool = program(tmp_path / "tool", mode=0o644)
    text = f"the program {tool} cannot be executed: permission denied"
    assert missing_for_start(spec(tmp_path, str(tool)), None) == text
    other = program(tmp_path / "bin" / "tool")
    path = os.fsencode(f"{tool.parent}:{other.parent}")
    assert missing_for_start(spec(tmp_path, "tool"), path) is None


def test_the_interpreter_of_the_first_line_must_exist(tmp_path: Path) -> None:
    """Else the system would say that the script itself does not exist."""
    tool = program(tmp_path / "tool", "#!/nowhere/python\n")
    text = missing_for_start(spec(tmp_path, str(tool)), None)
    assert text is not None
    assert text.startswith(f"{tool} cannot be run: its interpreter '/nowhere/python'")


def test_env_finds_the_interpreter_in_the_path_of_the_workers(tmp_path: Path) -> None:
    """Not in that of the keeper."""
    tool = program(tmp_path / "tool", "#!/usr/bin/env mylang\n")
    text = missing_for_start(spec(tmp_path, str(tool)), b"/usr/bin")
    assert text is not None
    assert "its interpreter 'mylang' (the first line, #!/usr/bin/env) is not in PATH" in text
    mylang = program(tmp_path / "bin" / "mylang")
    assert missing_for_start(spec(tmp_path, str(tool)), os.fsencode(mylang.parent)) is None
