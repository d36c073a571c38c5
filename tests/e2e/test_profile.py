"""`monit profile`: a CPU hog and a leak found in a Flask and an Express app that are under load."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

from monit_agent.agent.profiles.py_spy import find_py_spy
from support.command_line import command, in_terminal, monit, monit_error, row, script
from support.load import Load
from support.ports import free_port, is_listening
from support.programs import PROGRAMS
from support.servers import NODE_MODULES
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not NODE_MODULES.exists(), reason="no Node here"
)
APPS = {"flask": "flask_app.py", "express": "express_app.cjs"}
app_of = pytest.mark.parametrize("app", ["flask", pytest.param("express", marks=needs_node)])


@contextmanager
def _loaded(app: str, path: str) -> Iterator[None]:
    """Run an app with clients that request ``path`` again and again."""
    port = free_port()
    file = str(PROGRAMS / "profiles" / APPS[app])
    env = ("--env", f"PORT={port}", "--env", f"MODULES={NODE_MODULES}")
    monit("start", file, "--name", "app", *env)
    wait_until(lambda: is_listening(port), what="it listens")
    with Load(port, clients=2, path=path) as load:
        load.more(2)
        _has_probe()
        yield


def _has_probe() -> None:
    wait_until(lambda: row("app")["heap_used_bytes"], what="the probe reports")


def _profiled(*words: str) -> dict[str, Any]:
    return json.loads(monit("profile", "app", *words, "--json"))


def _top(found: dict[str, Any], time: str) -> str:
    return max(found["functions"], key=lambda each: each[time])["function"]


@app_of
def test_the_function_that_takes_the_cpu_is_first(app: str, tmp_path: Path) -> None:
    """It is named with the line that it spends its time in, and files of each kind are written."""
    with _loaded(app, "/hog"):
        found = _profiled("2s", "--tool", "probe", "-o", str(tmp_path / "p.speedscope.json"))
        assert _top(found, "self_cpu_s") == "crunch"
        place = found["functions"][0]
        text = (PROGRAMS / "profiles" / APPS[app]).read_text().splitlines()
        assert any(word in text[place["line"] - 1] for word in ("total +=", "for "))
        assert place["file"].endswith(APPS[app])
        assert found["cpu_s"] > 0
        scope = json.loads((tmp_path / "p.speedscope.json").read_text())
        assert "crunch" in [frame["name"] for frame in scope["shared"]["frames"]]
        path = tmp_path / "p.cpuprofile"
        shown = monit("profile", "app", "1s", "--tool", "probe", "-o", str(path))
        assert " crunch " in shown
        nodes = json.loads(path.read_text())["nodes"]
        assert "crunch" in [node["callFrame"]["functionName"] for node in nodes]
        folded = tmp_path / "p.folded"
        monit("profile", "app", "1s", "--tool", "probe", "-o", str(folded))
        assert ";crunch (" in folded.read_text()
        assert row("app")["restarts"] == 0


@app_of
def test_what_leaks_is_named(app: str, tmp_path: Path) -> None:
    """In Python the list that grows, in Node the function that allocates what is not freed."""
    with _loaded(app, "/leak"):
        ending = "heapprofile" if app == "express" else "json"
        path = tmp_path / f"m.{ending}"
        found = _profiled("2s", "--memory", "-o", str(path))
        if app == "express":
            assert found["places"][0]["function"] == "remember"
            assert found["places"][0]["file"].endswith(APPS[app])
        else:
            assert found["containers"][0]["name"] == "__main__.SEEN"
            assert found["containers"][0]["more"] >= 2_000
        assert path.stat().st_size > 100
        assert found["kind"] == "memory"


def test_waiting_is_shown_with_wall_only() -> None:
    """A function that sleeps takes no CPU and much time."""
    with _loaded("flask", "/wait"):
        found = _profiled("2s", "--tool", "probe", "--wall")
        cost = {each["function"]: each for each in found["functions"]}["wait_for_database"]
        assert cost["self_wall_s"] > 0.1
        assert cost["self_cpu_s"] < cost["self_wall_s"] / 2


@pytest.mark.full
@pytest.mark.skipif(find_py_spy() is None or os.geteuid() != 0, reason="no py-spy that may look")
def test_py_spy_is_used_where_it_is() -> None:
    """It finds the same function, from outside of the process."""
    with _loaded("flask", "/hog"):
        found = _profiled("2s")
        assert (found["tool"], _top(found, "self_cpu_s")) == ("py-spy", "crunch")
        assert "knows no wall time" in monit_error("profile", "app", "1s", "--wall")


def test_a_person_sees_a_table(tmp_path: Path) -> None:
    """The table has self time, place and function; the app's file is named from its folder."""
    file = str(script(tmp_path, text="while True: sum(range(1000))\n"))
    monit("start", file, "--name", "app", "--cwd", str(tmp_path))
    _has_probe()
    terminal = in_terminal("profile", "app", "1s", "--tool", "probe")
    terminal.expect("profiling app/0 for 1 s")
    terminal.expect("1.. s by the probe, .* of CPU")
    terminal.expect("self % .* function .* place")
    terminal.expect("<module> +app.py:1")
    terminal.wait()
    assert terminal.exitstatus == 0


