"""Several real sshd on the loopback address: one is cut, one hangs, one is bare, one is noisy."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.client.hosts.fleet_source import FleetSource
from monit_agent.client.hosts.names import Host
from monit_agent.client.view import HostView
from support.hosts import OtherHosts, real_sshd, ssh_sessions
from support.waiting import wait_until

QUIET = "import time\ntime.sleep(1000)\n"
WELL = ("web1", "web2", "web3", "noisy")
NOISE = """\
ForceCommand sh -c 'echo Welcome to this machine; exec sh -c "$SSH_ORIGINAL_COMMAND"'
"""

pytestmark = pytest.mark.skipif(
    shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin") is None, reason="there is no sshd"
)


@pytest.fixture(name="hosts")
def _hosts(home: Path, tmp_path: Path) -> Iterator[OtherHosts]:
    """Five machines with a home each; all but one run three instances of an app."""
    assert home.exists()
    hosts = OtherHosts(tmp_path)
    for name in WELL:
        hosts.add(name)
        hosts.start(name, "api", "-i", "3", text=QUIET)
    hosts.add("bare")
    yield hosts
    hosts.close()


@pytest.fixture(name="source")
def _source(hosts: OtherHosts, tmp_path: Path, home: Path) -> Iterator[FleetSource]:
    """A client of all five, each behind an sshd of its own."""
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        config = tmp_path / "all_hosts"
        for name, where in hosts.homes.items():
            folder = tmp_path / name
            folder.mkdir()
            path = "/usr/bin:/bin" if name == "bare" else f"{tmp_path}/bin:/usr/bin:/bin"
            settings = NOISE if name == "noisy" else ""
            one = stack.enter_context(real_sshd(folder, {name: where}, path, settings))
            with config.open("a") as file:
                file.write(f"Include {one}\n")
        patch.setenv("MONIT_SSH", f"ssh -F {config}")
        source = FleetSource(str(home), [Host(name, name) for name in hosts.homes])
        stack.callback(source.close)
        yield source


def _reaches(source: FleetSource, name: str, state: str) -> HostView:
    """Wait until a host is in a state, and return it."""
    view = source.fleet.hosts[name]

    def is_so() -> bool:
        source.poll(0.05)
        return view.state == state and (state != "live" or view.is_listed)

    wait_until(is_so, what=f"{name} is {state}", deadline_s=100)
    return view


def _instances(source: FleetSource, name: str) -> int:
    return sum(len(app.instances) for app in source.fleet.apps.values() if app.id.host == name)


@pytest.mark.timeout(300)
def test_what_one_host_suffers_the_others_do_not(
    source: FleetSource, hosts: OtherHosts, tmp_path: Path
) -> None:
    """Each fault has its words and ends by itself; nothing stays on a host."""
    for name in WELL:
        _reaches(source, name, "live")
        assert _instances(source, name) == 3
    bare = _reaches(source, "bare", "lost")
    assert "monit is not installed there" in str(bare.problem)

    for process in ssh_sessions(tmp_path / "web2"):
        process.kill()
    cut = _reaches(source, "web2", "lost")
    assert cut.problem is not None
    assert _instances(source, "web2") == 3
    assert _reaches(source, "web2", "live").problem is None

    stopped = ssh_sessions(tmp_path / "web3")
    assert stopped
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    silent = _reaches(source, "web3", "silent")
    assert "nothing was heard for" in str(silent.problem)
    assert {source.fleet.hosts[name].state for name in ("web1", "noisy")} == {"live"}
    for process in stopped:
        process.send_signal(signal.SIGCONT)
    assert _reaches(source, "web3", "live").problem is None

    def rate() -> float | None:
        source.poll(0.05)
        return source.fleet.hosts["web1"].bytes_per_s

    wait_until(rate, what="it is known how much a line carries")

    source.close()
    for name in WELL:
        wait_until(lambda name=name: not hosts.bridges(name), what=f"nothing stays on {name}")
