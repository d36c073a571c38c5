"""Hosts with what people have in ``~/.ssh/config`` and ``authorized_keys``: masters, commands and
forwards for a shell, keys that are new or have changed, two names of one machine, IPv6."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from monit_agent.client.hosts.fleet_source import FleetSource
from monit_agent.client.hosts.names import Host, HostError, parse_hosts
from monit_agent.wire import bridge
from monit_agent.wire.limits import PROTOCOL_VERSION
from support.hosts import OtherHosts, real_sshd, ssh_sessions
from support.waiting import wait_until

QUIET = "import time\ntime.sleep(1000)\n"

pytestmark = pytest.mark.skipif(
    shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin") is None, reason="there is no sshd"
)


class Server(NamedTuple):
    """A machine, ``web1``, with an app behind an sshd; ``config`` reaches it."""

    hosts: OtherHosts
    folder: Path
    config: Path

    def configured(self, name: str, *lines: str) -> str:
        """Return the ssh to use with these lines before those of the configuration."""
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n" + self.config.read_text())
        return f"ssh -F {path}"

    def with_master(self) -> str:
        """Return the ssh to use where sessions share a connection."""
        folder = self.hosts.homes["web1"]  # a longer path is too long for a socket
        return self.configured(
            "master", "Host web1", "ControlMaster auto", f"ControlPath {folder}/%C"
        )

    def monit(self, ssh: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command with this ssh."""
        return self.hosts.monit(*words, MONIT_SSH=ssh)

    def apps(self, ssh: str, hosts: str = "web1") -> list[tuple[str, str]]:
        """Return host and app of each row."""
        done = self.monit(ssh, "list", "--json", "--host", hosts)
        assert done.returncode == 0, done.stderr
        return [(row["host"], row["app"]) for row in json.loads(done.stdout)]

    @property
    def port(self) -> str:
        """That of the sshd."""
        (found,) = set(re.findall(r"(?m)^Port (\d+)$", self.config.read_text()))
        return found


@pytest.fixture(name="server")
def _server(home: Path, tmp_path: Path) -> Iterator[Server]:
    assert home.exists()
    hosts = OtherHosts(tmp_path)
    hosts.add("web1")
    hosts.start("web1", "api", text=QUIET)
    folder = tmp_path / "sshd"
    folder.mkdir()
    (folder / "banner").write_text("Permission denied to strangers.\n")
    settings = f"ListenAddress ::1\nBanner {folder}/banner\n"
    path = f"{tmp_path}/bin:/usr/bin:/bin"
    with real_sshd(folder, hosts.homes, path, settings) as config:
        yield Server(hosts, folder, config)
    hosts.close()


