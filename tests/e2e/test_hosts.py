"""Apps of other machines: in one list, one log and one screen, with commands that say where."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.client.hosts import host_source
from monit_agent.client.hosts.host_source import HostSource
from monit_agent.client.hosts.names import Host
from monit_agent.client.view import Fleet
from monit_agent.wire import bridge
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import Answer, Refused, Restart, Usage, UsagePart
from support.command_line import MONIT, in_terminal
from support.hosts import OtherHosts, real_sshd
from support.prometheus import parse, value
from support.waiting import wait_until

QUIET = "import time\ntime.sleep(1000)\n"
BUSY = """\
def spin():
    while True:
        sum(range(1000))
spin()
"""
BREAKS = """\
import os, socket, sys, time
if os.path.exists(os.environ["MONIT_HOME"] + "/broken"): sys.exit("no luck today")
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
"""


@pytest.fixture(name="hosts")
def _hosts(home: Path, tmp_path: Path) -> Iterator[OtherHosts]:
    assert home.exists()
    hosts = OtherHosts(tmp_path)
    yield hosts
    hosts.close()


def test_one_list_of_two_hosts(hosts: OtherHosts) -> None:
    """Each row names its host, and commands concern the app of the host that they name."""
    for name in ("web1", "web2"):
        hosts.add(name)
        hosts.start(name, "api", text=QUIET)
    done = hosts.monit("list", "--host", "web1,web2")
    assert done.returncode == 0, done.stderr
    assert "web1:api" in done.stdout
    assert "web2:api" in done.stdout
    before = {row["host"]: row["pid"] for row in hosts.rows("web1,web2")}
    done = hosts.monit("--host", "web1,web2", "restart", "web2:api")
    assert done.returncode == 0, done.stderr
    after = {row["host"]: row["pid"] for row in hosts.rows("web1,web2")}
    assert after["web1"] == before["web1"]
    assert after["web2"] != before["web2"]


def test_this_machine_is_one_of_them_when_it_is_named(hosts: OtherHosts, home: Path) -> None:
    """Its apps have no host before their names."""
    hosts.homes["here"] = home
    hosts.start("here", "mine", text=QUIET)
    hosts.add("web1")
    hosts.start("web1", "api", text=QUIET)
    names = [(row["host"], row["app"]) for row in hosts.rows("localhost,web1")]
    assert names == [("", "mine"), ("web1", "api")]
    hosts.homes.pop("here")


def test_groups_are_in_a_file(hosts: OtherHosts) -> None:
    """`@prod` is a group; a host there may have a home and a name of its own."""
    home = hosts.add("deploy@web9")
    hosts.start("deploy@web9", "api", text=QUIET)
    hosts.set("deploy@web9", (hosts.folder / "deploy@web9.sh").read_text() + "unset MONIT_HOME")
    folder = hosts.folder / "config" / "monit"
    folder.mkdir(parents=True)
    host = f'{{ ssh = "deploy@web9", name = "nine", home = "{home}" }}'
    (folder / "hosts.toml").write_text(f"[prod]\nhosts = [{host}]\n")
    assert [row["host"] for row in hosts.rows("@prod")] == ["nine"]
    done = hosts.monit("list", "--host", "@prot")
    assert done.returncode == 2
    assert "did you mean @prod?" in done.stderr


UNREACHED = {
    "not installed": ("exec sh -c 'exit 127'", "monit is not installed there"),
    "login refused": ("echo 'web1: Permission denied (publickey).' >&2; exit 255", "ssh web1 true"),
    "host key": ("echo 'Host key verification failed.' >&2; exit 255", "run once: ssh web1"),
    "down": ("echo 'ssh: connect: Connection refused' >&2; exit 255", "not reachable (ssh: con"),
    "only noise": ("echo Welcome to web1; exit 0", "its shell prints 'Welcome to web1'"),
    "much noise": ("yes hello | head -c 200000; sleep 100", "its shell prints 'hello'"),
    "another program": ("echo oops >&2; exit 3", "its bridge ended with exit code 3: oops"),
}


@pytest.mark.parametrize("why", UNREACHED)
def test_a_host_that_is_not_reached_says_why(hosts: OtherHosts, why: str) -> None:
    """The others are listed; the exit code says that something is missing."""
    shell, words = UNREACHED[why]
    hosts.set("web1", shell)
    hosts.add("web2")
    hosts.start("web2", "api", text=QUIET)
    done = hosts.monit("list", "--host", "web1,web2")
    assert "web2:api" in done.stdout
    assert "monit: web1: " in done.stderr
    assert words in done.stderr
    assert done.returncode == 4


def test_hosts_are_tried(hosts: OtherHosts) -> None:
    """`monit hosts` says of each host whether it is reached, and why not."""
    hosts.add("web1")
    hosts.start("web1", "api", text=QUIET)
    hosts.set("web2", "exit 127")
    done = hosts.monit("hosts", "web1", "web2", "--json")
    one, two = json.loads(done.stdout)
    assert done.returncode == 4
    assert (one["host"], one["state"], one["apps"], one["problem"]) == ("web1", "live", 1, None)
    assert (two["host"], two["state"], two["apps"]) == ("web2", "lost", None)
    assert "monit is not installed there" in two["problem"]
    assert "monit is not installed there" in hosts.monit("hosts", "web2").stderr


def test_what_a_shell_prints_first_is_skipped(hosts: OtherHosts) -> None:
    """A greeting, also of any bytes, does not spoil the messages."""
    hosts.add("web1", before=r"printf 'Welcome!\n\377\0\1\36'")
    hosts.start("web1", "api", text=QUIET)
    assert [row["app"] for row in hosts.rows("web1")] == ["api"]


def test_another_version_is_named(hosts: OtherHosts) -> None:
    """The user learns which side is older."""
    hello = bridge.Hello(
        v=9, protocol=2, version="9.0", host="x", boot_id="", wall=0.0, home="/", user="me"
    )
    path = hosts.folder / "hello"
    path.write_bytes(bridge.MAGIC + bridge.BridgeWriter().batch([hello]))
    hosts.set("web1", f"cat {path}; sleep 100")
    done = hosts.monit("list", "--host", "web1")
    assert "monit 9.0 there speaks another protocol" in done.stderr
    assert "install the newer version here" in done.stderr


def test_a_read_only_bridge_changes_nothing(hosts: OtherHosts) -> None:
    """A forced command decides that, whatever the client asks for."""
    hosts.add("web1")
    hosts.start("web1", "api", text=QUIET)
    forced = f"exec {' '.join(MONIT)} bridge --read-only"
    hosts.set("web1", (hosts.folder / "web1.sh").read_text() + forced)
    (before,) = hosts.rows("web1")
    for verb in (["restart"], ["stop"], ["scale", "api", "3"]):
        done = hosts.monit(*verb, *([] if "scale" in verb else ["api"]), "--host", "web1")
        assert done.returncode == 1
        assert "may only be looked at" in done.stderr
    assert hosts.rows("web1")[0]["pid"] == before["pid"]


def test_a_reload_goes_from_host_to_host_and_stops_at_the_first_failure(
    hosts: OtherHosts,
) -> None:
    """A release that is broken on one host is not taken to the next."""
    for name in ("web1", "web2"):
        hosts.add(name)
        hosts.start(name, "api", "--wait-ready", text=BREAKS)
    (hosts.homes["web1"] / "broken").touch()
    second = hosts.rows("web2")[0]["pid"]
    done = hosts.monit("reload", "api", "--host", "web1,web2")
    assert done.returncode == 1
    assert "web2 was left as it is: web2:api" in done.stderr
    assert hosts.rows("web2")[0]["pid"] == second
    (hosts.homes["web1"] / "broken").unlink()
    assert hosts.monit("reload", "api", "--host", "web1,web2").returncode == 0
    assert hosts.rows("web2")[0]["pid"] != second


def test_stopping_everything_elsewhere_must_be_meant(hosts: OtherHosts) -> None:
    """Without a terminal to ask on, `--yes` says so."""
    hosts.add("web1")
    hosts.start("web1", "api", text=QUIET)
    done = hosts.monit("stop", "all", "--host", "web1")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert hosts.rows("web1")[0]["status"] == "online"
    assert hosts.monit("stop", "all", "--host", "web1", "--yes").returncode == 0
    assert hosts.rows("web1")[0]["status"] == "stopped"


def test_the_hosts_may_stand_in_the_environment(hosts: OtherHosts) -> None:
    """``$MONIT_HOSTS`` is what ``--host`` would be; verbs of this machine alone do not read it."""
    hosts.add("web1")
    hosts.start("web1", "api", text=QUIET)
    assert "web1:api" in hosts.monit("list", MONIT_HOSTS="web1").stdout
    done = hosts.monit("start", "api", "--host", "web1")
    assert done.returncode == 2
    assert "ssh HOST monit start" in done.stderr


def test_logs_of_two_hosts_are_one_stream(hosts: OtherHosts) -> None:
    """What is printed from now on comes from both."""
    for name in ("web1", "web2"):
        hosts.add(name)
        hosts.start(name, "api")
    child = in_terminal("logs", "-n", "2", "--host", "web1,web2", columns=200, **hosts.env)
    try:
        for name in ("web1", "web2", "web1", "web2"):
            child.expect(rf"{name}:api\S* .*tick \d+")
    finally:
        child.sendintr()
        child.wait()


def test_what_is_asked_in_a_cut_is_refused_at_once(
    hosts: OtherHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not happen minutes later; what was on its way is said to be unknown."""
    hosts.add("web1")
    hosts.start("web1", "api", text=QUIET)
    monkeypatch.setenv("MONIT_SSH", hosts.env["MONIT_SSH"])
    source = HostSource(Host("web1", "web1"), Fleet(), lambda: True)
    answers: list[Answer] = []

    def answered() -> list[Answer]:
        source.poll(0.05)
        return answers

    try:
        wait_until(lambda: source.poll(0.05) and source.view.is_listed, what="its apps are known")
        app = AppId("web1", "api")
        source.send_request(app, Usage(instance=0), answers.append)
        assert isinstance(wait_until(answered)[0], UsagePart)
        answers.clear()
        hosts.set("web1", "echo 'connect: No route to host' >&2; exit 255")
        (bridge_process,) = hosts.bridges("web1")
        bridge_process.suspend()
        source.send_request(app, Restart(), answers.append)
        bridge_process.kill()
        (lost,) = wait_until(answered)
        assert isinstance(lost, Refused)
        assert "whether restart was carried out for web1:api is not known" in lost.message
        answers.clear()
        source.send_request(app, Restart(), answers.append)
        (refused,) = wait_until(answered)
        assert isinstance(refused, Refused)
        assert "restart was not sent to web1:api" in refused.message
    finally:
        source.close()


