"""One keeper and real workers, through ``keeper.sock``."""

import json
import os
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monit_agent.wire import messages
from support.keeper import QUICK, KeptApp, python
from support.ports import free_port
from support.processes import is_running
from support.waiting import wait_until

SLEEP = ("/bin/sleep", "1000")


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


def test_it_starts_its_spec_and_answers(app: KeptApp) -> None:
    """One line with its pid; the instances run, with the environment that was given."""
    show = (
        "import os, socket; print(sorted(os.environ.items()), flush=True)\n"
        "socket.create_server(('', int(os.environ['PORT'])), reuse_port=True).accept()"
    )
    port = free_port()
    answer = app.start(*python(show), instances=2, port=port, env={"A": "b", "PATH": "/bin"})
    assert answer == {"ok": True, "pid": app.keeper_pid()}
    first, second = app.wait_for("online", 0), app.wait_for("online", 1)
    assert first["id"] != second["id"]
    assert first["ready"]
    wait_until(lambda: app.log(1), what="the worker printed")
    env = dict(eval(app.log(1)))
    assert (env["A"], env["PATH"], env["PORT"]) == ("b", "/bin", str(port))
    assert (env["MONIT_APP"], env["MONIT_INSTANCE"], env["NODE_APP_INSTANCE"]) == ("web", "1", "1")
    assert env["MONIT_HOME"] == str(app.home)
    assert "NOTIFY_SOCKET" not in env


def test_its_answers_are_the_records_of_the_wire(app: KeptApp) -> None:
    """Every record decodes as the wire's type, and no field of one is left out."""
    app.start(*SLEEP)
    app.wait_for("online")
    app.request("restart", by="somebody:1")
    snapshot = app.snapshot()
    kinds: list[tuple[object, type[msgspec.Struct]]] = [(snapshot["app"], messages.AppRecord)]
    kinds += [(slot, messages.InstanceRecord) for slot in snapshot["instances"]]
    kinds += [(end, messages.LogEnd) for end in snapshot["logs"]]
    kinds += [(event, messages.EventRecord) for event in snapshot["events"]]
    for plain, kind in kinds:
        assert set(plain) == set(kind.__struct_fields__)
        msgspec.convert(plain, kind)
    assert set(snapshot["app"]["policy"]) == set(messages.RestartPolicy.__struct_fields__)


def test_stop_start_and_restart(app: KeptApp) -> None:
    """Each does what it says; a restart counts, a stop and a start do not."""
    app.start(*SLEEP)
    first = app.wait_for("online")["pid"]
    assert app.request("stop", by="me:1")["instances"] == [0]
    stopped = app.wait_for("stopped")
    assert (stopped["desired"], stopped["pid"], stopped["restarts"]) == ("stopped", None, 0)
    assert stopped["exits"][-1]["requested"]
    assert not is_running(first)
    assert app.request("start")["instances"] == [0]
    second = app.wait_for("online")["pid"]
    assert app.request("start")["instances"] == []
    app.request("restart", why="new config")
    wait_until(lambda: app.slot()["pid"] not in (None, second), what="another worker runs")
    assert app.wait_for("online")["restarts"] == 1
    assert any("new config" in text for text in app.event_texts("requested"))


def test_restart_can_bring_another_environment(app: KeptApp) -> None:
    """What came with the restart holds for all workers from then on."""
    show = "import os,time; print(os.environ.get('COLOUR'), flush=True); time.sleep(1000)"
    app.start(*python(show))
    wait_until(lambda: app.log() == b"None\n", what="it is there")
    app.request("restart", env={"COLOUR": "blue"})
    wait_until(lambda: app.log() == b"None\nblue\n", what="the new value is seen")


def test_scale_up_and_down(app: KeptApp) -> None:
    """Followers get updates of slots that come and go."""
    app.start(*SLEEP)
    app.wait_for("online")
    line = app.connect()
    line.request("hello", role="test", pid=1)
    assert app.request("scale", count=3)["instances"] == [0, 1, 2]
    app.wait_for("online", 2)
    gone = app.slot(2)["pid"]
    app.request("scale", count=1)
    assert {
        line.update("instance_removed")["instance"],
        line.update("instance_removed")["instance"],
    } == {1, 2}
    line.close()
    assert list(app.slots()) == [0]
    assert not is_running(gone)
    assert app.snapshot()["app"]["instances"] == 1