def test_the_end_of_monit_ends_no_session_of_the_user(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``ControlMaster auto``, sessions that begin later would share monit's connection."""
    ssh = server.with_master()
    monkeypatch.setenv("MONIT_SSH", ssh)
    source = FleetSource(str(home), [Host("web1", "web1")])
    with contextlib.closing(source):
        view = source.fleet.hosts["web1"]
        wait_until(lambda: source.poll(0.05) and view.is_listed, what="web1 is reached")
        other = subprocess.Popen(
            [*ssh.split(), "web1", "echo here; read line; echo $line"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "here\n"
    wait_until(lambda: not server.hosts.bridges("web1"), what="monit's session has ended")
    assert other.communicate("still there\n")[0] == "still there\n"


def test_a_master_of_the_user_is_used(server: Server) -> None:
    """It saves the login; it goes on when monit has ended."""
    ssh = server.with_master()
    master = subprocess.Popen(
        [*ssh.split(), "web1", "echo here; cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert master.stdout is not None
    assert master.stdout.readline() == "here\n"
    # nobody else can log in
    (server.folder / "user_key.pub").write_text("")
    assert server.apps(ssh) == [("web1", "api")]
    assert master.communicate("still there\n")[0] == "still there\n"


def test_what_a_shell_there_is_given_does_not_count(server: Server) -> None:
    """A command, a terminal, ports that are taken: they are for people who log in."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ssh = server.configured(
            "shell", "Host web1", "RemoteCommand cat", "RequestTTY force", "ForwardAgent yes",
            f"LocalForward {port} 127.0.0.1:1", "ExitOnForwardFailure yes",
        )  # fmt: skip
        assert server.apps(ssh) == [("web1", "api")]


def test_the_agent_stays_here(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is open for hours gives nobody there the use of the user's keys."""
    path = server.hosts.homes["web1"] / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        wait_until(path.exists, what="the agent listens")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        monkeypatch.setenv("MONIT_SSH", server.configured("agent", "Host web1", "ForwardAgent yes"))
        with contextlib.closing(FleetSource(str(home), [Host("web1", "web1")])) as source:
            view = source.fleet.hosts["web1"]
            wait_until(lambda: source.poll(0.05) and view.is_listed, what="web1 is reached")
            (bridge_there,) = server.hosts.bridges("web1")
            assert "SSH_CONNECTION" in bridge_there.environ()
            assert "SSH_AUTH_SOCK" not in bridge_there.environ()
    finally:
        agent.kill()
        agent.wait()


def test_a_host_key_that_is_new_or_another_one(server: Server) -> None:
    """They are told apart: one is for the user to confirm, the other may be an attack."""
    known, key = server.folder / "known_hosts", (server.folder / "host_key.pub").read_text()
    place = f"[127.0.0.1]:{server.port}"
    ssh = server.configured(
        "asks", "Host web1", f"UserKnownHostsFile {known}", "StrictHostKeyChecking ask"
    )
    done = server.monit(ssh, "list", "--host", "web1")
    assert "web1: its host key is not known yet; run once: ssh web1" in done.stderr
    other = (server.folder / "user_key.pub").read_text()
    known.write_text(f"{place} {other}")
    done = server.monit(ssh, "list", "--host", "web1")
    assert "web1: its host key is another one than before; run ssh web1" in done.stderr
    assert done.returncode == 4
    known.write_text(f"{place} {key}")
    assert server.apps(ssh) == [("web1", "api")]


def test_ssh_that_says_nothing(server: Server) -> None:
    """With ``LogLevel QUIET``, monit says how to find out; a banner is no reason."""
    ssh = server.configured("quiet", "Host web1", "LogLevel QUIET", "Port 1")
    done = server.monit(ssh, "list", "--host", "web1")
    assert "not reachable (ssh does not say why; try: ssh web1 true)" in done.stderr
    ssh = server.configured("banner", "Host web1", "LogLevel INFO")
    (server.hosts.folder / "bin" / "monit").chmod(0o644)
    done = server.monit(ssh, "list", "--host", "web1")
    assert "monit is not installed there for web1" in done.stderr


def test_two_names_of_one_machine(server: Server, home: Path) -> None:
    """Its apps are there once, under the name that came first; a command reaches them once."""
    ssh = server.configured("two", server.config.read_text().replace("Host web1", "Host alias"))
    done = server.monit(ssh, "list", "--json", "--host", "web1,alias")
    assert [row["host"] for row in json.loads(done.stdout)] == ["web1"]
    assert "alias: it is web1 under another name" in done.stderr
    done = server.monit(ssh, "list", "--json", "--host", "alias,web1")
    assert [row["host"] for row in json.loads(done.stdout)] == ["alias"]
    here = server.hosts.monit(
        "list",
        "--host",
        "localhost,web1",
        MONIT_SSH=ssh,
        MONIT_HOME=str(server.hosts.homes["web1"]),
    )
    assert "web1: it is localhost under another name" in here.stderr
    assert home.exists()


def test_a_proxy_command_a_user_and_an_ipv6_address(server: Server) -> None:
    """Whatever ssh needs to reach a host; an address with colons gets a name in hosts.toml."""
    user = psutil.Process().username()
    ssh = server.configured(
        "far", "Host far", "HostName ::1", f"User {user}",
        f"ProxyCommand ssh -F {server.config} web1 -W [%h]:%p",
        *server.config.read_text().replace("Host web1", "Host ::1 far").splitlines(),
    )  # fmt: skip
    assert server.apps(ssh, "far") == [("far", "api")]
    wait_until(lambda: not ssh_sessions(server.folder), what="no session is left")
    folder = server.hosts.folder / "config" / "monit"
    folder.mkdir(parents=True)
    (folder / "hosts.toml").write_text(f'[six]\nhosts = [{{ ssh = "{user}@::1", name = "six" }}]\n')
    text = server.config.read_text().replace("Host web1", "Host ::1")
    ssh = server.configured("six", text.replace("HostName 127.0.0.1", "HostName ::1"))
    assert server.apps(ssh, "@six") == [("six", "api")]


@pytest.mark.parametrize("word", ["::1", "deploy@fd00::17", "fe80::1%eth0"])
def test_an_ipv6_address_without_a_name(word: str) -> None:
    """It would be taken for a host and an app in targets: the message says where names are."""
    with pytest.raises(HostError, match=r"an IPv6 address needs a name, in hosts.toml: "):
        parse_hosts([word], "/nowhere")


@pytest.mark.parametrize("word", ["web1:22", "-oProxyCommand=x", "-x@::1", "a b", "ssh://web1"])
def test_what_is_no_name_of_a_host(word: str) -> None:
    """Ports and options are ssh's; nothing of it reaches a command line."""
    with pytest.raises(HostError, match="is no name of a host"):
        parse_hosts([word], "/nowhere")


def test_a_forced_command_decides(server: Server) -> None:
    """A key that may only look: whatever is asked for, the bridge is what runs."""
    key = server.folder / "user_key.pub"
    monit = server.hosts.folder / "bin" / "monit"
    key.write_text(f'command="{monit} bridge --read-only",restrict {key.read_text()}')
    ssh = f"ssh -F {server.config}"
    assert server.apps(ssh) == [("web1", "api")]
    done = server.monit(ssh, "restart", "api", "--host", "web1")
    assert "may only be looked at" in done.stderr
    done = server.monit(ssh, "hosts", "web1", "--json")
    assert json.loads(done.stdout)[0]["read_only"] is True
    crafted = subprocess.run(
        [*ssh.split(), "web1", f"touch {server.folder}/made"], input=b"\0\0\0\5hello", check=False
    )
    assert crafted.returncode == 1
    assert not (server.folder / "made").exists()


def test_a_killed_ssh_is_replaced(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host is lost, then back, with its apps; nothing of the old connection stays there."""
    monkeypatch.setenv("MONIT_SSH", f"ssh -F {server.config}")
    with contextlib.closing(FleetSource(str(home), [Host("web1", "web1")])) as source:
        view = source.fleet.hosts["web1"]

        def reaches(state: str) -> bool:
            source.poll(0.05)
            return view.state == state and (state == "lost" or view.is_listed)

        wait_until(lambda: reaches("live"), what="web1 is reached")
        (old,) = server.hosts.bridges("web1")
        (ssh,) = [each for each in psutil.Process().children() if each.name() == "ssh"]
        ssh.kill()
        wait_until(lambda: reaches("lost"), what="the loss is noticed")
        (app,) = source.fleet.apps.values()
        assert app.link == "stale"
        wait_until(lambda: reaches("live") and app.link == "live", what="web1 is back")
        wait_until(lambda: not old.is_running(), what="the old bridge has ended")
    wait_until(lambda: not ssh_sessions(server.folder), what="no session is left")


def test_many_hosts_are_not_dialled_at_once(home: Path, tmp_path: Path) -> None:
    """An sshd refuses those that log in at the same time as too many others."""
    hosts = OtherHosts(tmp_path)
    names = [f"web{number}" for number in range(12)]
    try:
        for name in names:
            hosts.add(name)
        path = f"{tmp_path}/bin:/usr/bin:/bin"
        with real_sshd(tmp_path, hosts.homes, path, "MaxStartups 4:100:4\n") as config:
            done = hosts.monit("hosts", *names, "--json", MONIT_SSH=f"ssh -F {config}")
        found = [(row["host"], row["state"], row["apps"]) for row in json.loads(done.stdout)]
        assert found == [(name, "live", 0) for name in names], done.stderr
    finally:
        hosts.close()
    assert home.exists()


@pytest.mark.parametrize(
    ("boot_id", "homes"), [("b", ("1:2", "1:3")), ("", ("1:2", "1:2")), ("b", ("", ""))]
)
def test_machines_that_look_the_same_are_two(
    home: Path, tmp_path: Path, boot_id: str, homes: tuple[str, str]
) -> None:
    """Containers of one machine may have its boot id, one name and one path of the home."""
    assert home.exists()
    hosts = OtherHosts(tmp_path)
    names = "web1", "web2"
    for name, home_id in zip(names, homes, strict=True):
        hello = bridge.Hello(
            v=bridge.BRIDGE_VERSION, protocol=PROTOCOL_VERSION, version="0.1.0", host="x",
            boot_id=boot_id, wall=time.time(), home="/home/me/.monit", home_id=home_id, user="me",
        )  # fmt: skip
        path = tmp_path / f"{name}.hello"
        path.write_bytes(bridge.MAGIC + bridge.BridgeWriter().batch([hello, bridge.Listed()]))
        hosts.set(name, f"cat {path}; sleep 100")
    done = hosts.monit("hosts", *names, "--json")
    assert [row["state"] for row in json.loads(done.stdout)] == ["live", "live"], done.stderr


def test_the_clock_of_a_host_is_an_hour_ahead(home: Path, tmp_path: Path) -> None:
    """Whoever reads its times is warned."""
    assert home.exists()
    hosts = OtherHosts(tmp_path)
    hello = bridge.Hello(
        v=bridge.BRIDGE_VERSION, protocol=PROTOCOL_VERSION, version="0.1.0", host="x", boot_id="b",
        wall=time.time() + 3600, home="/", user="me",
    )  # fmt: skip
    path = tmp_path / "hello"
    path.write_bytes(bridge.MAGIC + bridge.BridgeWriter().batch([hello, bridge.Listed()]))
    hosts.set("web1", f"cat {path}; sleep 100")
    (found,) = json.loads(hosts.monit("hosts", "web1", "--json").stdout)
    assert 3500 < found["clock_ahead_s"] < 3700
    assert re.search(
        r"web1: its clock is 3\d+ s ahead", hosts.monit("list", "--host", "web1").stderr
    )


@pytest.mark.parametrize("shell", ["fish", "zsh", "bash", "dash", "tcsh"])
def test_any_login_shell(server: Server, shell: str) -> None:
    """The command is run by the shell of the user there."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    ssh = server.hosts.folder / "ssh"
    ssh.write_text(ssh.read_text().replace("exec sh -c", f"exec {shell} -c"))
    assert server.apps(str(ssh)) == [("web1", "api")]
