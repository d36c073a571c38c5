"""Several real sshd on the loopback address: one is cut, one hangs, one is bare, one is noisy, one
is behind another, one has an older monit."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.client.hosts.fleet_source import FleetSource
from monit_agent.client.hosts.names import Host
from monit_agent.client.view import HostView
from monit_agent.wire.limits import PROTOCOL_VERSION
from support.command_line import script
from support.hosts import OtherHosts, real_sshd, ssh_sessions
from support.releases import older_wheel, set_protocol
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


@pytest.fixture(name="inner")
def _inner(home: Path, tmp_path: Path) -> Iterator[OtherHosts]:
    """A machine with an app, `inner`, and one without monit, `jump`."""
    assert home.exists()
    hosts = OtherHosts(tmp_path)
    hosts.add("inner")
    hosts.add("jump")
    hosts.start("inner", "api", text=QUIET)
    yield hosts
    hosts.close()


def test_a_host_behind_another_one(
    inner: OtherHosts, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A jump host needs no monit. Where it cuts the line, that is lost and comes back; where it is
    down, its problem is named; nothing stays on either."""
    config = tmp_path / "both_hosts"
    with contextlib.ExitStack() as stack:
        for name, path in (("jump", "/usr/bin:/bin"), ("inner", f"{tmp_path}/bin:/usr/bin:/bin")):
            folder = tmp_path / f"{name}_sshd"
            folder.mkdir()
            sshd = stack.enter_context(real_sshd(folder, {name: inner.homes[name]}, path))
            with config.open("a") as file:
                file.write(f"Include {sshd}\n")
        with config.open("a") as file:
            file.write("Host inner\nProxyJump jump\n")
        monkeypatch.setenv("MONIT_SSH", f"ssh -F {config}")
        source = FleetSource(str(home), [Host("inner", "inner")])
        stack.callback(source.close)
        _reaches(source, "inner", "live")
        assert _instances(source, "inner") == 1
        sessions = ssh_sessions(tmp_path / "jump_sshd")
        assert sessions
        for process in sessions:
            process.kill()
        assert _reaches(source, "inner", "lost").problem is not None
        _reaches(source, "inner", "live")
        source.close()
        wait_until(lambda: not inner.bridges("inner"), what="the bridge has ended")
        wait_until(lambda: not ssh_sessions(tmp_path / "jump_sshd"), what="the jump host is free")

        jump = tmp_path / "jump_sshd" / "ssh_config"
        jump.write_text(re.sub(r"(?m)^Port \d+$", "Port 1", jump.read_text()))
        done = inner.monit("list", "--host", "inner", MONIT_SSH=f"ssh -F {config}")
        assert "inner: not reachable (ssh: connect to host 127.0.0.1 port 1: " in done.stderr


def test_an_older_wheel_on_a_host(home: Path, tmp_path: Path) -> None:
    """Neighbours in version work together: apps of the older one are shown with its version and
    reloaded. One that is too old says which side to upgrade."""
    assert home.exists()
    wheel = older_wheel(tmp_path, "0.0.9", PROTOCOL_VERSION - 1)
    hosts = OtherHosts(tmp_path)
    old = hosts.add("old")
    try:
        app = str(script(old, "api.py"))
        started = subprocess.run(
            [str(wheel / "monit"), "start", app, "--min-uptime", "0.1s"],
            env={**os.environ, "MONIT_HOME": str(old)},
            capture_output=True,
            text=True,
        )
        assert started.returncode == 0, started.stderr
        with real_sshd(tmp_path, {"old": old}, f"{wheel}:/usr/bin:/bin") as config:
            ssh = {"MONIT_SSH": f"ssh -F {config}"}

            def monit(*words: str) -> "subprocess.CompletedProcess[str]":
                return hosts.monit(*words, "--host", "old", **ssh)

            (before,) = json.loads(monit("list", "--json").stdout)
            assert (before["host"], before["status"]) == ("old", "online")
            assert (before["keeper_version"], before["agent_version"]) == ("0.0.9", "0.0.9")
            done = monit("reload", "api")
            assert done.returncode == 0, done.stderr
            (after,) = json.loads(monit("list", "--json").stdout)
            assert (after["status"], after["pid"] != before["pid"]) == ("online", True)
            assert "tick" in monit("logs", "api", "--no-follow").stdout
            wait_until(lambda: not hosts.bridges("old"), what="the bridges have ended")

            (package,) = wheel.parent.glob("lib/python*/site-packages/monit_agent")
            set_protocol(package, PROTOCOL_VERSION - 1, PROTOCOL_VERSION - 2)
            done = monit("list")
            assert "monit 0.0.9 there speaks another protocol than this one" in done.stderr
            assert "install the newer version there" in done.stderr
    finally:
        hosts.close()