@pytest.mark.parametrize(
    "request_", [("scale", {"count": 3}), ("restart", {}), ("stop", {}), ("delete", {})]
)
def test_the_answer_comes_before_the_work(
    request_: tuple[str, dict[str, Any]], app: KeptApp
) -> None:
    """What takes long with many workers is answered first, so that nobody takes the keeper for
    dead: on the connection of the request, nothing but the answer comes until it is there."""
    app.start(*SLEEP)
    app.wait_for("online")
    with closing(app.connect()) as line:
        line.request("hello", role="test", pid=os.getpid())
        do, fields = request_
        line.send(json.dumps({"id": do, "do": do, **fields}).encode() + b"\n")
        before = iter(line.read, None)
        first = next(each for each in before if each.get("type") != "log_changed")
        assert (first.get("id"), first.get("ok")) == (do, True)
        assert line.update("instance_changed")


def test_reload_replaces_one_after_another(app: KeptApp) -> None:
    """All are new afterwards, each was online before the next was touched."""
    app.start(*SLEEP, instances=3)
    before = {n: app.wait_for("online", n)["pid"] for n in range(3)}
    app.request("reload")
    wait_until(lambda: app.event_texts("reload_done"), what="the reload is done")
    after = app.slots()
    assert all(after[n]["pid"] != before[n] for n in range(3))
    order = [
        (h["kind"], h["instance"])
        for h in app.snapshot()["events"]
        if h["kind"] in ("reload_step", "ready")
    ][3:]
    assert order == [(kind, n) for n in range(3) for kind in ("reload_step", "ready")]


def test_reload_that_fails_leaves_the_others(app: KeptApp) -> None:
    """A new version that exits at once costs one instance, and the reason is recorded."""
    flag = app.home / "broken"
    code = f"test -e {flag} && exit 3; exec sleep 1000"
    app.start("/bin/sh", "-c", code, instances=2, policy=QUICK._replace(min_uptime_s=1.0))
    second = app.wait_for("online", 1)["pid"]
    app.wait_for("online", 0)
    flag.touch()
    app.request("reload")
    wait_until(lambda: app.event_texts("reload_failed"), what="the reload failed")
    assert "exit code 3" in app.snapshot()["rollout"]["failed"]
    assert app.slot(1)["pid"] == second


def test_delete_leaves_only_the_logs(app: KeptApp) -> None:
    """Workers, agent and keeper are gone, and every file but what was printed."""
    answer = app.start(*python("import time; print('kept', flush=True); time.sleep(1000)"))
    worker = app.wait_for("online")["pid"]
    wait_until(lambda: app.log() == b"kept\n", what="it has printed")
    line = app.connect()
    line.request("hello", role="test", pid=1)
    assert line.request("delete")["ok"]
    line.update("app_deleted")
    line.close()
    assert app.process is not None
    assert app.process.wait(20) == 0
    assert not is_running(worker)
    assert not is_running(answer["pid"])
    assert os.listdir(app.paths.folder) == ["logs"]
    assert app.log() == b"kept\n"


def test_a_signal_reaches_the_worker(app: KeptApp) -> None:
    """By any of its names; an unknown one is refused."""
    code = (
        "import signal,time\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('heard', flush=True))\n"
        "print('up', flush=True)\nwhile True: time.sleep(0.1)"
    )
    app.start(*python(code))
    wait_until(lambda: app.log() == b"up\n", what="the worker is up")
    assert app.request("signal", signal="usr1", instances=[0], group=False)["instances"] == [0]
    wait_until(lambda: app.log() == b"up\nheard\n", what="the signal arrived")
    assert app.request("signal", signal="SIGNONSENSE")["kind"] == "bad_request"


def test_wait_ready_believes_only_the_app(app: KeptApp) -> None:
    """Online when the app says READY=1 on NOTIFY_SOCKET, from a child of the worker too."""
    go = app.home / "go"
    child = (
        "import os,socket,time\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n"
        "s.sendto(b'STATUS=x\\nREADY=1\\n', os.environ['NOTIFY_SOCKET']); time.sleep(1000)"
    )
    code = f"import subprocess,sys\nsubprocess.run([sys.executable,'-c',{child!r}])"
    app.start(*python(code), wait_ready=True)
    app.wait_for("starting")
    go.touch()
    assert app.wait_for("online")["ready"]


def test_not_ready_in_time_is_unstable(app: KeptApp) -> None:
    """It is stopped and waits; the reason says what it did not do."""
    app.start(*SLEEP, wait_ready=True, policy=QUICK._replace(listen_timeout_s=0.2))
    slot = app.wait_for("backoff")
    assert "not ready" in slot["reason"]
    assert slot["failed_starts"] >= 1