def test_a_worker_that_exits_meanwhile_is_reported(tmp_path: Path) -> None:
    """The command fails and says so; the next worker can be profiled."""
    monit("start", str(script(tmp_path)), "--name", "app")
    _has_probe()
    pid = row("app")["pid"]
    terminal = in_terminal("profile", "app", "60s", "--tool", "probe")
    wait_until(
        lambda: "profile of process" in monit("events", "app"), what="the profile is requested"
    )
    assert "is being made already" in monit_error("profile", "app", "1s", "--tool", "probe")
    os.kill(pid, signal.SIGKILL)
    terminal.expect(f"app/0 \\(pid {pid}\\): it was killed by SIGKILL while it was profiled")
    terminal.expect("nothing is kept of the profile")
    terminal.wait()
    assert terminal.exitstatus == 1
    wait_until(lambda: row("app")["pid"] not in (None, pid), what="the next worker runs")
    _has_probe()
    assert _profiled("0.5s", "--tool", "probe")["pid"] == row("app")["pid"]


@pytest.mark.parametrize("verb", ["reload", "restart"])
@pytest.mark.parametrize("runtime", ["python", pytest.param("node", marks=needs_node)])
def test_a_worker_that_is_replaced_meanwhile_is_reported(
    verb: str, runtime: str, tmp_path: Path
) -> None:
    """The command says which process was profiled, why it is gone, and which one runs now."""
    _start(runtime, tmp_path)
    pid = row("app")["pid"]
    terminal = _profile_without_end()
    monit(verb, "app")
    terminal.expect(f"app/0 \\(pid {pid}\\): it was replaced or stopped, as somebody or a rule")
    terminal.expect(r"process (\d+) runs now, and can be profiled; nothing is kept of the profile")
    assert terminal.match is not None
    following = int(terminal.match[1])
    terminal.wait()
    assert terminal.exitstatus == 1
    assert following == row("app")["pid"] != pid
    _has_probe()
    assert _profiled("0.5s", "--tool", "probe")["pid"] == following


@pytest.mark.parametrize("runtime", ["python", pytest.param("node", marks=needs_node)])
def test_a_profile_of_an_agent_that_dies_is_lost_in_words(runtime: str, tmp_path: Path) -> None:
    """The command ends as soon as there is another agent, the worker keeps running, and its probe
    makes the next profile although it was to work on the first one for a minute."""
    _start(runtime, tmp_path)
    pid = row("app")["pid"]
    terminal = _profile_without_end()
    os.kill(json.loads(command("describe", "app", "--json").stdout)[0]["agent_pid"], signal.SIGKILL)
    terminal.expect("app: its agent was replaced meanwhile: the profile is lost, and the worker")
    terminal.wait()
    assert terminal.exitstatus == 1
    _has_probe()
    wait_until(
        lambda: command("profile", "app", "0.5s", "--tool", "probe").returncode == 0,
        what="the next profile is made",
    )
    assert row("app")["pid"] == pid


