"""Programs that run as another user or in a sandbox start as without monit."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from support.command_line import monit, printed, row, script

NODE = shutil.which("node") or ""
PYTHON = "/usr/bin/python3"
"""One that every user may run."""


def can_run(*words: str) -> bool:
    """Return whether a command exists here and succeeds."""
    return (
        bool(shutil.which(words[0])) and not subprocess.run(words, capture_output=True).returncode
    )


pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or not Path(PYTHON).exists(), reason="only root can be another user"
)
needs_node = pytest.mark.skipif(not NODE, reason="node is not installed here")
needs_mounts = pytest.mark.skipif(
    not NODE or not can_run("unshare", "-m", "true"), reason="no mount namespaces or no node here"
)

SAYS_WHO = {
    "node": (NODE, "-e", "console.log('up as', process.getuid()); setInterval(() => {}, 1000)"),
    "python": (PYTHON, "-c", "import os, time; print('up as', os.getuid()); time.sleep(1000)"),
}
AS_NOBODY = {
    "runuser": ("runuser", "-u", "nobody", "--"),
    "setpriv": ("setpriv", "--reuid=65534", "--clear-groups", "--"),
    "su": ("su", "nobody", "-s", "/bin/sh", "-c"),
}


def start(*words: str, options: tuple[str, ...] = ()) -> None:
    monit("start", "--name", "web", "--cwd", "/", *options, "--", *words)


def assert_started_at_once() -> None:
    """Check that the first worker came online and printed no error."""
    assert row("web")["status"] == "online"
    assert row("web")["restarts"] == 0
    assert monit("logs", "web", "--err", "--no-follow", "-n", "99") == ""


@needs_node
@pytest.mark.parametrize("kind", SAYS_WHO)
@pytest.mark.parametrize("by", AS_NOBODY)
def test_a_program_of_another_user_starts(home: Path, by: str, kind: str) -> None:
    """Whatever changes the user: the probe's files are where every user may read them."""
    if not shutil.which(by):
        pytest.skip(f"there is no {by} here")
    words = SAYS_WHO[kind]
    start(*AS_NOBODY[by], *((shlex.join(words),) if by == "su" else words))
    printed("web", "up as 65534")
    assert_started_at_once()


HIDES_THE_PROBE = "mount -t tmpfs none /run && mount -t tmpfs none {home}/cache && exec {program}"
"""What a sandbox does: other files are in the places of ours."""


def in_sandbox(home: Path, program: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command that runs ``program`` where the probe's files are missing."""
    (home / "cache").mkdir(exist_ok=True)
    hides = HIDES_THE_PROBE.format(home=home, program=shlex.join(program))
    return "unshare", "-m", "sh", "-c", hides


@needs_mounts
@pytest.mark.parametrize("kind", SAYS_WHO)
def test_a_program_in_a_sandbox_starts(home: Path, kind: str) -> None:
    """The files that the environment names are missing there."""
    start(*in_sandbox(home, SAYS_WHO[kind]))
    printed("web", "up as 0")
    assert_started_at_once()


@needs_node
def test_a_program_with_nodes_own_permissions_starts(home: Path) -> None:
    """It may read only its own files."""
    code = script(home, "web.js", "console.log('up'); setInterval(() => {}, 1000)")
    flag = (
        "--permission" if can_run(NODE, "--permission", "-e", "") else "--experimental-permission"
    )
    start(NODE, "--no-warnings", flag, f"--allow-fs-read={code}", str(code))
    printed("web", "up")
    assert_started_at_once()


@needs_mounts
@pytest.mark.parametrize("options", [(), ("--no-autorestart",)])
def test_a_sandbox_that_the_command_does_not_show(home: Path, options: tuple[str, ...]) -> None:
    """Node cannot load the probe, so the app is started without it at once."""
    hidden = in_sandbox(home, SAYS_WHO["node"])
    start("sh", str(script(home, "run.sh", "exec " + shlex.join(hidden))), options=options)
    printed("web", "up as 0")
    assert row("web")["status"] == "online"
    assert row("web")["restarts"] == 0


SPAWNS = """
require('child_process').spawn(process.argv[1], process.argv.slice(2), {stdio: 'inherit'});
setInterval(() => {}, 1000);
"""
STARTS_CHILD = {
    "node": (NODE, "-e", SPAWNS),
    "python": (PYTHON, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])"),
}


@needs_mounts
@pytest.mark.parametrize("where", ["another user", "a sandbox"])
@pytest.mark.parametrize("parent", STARTS_CHILD)
def test_a_child_starts_as_another_user_and_in_a_sandbox(
    home: Path, parent: str, where: str
) -> None:
    """A Node that a worker starts there inherits a variable that names the probe's files."""
    user = AS_NOBODY["setpriv"] + SAYS_WHO["node"]
    child = in_sandbox(home, SAYS_WHO["node"]) if where == "a sandbox" else user
    # in a script, because a command that shows it would have no process load the probe
    start("sh", str(script(home, "run.sh", "exec " + shlex.join((*STARTS_CHILD[parent], *child)))))
    printed("web", "up as 0" if where == "a sandbox" else "up as 65534")
    assert_started_at_once()
