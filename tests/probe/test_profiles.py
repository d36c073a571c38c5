"""Profiles that the Python probe makes, in programs of several versions."""

import json
from pathlib import Path
from typing import Any

from support.probe import each_version
from support.probe_requests import RunningProgram, running_program

BUSY = """
import sys, threading, time
def burn():
    total = 0
    while True:
        total += sum(n for n in range(200))
def doze():
    while True:
        time.sleep(0.01)
for work in (burn, doze):
    threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""

FORKS = """
import os, subprocess, sys, threading, time, warnings
warnings.simplefilter("error")
import monit_probe
@monit_probe.action("forks")
def forks():
    codes = set()
    for _ in range(5):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if sys.getswitchinterval() == 0.005 else 7)
        codes.add(os.waitpid(pid, 0)[1])
    return sorted(codes), sys.getswitchinterval()
@monit_probe.action("interval")
def interval():
    return sys.getswitchinterval()
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""

GROWING = """
import monit_probe, threading
SEEN = []
class Cart:
    items = {}
@monit_probe.action("grow")
def grow():
    SEEN.extend(str(n) for n in range(5000))
    Cart.items.update((n, None) for n in range(len(Cart.items), len(Cart.items) + 3000))
    return len(SEEN)
class Hostile(type):
    def __getattribute__(cls, name):
        raise RuntimeError("touched")
class Touchy(metaclass=Hostile):
    __slots__ = ("a",)
    def __sizeof__(self):
        raise RuntimeError("touched")
THINGS = [Touchy() for _ in range(300)]
grow()
print("ready", flush=True)
threading.Event().wait()
"""

LEAVES = """
import monit_probe, threading
leave = threading.Event()
monit_probe.action("leave")(leave.set)
print("ready", flush=True)
leave.wait()
"""


def _ask(program: RunningProgram, kind: str, seconds: float, path: Path, number: str) -> None:
    args = [kind, seconds, str(path)]
    program.write({"request": "profile", "id": number, "args": args})


def _profile(program: RunningProgram, kind: str, seconds: float, path: Path) -> Any:
    _ask(program, kind, seconds, path, "p")
    ok, value = program.answers(1)["p"]
    assert ok, value
    return json.loads(path.read_text())


@each_version
def test_cpu_and_waiting_are_told_apart(version: str, tmp_path: Path) -> None:
    """One thread computes and another sleeps: each has its own kind of time."""
    with running_program(BUSY, version) as program:
        data = _profile(program, "cpu", 1.0, tmp_path / "p")
        assert program.report()["faults"] == 0
    names = [name for _, name, _ in data["functions"]]
    cpu: dict[str, float] = {}
    wall: dict[str, float] = {}
    for numbers, _, wall_us, cpu_us in data["stacks"]:
        for name in {names[number] for number in numbers}:
            cpu[name] = cpu.get(name, 0.0) + cpu_us
            wall[name] = wall.get(name, 0.0) + wall_us
    assert max(cpu, key=lambda name: cpu[name] if name in ("burn", "doze") else 0) == "burn"
    assert cpu["burn"] > 4 * cpu.get("doze", 0.0)
    assert wall["doze"] > 0.5 * wall["burn"] > 0
    assert data["cpu"] > 0
    assert not [name for name in names if "_monit_probe" in name]
    assert oct((tmp_path / "p").stat().st_mode & 0o777) == "0o600"


@each_version
def test_a_program_that_forks_meanwhile_notices_nothing(version: str, tmp_path: Path) -> None:
    """No warning, a child with the usual switch interval, and the same interval afterwards."""
    with running_program(FORKS, version) as program:
        _ask(program, "cpu", 1.5, tmp_path / "p", "p")
        program.write_when_taken({"request": "action", "id": "f", "name": "forks", "args": []})
        answers = program.answers(2)
        ok, (codes, _) = answers["f"]
        assert (ok, codes) == (True, [0])
        assert answers["p"][0], answers["p"]
        assert program.ask("interval") == (True, 0.005)
        assert program.report()["faults"] == 0


@each_version
def test_what_grows_is_named(version: str, tmp_path: Path) -> None:
    """The list of a module and the dict of a class are found; no code of the program runs."""
    with running_program(GROWING, version) as program:
        _ask(program, "memory", 1.0, tmp_path / "p", "p")
        program.write_when_taken({"request": "action", "id": "g", "name": "grow", "args": []})
        answers = program.answers(2)
        assert answers["g"] == (True, 10000)
        assert answers["p"][0], answers["p"]
        assert program.report()["faults"] == 0
    data = json.loads((tmp_path / "p").read_text())
    grown = {each["name"]: each["grew"] for each in data["containers"]}
    assert grown["__main__.SEEN"] == 5000
    assert grown["__main__.Cart.items"] == 3000
    assert data["lines"] is None


def test_one_profile_at_a_time_and_no_other_kind(tmp_path: Path) -> None:
    """The second request is refused at once, and an unknown kind too."""
    with running_program(BUSY) as program:
        _ask(program, "cpu", 1.5, tmp_path / "a", "a")
        program.write_when_taken(
            {"request": "profile", "id": "b", "args": ["cpu", 1.0, str(tmp_path / "b")]}
        )
        assert program.answers(1)["b"][0] is False
        assert program.answers(1)["a"][0] is True
        _ask(program, "heap", 1.0, tmp_path / "c", "c")
        assert program.answers(1)["c"] == (False, "this probe makes no heap profile")
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_a_profile_of_an_agent_that_is_gone_is_given_up(tmp_path: Path) -> None:
    """Another agent need not wait for it; nobody gets its answer, and no file is left of it."""
    with running_program(BUSY) as program:
        _ask(program, "cpu", 60.0, tmp_path / "a", "old.1")
        program.write_when_taken(
            {"request": "profile", "id": "new.1", "args": ["cpu", 0.5, str(tmp_path / "b")]}
        )
        assert program.answers(1)["new.1"][0] is True
    assert [each.name for each in tmp_path.iterdir()] == ["b"]


def test_a_program_that_ends_meanwhile_leaves_nothing(tmp_path: Path) -> None:
    """A profile does not keep a program alive, and prints nothing at its end."""
    with running_program(LEAVES) as program:
        _ask(program, "cpu", 30.0, tmp_path / "p", "p")
        program.write_when_taken({"request": "action", "id": "l", "name": "leave", "args": []})
        program.process.wait(20)
        assert program.process.returncode == 0
    assert list(tmp_path.iterdir()) == []