@pytest.mark.full
@pytest.mark.skipif(find_py_spy() is None or os.geteuid() != 0, reason="no py-spy that may look")
def test_py_spy_keeps_what_it_has_of_a_worker_that_exits(tmp_path: Path) -> None:
    """The profile is shown with its true length, and why it is short."""
    monit("start", str(script(tmp_path, text="while True: sum(range(1000))\n")), "--name", "app")
    _has_probe()
    pid = row("app")["pid"]
    terminal = in_terminal("profile", "app", "60s", "--tool", "py-spy")
    wait_until(lambda: _is_sampled_by_py_spy(pid), what="py-spy samples it")
    os.kill(pid, signal.SIGKILL)
    terminal.expect("it was killed by SIGKILL while it was profiled")
    terminal.expect("the profile is of the time until then")
    terminal.expect("<module>")
    terminal.wait()
    assert terminal.exitstatus == 0


def _is_sampled_by_py_spy(pid: int) -> bool:
    """Return whether py-spy has waited for many a sample of a process."""
    return any(
        each.num_ctx_switches().voluntary > 100
        for each in psutil.process_iter()
        if each.name() == "py-spy" and str(pid) in each.cmdline()
    )


def _start(runtime: str, folder: Path) -> None:
    text = "setInterval(() => {}, 100);\n"
    file = script(folder) if runtime == "python" else script(folder, "app.js", text)
    monit("start", str(file), "--name", "app")
    _has_probe()


def _profile_without_end() -> "pexpect.spawn[str]":
    """Let a worker be profiled for longer than the test takes."""
    terminal = in_terminal("profile", "app", "60s", "--tool", "probe", columns=400)
    wait_until(
        lambda: "profile of process" in monit("events", "app"), what="the profile is requested"
    )
    return terminal


@needs_node
def test_a_debugger_may_be_attached_to_what_is_profiled(tmp_path: Path) -> None:
    """With --inspect, whose port stays open, a profile is made as without it."""
    port = free_port()
    text = "setInterval(function busy() { for (let n = 0; n < 1e7; n += 1); }, 1);\n"
    options = f"NODE_OPTIONS=--inspect=127.0.0.1:{port}"
    monit("start", str(script(tmp_path, "app.js", text)), "--name", "app", "--env", options)
    _has_probe()
    assert is_listening(port)
    found = _profiled("1s")
    assert "busy" in [each["function"] for each in found["functions"]]
    assert is_listening(port)


@needs_node
def test_a_signal_makes_node_write_a_heap_snapshot(tmp_path: Path) -> None:
    """As docs/profiles.md has it: the probe leaves the option and the signal to Node."""
    text = "globalThis.leaked = ['a text that stays']; setInterval(() => {}, 1000);\n"
    file = script(tmp_path, "app.js", text)
    options = "NODE_OPTIONS=--heapsnapshot-signal=SIGUSR2"
    monit("start", str(file), "--name", "app", "--cwd", str(tmp_path), "--env", options)
    _has_probe()
    pid = row("app")["pid"]
    monit("signal", "USR2", "app")

    def is_whole() -> bool:
        files = list(tmp_path.glob("Heap.*.heapsnapshot"))
        return bool(files) and files[0].read_text().rstrip().endswith("}")

    wait_until(is_whole, what="the snapshot is written", deadline_s=60)
    (path,) = tmp_path.glob("Heap.*.heapsnapshot")
    assert "a text that stays" in path.read_text()
    assert row("app")["pid"] == pid


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("two",), 2, "name one of two/0, two/1"),
        (("two/0", "90s"), 2, "0.1 to 60 seconds"),
        (("two/0", "10"), 2, "has no unit"),
        (("two/0", "-o", "profile.png"), 2, "end it in .cpuprofile"),
        (("two/0", "--memory", "--wall"), 2, "leave out"),
        (("two/0", "--pid", "1"), 1, "no probe reports from process 1 of two/0"),
        (("shell",), 1, "no probe reports from shell/0"),
        (("nothing",), 3, "nothing"),
    ],
)
def test_what_cannot_be_profiled_is_an_error(
    words: tuple[str, ...], code: int, why: str, two_apps: None
) -> None:
    """Bad words, a program without a probe, and a process that is not the app's."""
    done = command("profile", *words)
    assert (done.returncode, why in done.stderr) == (code, True), done.stderr


@pytest.fixture(name="two_apps")
def _two_apps(tmp_path: Path) -> None:
    monit("start", str(script(tmp_path)), "--name", "two", "-i", "2")
    monit("start", "--name", "shell", "--", "sleep", "1000")