def test_state_holds_no_environment_value_and_files_are_private(app: KeptApp) -> None:
    """Secrets are only in memory; no other user may read what is on disk."""
    app.start(*SLEEP, env={"TOKEN": "hush-hush", "PATH": os.environ["PATH"]})
    app.wait_for("online")
    for path in Path(app.paths.folder).rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        if path.is_file():
            assert b"hush-hush" not in path.read_bytes(), path
    assert json.loads(Path(app.paths.state).read_text())["schema"] == 2


def test_a_worker_starts_with_a_clean_slate(app: KeptApp) -> None:
    """Own session, SIGPIPE and SIGINT as by default, nothing blocked, the given umask, no stray
    descriptor of ours."""
    code = (
        "import os,sys,time\n"
        "if os.fork()==0: os.execv('/bin/sh',['sh','-c','umask; ls -m /proc/self/fd'])\n"
        "os.wait(); print(os.getsid(0)==os.getpid(), os.readlink('/proc/self/fd/0'), flush=True)\n"
        "os.execv('/bin/sleep',['sleep','1000'])"
    )
    app.start(*python(code), umask=0o027)
    wait_until(lambda: b"True" in app.log(), what="all is printed")
    mask, descriptors, session = app.log().decode().splitlines()
    assert (mask, session) == ("0027", "True /dev/null")
    assert descriptors.startswith("0, 1, 2")
    assert len(descriptors.split(",")) == 4, "the fourth is the one that lists them"
    worker = app.slot()["pid"]
    wait_until(
        lambda: "sleep" in Path(f"/proc/{worker}/comm").read_text(), what="no Python is left"
    )
    blocked, ignored = int(_field(worker, "SigBlk"), 16), int(_field(worker, "SigIgn"), 16)
    # what Python itself ignores stays so over exec: SIGPIPE and SIGXFSZ
    own = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
    assert (blocked, ignored & ~own & ~GLIBC_SIGNALS) == (0, 0)


def test_sigpipe_kills_a_worker_as_its_author_expects(app: KeptApp) -> None:
    """`yes | head` ends by SIGPIPE: what we ignore is not inherited."""
    app.start("/bin/sleep", "1000")
    worker = app.wait_for("online")["pid"]
    assert int(_field(worker, "SigIgn"), 16) & ~GLIBC_SIGNALS == 0


GLIBC_SIGNALS = 1 << (32 - 1) | 1 << (33 - 1)
"""glibc keeps these to itself; whoever starts us by its posix_spawn leaves them ignored."""


def _field(pid: int, name: str) -> str:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(line.split()[1] for line in text.splitlines() if line.startswith(name))


def test_sigterm_to_the_keeper_stops_all_and_the_next_one_starts_it_again(app: KeptApp) -> None:
    """As at shutdown: graceful, nothing left behind, the desired state survives."""
    app.start(*SLEEP)
    slot = app.wait_for("online")
    assert app.process is not None
    os.kill(app.process.pid, signal.SIGTERM)
    assert app.process.wait(20) == 0
    assert not is_running(slot["pid"])
    assert app.start_keeper()["ok"]
    again = app.wait_for("online")
    assert again["pid"] != slot["pid"]
    assert again["id"] == slot["id"]


def test_it_sleeps_when_nothing_happens(app: KeptApp) -> None:
    """Nothing polls: while its workers run quietly the keeper is not woken once."""
    app.start(*SLEEP, instances=2)
    app.wait_for("online", 1)
    keeper = app.keeper_pid()
    wait_until(lambda: b'"online"' in Path(app.paths.state).read_bytes(), what="it is written")
    agent = int(app.event_texts("agent_started")[-1].split()[1])
    os.kill(agent, signal.SIGSTOP)  # it asks now and then
    quiet: list[int] = []

    def is_quiet() -> bool:
        quiet.append(int(_field(keeper, "voluntary_ctxt_switches")))
        return len(quiet) > 100 and quiet[-1] == quiet[-100]

    wait_until(is_quiet, what="it sleeps half a second on end")
    os.kill(agent, signal.SIGCONT)


def test_workers_get_the_descriptor_limit_of_the_start(app: KeptApp) -> None:
    """What the keeper needs for itself is not passed on."""
    app.start(*SLEEP)
    worker = app.wait_for("online")["pid"]
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert resource.prlimit(worker, resource.RLIMIT_NOFILE)[0] == soft


def test_hang_up_and_interrupt_do_not_reach_it(app: KeptApp) -> None:
    """A closed terminal or a Ctrl-C is none of its business."""
    app.start(*SLEEP)
    app.wait_for("online")
    pid = app.keeper_pid()
    os.kill(pid, signal.SIGHUP)
    os.kill(pid, signal.SIGINT)
    assert app.keeper_pid() == pid