def test_a_login_that_hangs_is_given_up(hosts: OtherHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would keep other hosts waiting for their turn."""
    monkeypatch.setattr(host_source, "LOGIN_S", 0.2)
    monkeypatch.setenv("MONIT_SSH", hosts.env["MONIT_SSH"])
    hosts.set("web1", "sleep 1000")
    source = HostSource(Host("web1", "web1"), Fleet(), lambda: True)

    def is_lost() -> bool:
        source.poll(0.05)
        return source.view.state == "lost"

    try:
        wait_until(is_lost, what="it is given up")
        assert "does ssh web1 true end?" in str(source.view.problem)
    finally:
        source.close()


def test_nothing_stays_on_a_host(hosts: OtherHosts) -> None:
    """The bridge ends with its client, however that ended."""
    hosts.add("web1")
    hosts.start("web1", "api")
    follower = subprocess.Popen(
        [*MONIT, "logs", "api", "--host", "web1"],
        env={**os.environ, **hosts.env},
        stdout=subprocess.PIPE,
    )
    wait_until(lambda: hosts.bridges("web1"), what="a bridge runs")
    follower.kill()
    follower.communicate()
    wait_until(lambda: not hosts.bridges("web1"), what="it has ended")


def test_a_cut_is_shown_and_mended_by_itself(hosts: OtherHosts) -> None:
    """The rows of the host become old and come back."""
    hosts.add("web1")
    hosts.start("web1", "api", "-i", "2", text=QUIET)
    child = in_terminal("--host", "web1", columns=120, **hosts.env)
    try:
        child.expect("2/2 online")
        reached = (hosts.folder / "web1.sh").read_text()
        hosts.set("web1", "echo 'connect: No route to host' >&2; exit 255")
        (bridge_process,) = hosts.bridges("web1")
        bridge_process.send_signal(signal.SIGKILL)
        child.expect("stale")
        child.expect("No route to host")
        hosts.set("web1", reached)
        child.expect("2/2 online")
        assert hosts.rows("web1")[0]["restarts"] == 0
        child.send("q")
        child.expect("screen closed")
    finally:
        child.close(force=True)
    wait_until(lambda: not hosts.bridges("web1"), what="nothing stays there")


def test_metrics_of_other_machines_name_their_host(hosts: OtherHosts) -> None:
    """Their series have a label for it, so that two hosts do not collide."""
    for name in ("web1", "web2"):
        hosts.add(name)
        hosts.start(name, "api", text=QUIET)
    done = hosts.monit("metrics", "--host", "web1,web2")
    assert done.returncode == 0, done.stderr
    series = parse(done.stdout)
    found = [dict(facts) for name, facts in series if name == "monit_instance_ready"]
    assert sorted((each["host"], each["app"]) for each in found) == [
        ("web1", "api"),
        ("web2", "api"),
    ]
    assert value(series, "monit_agent_up", host="web2") == 1
    hosts.set("web2", "echo 'ssh: connect: Connection refused' >&2; exit 255")
    done = hosts.monit("metrics", "--host", "web1,web2")
    assert done.returncode == 4
    assert "web2: not reachable" in done.stderr
    assert value(parse(done.stdout), "monit_agent_up", host="web1") == 1


def test_a_worker_elsewhere_is_profiled(hosts: OtherHosts) -> None:
    """The profile is made there and shown here."""
    hosts.add("web1")
    hosts.start("web1", "api", "--interpreter", sys.executable, text=BUSY)
    done = hosts.monit("profile", "api/0", "0.5s", "--json", "--tool", "probe", "--host", "web1")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["host"], made["app"], made["kind"]) == ("web1", "api", "cpu")
    assert "spin" in {each["function"] for each in made["functions"]}


@pytest.mark.skipif(
    shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin") is None, reason="there is no sshd"
)
def test_a_real_sshd(hosts: OtherHosts, tmp_path: Path) -> None:
    """Names, keys and ports are ssh's; a key that is not known is said."""
    home = hosts.add("web1")
    hosts.start("web1", "api", text=QUIET)
    with real_sshd(tmp_path, {"web1": home}, f"{tmp_path}/bin:/usr/bin:/bin") as config:
        ssh = {"MONIT_SSH": f"ssh -F {config}"}
        done = hosts.monit("list", "--json", "--host", "web1", **ssh)
        assert [row["app"] for row in json.loads(done.stdout)] == ["api"], done.stderr
        assert hosts.monit("reload", "api", "--host", "web1", **ssh).returncode == 0
        wait_until(lambda: not hosts.bridges("web1"), what="the bridge has ended")
        stranger = {"MONIT_SSH": f"ssh -F {config} -o IdentityFile=none -o IdentityAgent=none"}
        config.write_text(config.read_text().replace("user_key", "other_key"))
        done = hosts.monit("list", "--host", "web1", **stranger)
        assert "ssh refused the login; try: ssh web1 true" in done.stderr
