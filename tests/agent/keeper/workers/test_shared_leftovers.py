"""What lies in ``/run/monit`` and belongs to no app any more."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.keeper.workers.shared_leftovers import PROBE_S, SOCKETS_S, remove_leftovers

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root has such folders")


@pytest.fixture(name="shared")
def _shared() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def make_old(folder: Path, age_s: float) -> None:
    at = folder.stat().st_mtime - age_s - 60
    os.utime(folder, (at, at))


def test_sockets_of_apps_that_are_gone_are_removed(shared: Path) -> None:
    """Not those that a process has bound, young ones, and what holds anything else."""
    held = []
    for name in ("gone-00000001", "bound-00000002", "young-00000003", "other-00000004", "mine"):
        folder = shared / name
        folder.mkdir()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
            bound.bind(str(folder / "notify.sock"))
            if name.startswith("bound"):
                held.append(bound.dup())
        if name.startswith("other"):
            (folder / "notes").touch()
        if not name.startswith("young"):
            make_old(folder, SOCKETS_S)
    remove_leftovers(str(shared))
    left = {folder.name for folder in shared.iterdir()}
    assert left == {"bound-00000002", "young-00000003", "other-00000004", "mine"}
    for each in held:
        each.close()


LISTEN_THERE = """
import socket, sys
sock = socket.socket(socket.AF_UNIX, getattr(socket, sys.argv[2]))
sock.bind(sys.argv[1])
if sys.argv[2] == "SOCK_STREAM":
    sock.listen()
    sock.settimeout(0)
print(flush=True)
sys.stdin.readline()
if sys.argv[2] == "SOCK_STREAM":
    try:
        print(sock.accept())
    except BlockingIOError:
        print("nobody")
"""


@pytest.mark.parametrize("kind", ["SOCK_DGRAM", "SOCK_STREAM"])
def test_sockets_of_another_network_namespace_stay(shared: Path, kind: str) -> None:
    """A keeper there is as alive; one that listens sees no connection."""
    folder = shared / "there-00000001"
    folder.mkdir()
    where = str(folder / "notify.sock")
    program = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", LISTEN_THERE, where, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        if not program.stdout.readline():
            pytest.skip("no network namespaces here")
        make_old(folder, SOCKETS_S)
        remove_leftovers(str(shared))
        assert folder.exists()
        assert program.communicate("\n")[0] in ("nobody\n", "")
    remove_leftovers(str(shared))
    assert not folder.exists()


def test_old_copies_of_the_probe_are_removed(shared: Path) -> None:
    """Not those that a program may still load, and not those of a keeper of that time."""
    for name in ("probe-00000001", "probe-00000002", "probe-00000003"):
        (shared / name / "inject" / "__pycache__").mkdir(parents=True)
        (shared / name / "inject" / "sitecustomize.py").touch()
        (shared / name / "inject" / "__pycache__" / "x.pyc").touch()
    make_old(shared / "probe-00000001", PROBE_S)
    make_old(shared / "probe-00000002", PROBE_S)
    env = {**os.environ, "PYTHONPATH": str(shared / "probe-00000002" / "inject")}
    program = subprocess.Popen(["sleep", "1000"], env=env)
    try:
        remove_leftovers(str(shared))
    finally:
        program.kill()
        program.wait()
    assert {each.name for each in shared.iterdir()} == {"probe-00000002", "probe-00000003"}
    remove_leftovers(str(shared))
    assert {each.name for each in shared.iterdir()} == {"probe-00000003"}
