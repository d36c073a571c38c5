"""``monit logs`` takes the short way where it can, and shows what the long way shows."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from monit_agent.cli.exit_codes import ExitCode
from support.command_line import MONIT, command, imported_by, in_terminal, monit, script
from support.waiting import wait_until

DEAR = {"click", "zmq", "msgspec", "monit_agent.cli.main"}

MIXED = r"""
import sys, time
for n in range(300):
    print(f"{n:03} GET /item/{n} \x1b[32mok\x1b[0m \x07 caf\xe9", flush=True)
    if n % 50 == 10:
        print(f"ERROR {n:03} payment failed\n  at pay\r", file=sys.stderr, flush=True)
        time.sleep(0.01)
sys.stdout.buffer.write(b"\xff bytes\n")
print("done", flush=True)
print("Name? ", end="", flush=True)
time.sleep(1000)
"""

CASES = (
    "", "-n 7", "-n 0", "-n 1000", "--err", "--out -n 40 --raw", "--raw", "--json -n 20",
    "--grep ite.*5 -n 9", "-i --grep FAILED", "--grep failed -C 1", "--grep 0 -B 2 -A 1 --json",
    "--grep /item/ --count", "--count", "--grep failed --count --json", "--grep nothing_like_it",
)  # fmt: skip


@pytest.fixture(name="mixed")
def _mixed(home: Path, tmp_path: Path) -> str:
    """Return the name of an app with two instances that has printed all that it prints."""
    script(tmp_path, text=MIXED)
    monit("start", "app.py", "-i", "2", cwd=tmp_path)
    wait_until(lambda: monit("logs", "--no-follow", "--raw", "-n", "4").count("Name?") == 2)
    assert home.exists()
    return "app"


def test_both_ways_write_the_same_bytes(mixed: str) -> None:
    """Whatever options are given, output, messages and exit code are those of the long way, which
    a host before the target asks for."""
    for case in CASES:
        words = ["logs", "--no-follow", *case.split()]
        if "--count" in words:
            words.remove("--no-follow")
        short, long = (
            subprocess.run([*MONIT, *words, target], capture_output=True)
            for target in (mixed, f"localhost:{mixed}")
        )
        assert (short.stdout, short.stderr) == (long.stdout, long.stderr), case
        assert short.returncode == long.returncode == 0, case


def test_both_ways_draw_the_same_on_a_terminal(mixed: str) -> None:
    """Colours, prefixes and unfinished lines too."""
    for case in ("-n 30", "--grep failed -C 1", "--raw -n 5"):
        short, long = (
            in_terminal("logs", target, "--no-follow", *case.split()).read()
            for target in (mixed, f"localhost:{mixed}")
        )
        assert "\x1b[3" in short
        assert short == long, case


def test_the_short_way_imports_nothing_dear(mixed: str) -> None:
    """The usual requests need neither click nor ZeroMQ nor msgspec; the others do."""
    for case in ("-n 5", "--grep item", "--err --raw", "--grep item --count"):
        follows = [] if "--count" in case else ["--no-follow"]
        assert not DEAR & imported_by("logs", mixed, *case.split(), *follows), case
    assert imported_by("logs", mixed, "--since", "1h", "--no-follow") >= DEAR


def test_nothing_is_lost_where_following_begins(home: Path, tmp_path: Path) -> None:
    """The lines of an app that prints all the while come once each, in order, from the first one
    that is shown."""
    text = (
        "import itertools, time\n"
        "for n in itertools.count():\n    print('n', n, flush=True)\n    time.sleep(0.001)\n"
    )
    script(tmp_path, text=text)
    monit("start", "app.py", "-i", "2", cwd=tmp_path)
    wait_until(lambda: monit("logs", "--no-follow", "-n", "200").count("\n") == 200)
    path = tmp_path / "followed"
    with path.open("wb") as file:
        follower = subprocess.Popen([*MONIT, "logs", "app", "-n", "100"], stdout=file)
    try:
        wait_until(lambda: path.read_bytes().count(b"\n") > 2000)
    finally:
        follower.send_signal(signal.SIGINT)
        follower.wait()
    lines = re.findall(r"^app/(\d) +\| n (\d+)$", path.read_text(), re.MULTILINE)
    for instance in "01":
        numbers = [int(number) for each, number in lines if each == instance]
        assert len(numbers) > 100
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert home.exists()


def test_a_line_printed_before_following_begins_is_shown(home: Path, tmp_path: Path) -> None:
    """A line that comes while the command still writes the earlier ones, and after which the app
    is silent."""
    text = """\
import os, sys, time
for n in range(20_000):
    print("early", n)
sys.stdout.flush()
while not os.path.exists("go"):
    time.sleep(0.02)
print("late", flush=True)
print("late error", file=sys.stderr, flush=True)
time.sleep(1000)
"""
    script(tmp_path, text=text)
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "early 19999" in monit("logs", "--no-follow", "-n", "1"))
    follower = subprocess.Popen([*MONIT, "logs", "app", "-n", "20000"], stdout=subprocess.PIPE)
    assert follower.stdout is not None
    seen = follower.stdout.readline()  # its pipe is full now: it cannot go on
    (tmp_path / "go").touch()
    wait_until(lambda: "late error" in monit("logs", "--no-follow", "-n", "2"))
    try:
        while b"| late error" not in seen or b"| late\n" not in seen:
            part = follower.stdout.readline()
            assert part, seen[-300:]
            seen += part
    finally:
        follower.send_signal(signal.SIGINT)
        follower.stdout.close()
        assert follower.wait() == ExitCode.INTERRUPTED
    assert seen.count(b"early") == 20_000
    assert seen.count(b"| late\n") == 1
    assert home.exists()


def test_what_the_short_way_cannot_is_done_by_the_long_way(mixed: str) -> None:
    """An agent that does not answer, a target that is not there, a wrong expression: the words and
    the exit code are those of the long way."""
    assert command("logs", "nope", "--no-follow").returncode == ExitCode.NO_TARGET
    wrong = command("logs", mixed, "--no-follow", "--grep", "(")
    assert (wrong.returncode, "is not a regular expression" in wrong.stderr) == (2, True)
    agent = json.loads(command("describe", mixed, "--json").stdout)[0]["agent_pid"]
    os.kill(agent, signal.SIGSTOP)
    try:
        done = command("logs", mixed, "--no-follow")
    finally:
        os.kill(agent, signal.SIGCONT)
    assert done.returncode == ExitCode.NO_ANSWER
    assert "its agent did not answer within" in done.stderr


def test_a_reader_that_leaves_is_no_error(mixed: str) -> None:
    """Into a pipe that nobody reads, the command ends as SIGPIPE would end it."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as pipe:
        done = subprocess.run(
            [*MONIT, "logs", mixed, "--no-follow"], stdout=pipe, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, b"")
