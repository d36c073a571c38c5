"""Who a worker really runs as, read from real processes that have changed their user."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.proctree import make_reader
from monit_agent.agent.sampling.sampler import SampledTree, TreeSampler
from monit_agent.agent.sampling.users import UserNames, effective_user
from monit_agent.system import procfs
from support.waiting import wait_until

NOBODY = 65534

MASTER = f"""
import os, time
for _ in range(2):
    if not os.fork():
        os.setuid({NOBODY})
        break
time.sleep(600)
"""
"""Works as `gunicorn --user` does: no exec after the change, so the files in /proc are root's."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")


@contextlib.contextmanager
def _started(command: Sequence[str], cwd: Path | None = None) -> Iterator[int]:
    process = subprocess.Popen(command, cwd=cwd, start_new_session=True)
    try:
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@as_root
@pytest.mark.parametrize(
    "command",
    [
        ["setpriv", "--reuid", "nobody", "--clear-groups", "sleep", "600"],
        ["runuser", "-u", "nobody", "--", "sleep", "600"],
        ["sh", "-c", "runuser -u nobody -- sleep 600; :"],
        ["su", "-s", "/bin/sh", "-c", "sleep 600; :", "nobody"],
        [sys.executable, "-I", "-c", MASTER],
    ],
    ids=["setpriv", "runuser", "a shell around it", "su", "master with workers"],
)
def test_the_user_is_who_does_the_work(command: Sequence[str]) -> None:
    """Who starts as root and leaves the work to another user is shown as that user."""
    sampler = TreeSampler(make_reader())
    with _started(command) as pid:

        def changed() -> SampledTree | None:
            tree = sampler.sample(0, pid, time.monotonic())
            return tree if tree and tree.user == UserNames().name_of(NOBODY) else None

        assert wait_until(changed, what="the user has changed")


def _tree(*processes: tuple[int, int, int, str]) -> list[Proc]:
    return [
        Proc(pid, ppid, 1.0, 0.0, 0.0, 0, 1, 0, comm, uid) for pid, ppid, uid, comm in processes
    ]


def test_a_helper_with_more_rights_is_not_the_worker() -> None:
    """An app that is not root stays what it is, whatever it has started."""
    assert effective_user(_tree((1, 0, 1000, "app"), (2, 1, 0, "sudo"), (3, 2, 0, "id"))) == 1000


def test_a_worker_of_root_with_helpers_of_its_own_is_root() -> None:
    """Most of its processes are root's, so the work is done as root."""
    tree = _tree((1, 0, 0, "app"), (2, 1, 0, "app"), (3, 1, 0, "app"), (4, 1, NOBODY, "redis"))

    assert effective_user(tree) == 0


def test_a_user_without_a_name_is_a_number() -> None:
    """In a container many users have none."""
    assert UserNames().name_of(4_000_123) == "4000123"


@as_root
def test_the_revision_of_another_users_worker_is_what_the_keeper_read(tmp_path: Path) -> None:
    """A link to a file of root in the worker's folder shows nothing of it."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "REVISION").symlink_to(tmp_path / "secret")
    passed = "a=b,vcs.ref.head.revision=v%201"
    words = ["setpriv", "--reuid", "nobody", "--clear-groups", "env"]
    shown: list[str | None] = []
    for attributes in ("a=b", passed):
        command = [*words, f"OTEL_RESOURCE_ATTRIBUTES={attributes}", "sleep", "600"]
        with _started(command, cwd=tmp_path) as pid:
            has = b"OTEL_RESOURCE_ATTRIBUTES", attributes.encode()
            wait_until(
                lambda pid=pid, has=has: has in (procfs.environment_of(pid) or {}).items(),
                what="it runs",
            )
            found = TreeSampler(make_reader()).sample(0, pid, time.monotonic())
            assert found is not None
            shown.append(found.revision)
    assert shown == [None, "v 1"]
