"""Completion in the real shells, and the second name of the command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pexpect
import pytest

from monit_agent.cli.verb_table import OF_TARGETS, load_verb
from monit_agent.wire.paths import app_paths

SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$({} completion bash)"'),
    "zsh": (["-f", "-i"], 'autoload -U compinit && compinit -u -D; eval "$({} completion zsh)"'),
    "fish": (["--no-config", "-i"], "{} completion fish | source"),
}

PROGRAM = """\
#!{python}
import sys
sys.path[0:0] = {path!r}
from monit_agent.cli import main
sys.exit(main())
"""


@pytest.fixture(name="bin_folder")
def _bin_folder(tmp_path: Path) -> Path:
    """Return a folder with both commands as an installation has them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("monit", "pmonit"):
        text = PROGRAM.format(python=sys.executable, path=[p for p in sys.path if p])
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def _app(home: Path, name: str) -> None:
    """Make an app as far as completion looks at it."""
    paths = app_paths(str(home), name)
    os.makedirs(paths.folder, mode=0o700)
    Path(paths.state).write_text("{}")


@pytest.mark.parametrize("name", ["monit", pytest.param("pmonit", marks=pytest.mark.full)])
@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_verbs_and_apps(
    shell: str, name: str, home: Path, bin_folder: Path, tmp_path: Path
) -> None:
    """In the shell itself: a verb, then the app that begins so."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    _app(home, "bakery-of-the-town")
    options, load = SHELLS[shell]
    env = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "TERM": "dumb",
           "HOME": str(tmp_path), "LANG": "C.UTF-8"}  # fmt: skip
    env.pop("PS1", None)
    child = pexpect.spawn(program, options, env=env, encoding="utf-8", timeout=60,
                          dimensions=(30, 120))  # fmt: skip
    try:
        child.sendline(f"{load.format(name)}; echo load'ed'")
        child.expect("loaded")
        child.send(f"{name} desc\t")
        child.expect("describe")
        child.send(" bak\t")
        child.expect("bakery-of-the-town")
    finally:
        child.close(force=True)


def test_completing_a_target_imports_little(home: Path, bin_folder: Path) -> None:
    """Who presses Tab waits for Python and click, and not for sockets and figures."""
    _app(home, "web")
    env = {**os.environ, "_MONIT_COMPLETE": "bash_complete", "COMP_WORDS": "monit stop w",
           "COMP_CWORD": "2", "PYTHONVERBOSE": "1"}  # fmt: skip
    done = subprocess.run([bin_folder / "monit"], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "plain,web"
    loaded = {line.split()[1].strip("'") for line in done.stderr.splitlines()
              if line.startswith("import ")}  # fmt: skip
    assert "click" in loaded
    assert not loaded & {"zmq", "psutil", "msgspec", "asyncio", "textual", "cronsim"}


@pytest.mark.parametrize("verb", OF_TARGETS)
def test_verbs_that_are_not_imported_take_only_targets(verb: str) -> None:
    """The short cut of the completion completes what the verb itself would."""
    (argument,) = [each for each in load_verb(verb).params if isinstance(each, click.Argument)]
    assert argument.name == "targets"


def test_an_option_of_a_verb_is_completed_too(home: Path, bin_folder: Path) -> None:
    """From the first hyphen on, the verb itself is asked."""
    env = {**os.environ, "_MONIT_COMPLETE": "bash_complete", "COMP_WORDS": "monit reload --par",
           "COMP_CWORD": "2"}  # fmt: skip
    done = subprocess.run([bin_folder / "monit"], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "plain,--parallel"


def test_the_second_name_is_used_in_all_words(home: Path, bin_folder: Path) -> None:
    """Where monit is another program, no help or error may lead to that."""
    for words, code in (
        (["--help"], 0),
        (["stop", "--help"], 0),
        (["stop"], 2),
        (["stop", "x"], 3),
    ):
        done = subprocess.run([bin_folder / "pmonit", *words], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        text = (done.stdout + done.stderr).replace("state/monit", "").replace("monit.toml", "")
        assert "pmonit" in text
        assert " monit " not in text.replace("\n", " \n ")
        assert not text.startswith("monit")
