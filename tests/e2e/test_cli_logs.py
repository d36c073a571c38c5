"""`monit logs`: every line, in order, from several instances, in a pipe and on a terminal."""

import json
import os
import re
import signal
import subprocess
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pexpect
import pytest

from support.command_line import MONIT, NUMBERED, NUMBERS, command, in_terminal, monit, row, script
from support.waiting import wait_until

TALKER = """\
import sys, time
for n in range(3):
    print("out", n, flush=True)
    time.sleep(0.03)
    print("err", n, file=sys.stderr, flush=True)
    time.sleep(0.03)
print("bye", flush=True)
time.sleep(1000)
"""


def test_both_streams_come_in_the_order_of_time(home: Path, tmp_path: Path) -> None:
    """Standard output and standard error are merged as they were printed, and marked."""
    script(tmp_path, text=TALKER)
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "bye" in monit("logs", "--no-follow"))
    lines = monit("logs", "--no-follow", "-n", "7").splitlines()
    printed = [line.split(" | ")[1] for line in lines]
    assert printed == ["out 0", "err 0", "out 1", "err 1", "out 2", "err 2", "bye"]
    assert lines[1].startswith("app/0 err | ")
    only_err = monit("logs", "--no-follow", "--err", "--raw").splitlines()
    assert only_err == ["err 0", "err 1", "err 2"]
    assert (
        monit("logs", "--no-follow", "--out", "--grep", "out [12]", "--raw", "-n", "1") == "out 2\n"
    )
    assert home.exists()


def test_json_lines_carry_offset_and_time(home: Path, tmp_path: Path) -> None:
    """Each line is one object whose offset is where it stands in the file."""
    script(tmp_path, text=TALKER)
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "bye" in monit("logs", "--no-follow"))
    objects = [json.loads(line) for line in monit("logs", "--no-follow", "--json").splitlines()]
    assert set(objects[0]) == {
        "host", "app", "instance", "stream", "offset", "at", "level", "context", "count", "lines",
        "line",
    }  # fmt: skip
    raw = (home / "apps" / "app" / "logs" / "0.out.log").read_bytes()
    outs = [each for each in objects if each["stream"] == "out"]
    for each in outs:
        assert raw[each["offset"] :].startswith(each["line"].encode() + b"\n")
    assert sorted(each["at"] for each in objects) == [each["at"] for each in objects]


def test_since_gives_what_was_printed_after(home: Path, tmp_path: Path) -> None:
    """--since a time later than every line gives nothing, --since long ago gives all."""
    script(tmp_path, text=TALKER)
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "bye" in monit("logs", "--no-follow"))
    everything = monit("logs", "--no-follow", "--since", "1h", "--raw")
    assert len(everything.splitlines()) == 7
    last = json.loads(monit("logs", "--no-follow", "--json", "-n", "1"))
    assert last["line"] == "bye"
    wait_until(
        lambda: monit("logs", "--no-follow", "--since", "1s") == "", what="a second of silence"
    )
    assert home.exists()


def test_following_shows_every_line_of_a_flood_in_order(home: Path, tmp_path: Path) -> None:
    """Two instances print 100,000 lines each while they are followed: none is lost or moved."""
    text = (
        "import os, sys, time\n"
        "while not os.path.exists('go'): print('waits', flush=True); time.sleep(0.05)\n"
        "for n in range(100_000): print('line', n)\n"
        "print('end', flush=True)\ntime.sleep(1000)\n"
    )
    script(tmp_path, text=text)
    monit("start", "app.py", "-i", "2", cwd=tmp_path)
    with open(tmp_path / "followed", "wb") as file:
        follower = subprocess.Popen([*MONIT, "logs", "-n", "0"], stdout=file)
    try:
        followed = tmp_path / "followed"
        for name in (b"app/0", b"app/1"):
            wait_until(lambda name=name: name in followed.read_bytes(), what="both are followed")
        (tmp_path / "go").write_text("")
        wait_until(lambda: followed.read_bytes().count(b"| end\n") == 2, deadline_s=60)
    finally:
        follower.send_signal(signal.SIGINT)
        code = follower.wait(timeout=20)
    assert code == 130
    lines = followed.read_text().splitlines()
    assert not [line for line in lines if "…" in line]
    for instance in (0, 1):
        own = [line for line in lines if line.startswith(f"app/{instance}")]
        numbers = [int(line.rsplit(" ", 1)[1]) for line in own if " line " in line]
        assert numbers == list(range(100_000))
    assert home.exists()


def test_following_picks_up_instances_and_apps_that_come(home: Path, tmp_path: Path) -> None:
    """Lines of a scaled-up instance and of a new app appear from their first one on."""
    script(tmp_path, text="import time\nprint('first', flush=True)\ntime.sleep(1000)\n")
    monit("start", "app.py", cwd=tmp_path)
    follower = in_terminal("logs")
    follower.expect(r"app/0 .*first")
    monit("scale", "app", "2")
    follower.expect(r"app/1 .*first")
    monit("start", "app.py", "--name", "new", cwd=tmp_path)
    follower.expect(r"new/0 .*first")
    follower.sendintr()
    follower.expect_exact(pexpect.EOF)
    follower.close()
    assert follower.exitstatus == 130
    assert home.exists()


def test_a_flushed_log_is_followed_on(home: Path, tmp_path: Path) -> None:
    """Emptying the log while it is followed loses no line that comes afterwards."""
    script(tmp_path)
    monit("start", "app.py", cwd=tmp_path)
    follower = in_terminal("logs")
    follower.expect("tick")
    monit("flush", "app")
    # a line in the making may be seen: an unbuffered print writes its parts one by one
    found = wait_until(
        lambda: re.search(r"tick (\d+)\n", monit("logs", "--no-follow", "-n", "2")),
        what="a new line",
    )
    assert found is not None
    follower.expect(f"tick {int(found[1]) + 3}")
    follower.sendintr()
    follower.expect_exact(pexpect.EOF)
    assert home.exists()


HOSTILE = r"""
import sys, time
sys.stdout.buffer.write(b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J \x9b \xe2\x80\xae bell\x07\n")
sys.stdout.flush()
time.sleep(1000)
"""


def test_worker_text_cannot_steer_the_terminal(home: Path, tmp_path: Path) -> None:
    """On a terminal colours pass and every other control is shown; --raw in a pipe passes bytes."""
    script(tmp_path, text=HOSTILE)
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "red" in monit("logs", "--no-follow"))
    follower = in_terminal("logs", "app", "--no-follow")
    follower.expect_exact(pexpect.EOF)
    shown = follower.before or ""
    assert "\x1b[31mred" in shown
    without_colours = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "\x1b" not in without_colours
    assert "\x07" not in without_colours
    assert "\u202e" not in without_colours
    assert "title" in without_colours
    raw = subprocess.run(
        [*MONIT, "logs", "app", "--no-follow", "--raw"], capture_output=True, timeout=60
    )
    assert raw.stdout == (home / "apps" / "app" / "logs" / "0.out.log").read_bytes()
    colourless = in_terminal("logs", "app", "--no-follow", NO_COLOR="1")
    colourless.expect_exact(pexpect.EOF)
    assert "\x1b" not in (colourless.before or "")


def test_a_prompt_without_newline_is_shown_on_a_terminal(home: Path, tmp_path: Path) -> None:
    """A line that does not end appears after a moment, once."""
    script(tmp_path, text="import time\nprint('Password:', end='', flush=True)\ntime.sleep(1000)\n")
    monit("start", "app.py", cwd=tmp_path)
    follower = in_terminal("logs")
    follower.expect("Password:")
    follower.sendintr()
    follower.expect_exact(pexpect.EOF)
    assert "Password" not in (follower.before or "")
    assert monit("logs", "--no-follow") == "app/0     | Password:\n"
    assert monit("logs", "--no-follow", "--raw") == "Password:"
    assert home.exists()


def test_no_apps_no_lines(home: Path) -> None:
    """Without apps --no-follow prints nothing and is no error."""
    done = command("logs", "--no-follow")
    assert (done.returncode, done.stdout) == (0, "")
    assert home.exists()


def test_no_apps_and_lines_that_come(home: Path, tmp_path: Path) -> None:
    """Without apps, a log that is followed says on stderr that it waits for the first one."""
    assert home.exists()
    follower = subprocess.Popen([*MONIT, "logs"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert follower.stdout is not None
        assert follower.stderr is not None
        assert b"no apps yet; waiting for the first one" in follower.stderr.readline()
        monit("start", str(script(tmp_path)))
        assert b"app/0" in follower.stdout.readline()
    finally:
        follower.kill()
        follower.communicate()


def _piped(*words: str) -> bytes:
    return subprocess.run([*MONIT, "logs", "--no-follow", *words], capture_output=True).stdout


def test_a_pipe_to_a_terminal_is_safe(home: Path, tmp_path: Path) -> None:
    """What goes through grep to a terminal has no escape and no control character; the text is
    complete, also where a terminal would have overwritten it."""
    text = "import sys, time\nsys.stdout.buffer.write(b'10%\\r20%\\rdone \\xff\\xc3\\xa9\\r\\n')\n"
    script(tmp_path, text=text + HOSTILE)
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "bell" in monit("logs", "--no-follow"))
    line = " ".join(MONIT) + " logs --no-follow | grep --color=never -a ."
    terminal: pexpect.spawn[str] = pexpect.spawn("bash", ["-c", line], encoding="utf-8", timeout=30)
    terminal.expect_exact(pexpect.EOF)
    shown = (terminal.before or "").replace("\r\n", "\n")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown), shown
    assert shown.splitlines() == [
        "app/0     | 10%^M20%^Mdone \\xffé",
        "app/0     | red ^[]0;title^G ^[[2J \\x9b \\u202e bell^G",
    ]
    assert home.exists()


@pytest.mark.parametrize(
    "expression",
    [
        "b'x' * 2_500_000",
        pytest.param("b'y' * (1 << 20) + b'\\n' + b'z' * (1 << 20)", marks=pytest.mark.full),
        "b'a\\n' * 10 + b'\\xff\\x00 prompt> '",
        pytest.param(
            "b''.join(b'%d ' % n * (n * 40) + b'\\n' for n in range(300))", marks=pytest.mark.full
        ),
    ],
)
def test_raw_is_byte_for_byte(expression: str, home: Path, tmp_path: Path) -> None:
    """`logs --raw` in a pipe writes what the app printed: no newline is added or lost, however
    long its lines are."""
    begin = "import os, sys, time\nout = sys.stdout.buffer\n"
    script(tmp_path, text=f"{begin}out.write({expression})\nout.flush()\ntime.sleep(1000)\n")
    monit("start", "app.py", cwd=tmp_path)
    expected = eval(expression)
    file = home / "apps" / "app" / "logs" / "0.out.log"
    wait_until(lambda: file.stat().st_size == len(expected), what="all is in the file")
    assert _piped("--raw", "--out", "-n", "1000") == expected
    assert _piped("--raw", "--out", "--since", "1h") == expected


def test_raw_lines_of_two_streams_do_not_run_together(home: Path, tmp_path: Path) -> None:
    """Where a line without a newline is followed by one of another stream, one is added."""
    text = "import sys, time\nprint('first', end='', flush=True)\ntime.sleep(0.1)\n"
    script(tmp_path, text=text + "print('second', file=sys.stderr, flush=True)\ntime.sleep(1000)\n")
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "second" in monit("logs", "--no-follow"))
    assert sorted(_piped("--raw").split(b"\n")) in (
        [b"", b"first", b"second"],
        [b"first", b"second"],
    )
    assert home.exists()


def test_a_raw_prompt_is_followed_in_a_pipe(home: Path, tmp_path: Path) -> None:
    """`logs --raw | …` passes a prompt on before its line ends, and the rest of it later."""
    text = "import os, time\nprint('name? ', end='', flush=True)\n"
    text += "while not os.path.exists('go'): time.sleep(0.05)\nprint('Ada', flush=True)\n"
    script(tmp_path, text=text + "time.sleep(1000)\n")
    monit("start", "app.py", cwd=tmp_path)
    with open(tmp_path / "followed", "wb") as file:
        follower = subprocess.Popen([*MONIT, "logs", "--raw"], stdout=file)
    try:
        wait_until(lambda: (tmp_path / "followed").read_bytes() == b"name? ", what="the prompt")
        (tmp_path / "go").write_text("")
        wait_until(lambda: (tmp_path / "followed").read_bytes() == b"name? Ada\n", what="the rest")
    finally:
        follower.send_signal(signal.SIGINT)
        follower.wait(timeout=20)
    assert home.exists()


CRASHER = """\
import os, sys
number = len(os.listdir("runs"))
open(f"runs/{number}", "w").close()
sys.stdout.write(f"run {number}")
sys.stderr.write(f"FATAL: crash {number}")
sys.stdout.flush()
os._exit(3)
"""


def test_each_crash_has_a_line_of_its_own(home: Path, tmp_path: Path) -> None:
    """A crash loop whose last line has no newline: each worker's text is a line with its own
    time, on both streams, and --since finds the later ones."""
    (tmp_path / "runs").mkdir()
    script(tmp_path, text=CRASHER)
    # also on a busy machine a worker exits before it counts as online
    command("start", "app.py", "--max-restarts", "4", "--min-uptime", "60s", cwd=tmp_path)
    wait_until(lambda: row("app")["status"] == "errored", what="it gives up")
    objects = [json.loads(line) for line in monit("logs", "--no-follow", "--json").splitlines()]
    for stream, text in (("err", "FATAL: crash"), ("out", "run")):
        lines = [each for each in objects if each["stream"] == stream]
        assert [each["line"] for each in lines] == [f"{text} {n}" for n in range(4)]
        times = [each["at"] for each in lines]
        assert all(later - earlier >= 0.05 for earlier, later in pairwise(times)), times
        since = monit("logs", "--no-follow", "--raw", f"--{stream}", "--since", _iso(times[2]))
        assert since.splitlines() == [f"{text} 2", f"{text} 3"]
    assert home.exists()


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at - 0.02).astimezone().isoformat()


def test_a_worker_that_ends_its_lines_gets_no_empty_one(home: Path, tmp_path: Path) -> None:
    """After a restart nothing is added behind a line that has its newline, or to an empty log."""
    script(tmp_path, text="import time\nprint('one', flush=True)\ntime.sleep(1000)\n")
    monit("start", "app.py", cwd=tmp_path)
    monit("restart", "app")
    wait_until(lambda: monit("logs", "--no-follow", "--raw").count("one") == 2)
    assert (home / "apps/app/logs/0.out.log").read_bytes() == b"one\none\n"
    assert (home / "apps/app/logs/0.err.log").read_bytes() == b""


def test_rotated_logs_are_shown_and_left_to_logrotate(home: Path, tmp_path: Path) -> None:
    """The beginning of a stream is read from its rotated files, compressed or not; --reopen leaves
    a file that was moved away to whoever moved it."""
    text = (
        "import os, time\n"
        "for n in range(15_000): print(n, 'a line of a log that is rotated', flush=True)\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
        "print('new', flush=True)\ntime.sleep(1000)\n"
    )
    script(tmp_path, text=text)
    monit("start", "app.py", "--log-max-size", "64k", cwd=tmp_path)
    logs = home / "apps" / "app" / "logs"
    wait_until(lambda: len(list(logs.glob("0.out.*.log.gz"))) >= 5, what="most are compressed")
    shown = monit("logs", "--no-follow", "--raw", "--since", "1h").splitlines()
    assert shown == [f"{n} a line of a log that is rotated" for n in range(15_000)]
    assert "rotated files" in monit("describe", "app")

    log = logs / "0.out.log"
    log.rename(tmp_path / "moved.log")
    monit("logs", "--reopen", "app")
    assert log.read_bytes() == b""
    moved = (tmp_path / "moved.log").read_bytes()
    (tmp_path / "go").touch()
    wait_until(lambda: log.read_bytes() == b"new\n", what="the new line is in the new file")
    assert (tmp_path / "moved.log").read_bytes() == moved


def test_a_stream_of_json_has_every_line_once(home: Path, tmp_path: Path) -> None:
    """Over rotations and two kills of the agent; each line says where and when."""
    assert home.exists()
    path = str(script(tmp_path, text=NUMBERS + "time.sleep(1000)\n"))
    size = "--log-max-size", "256k", "--log-max-files", "0"
    monit("start", path, "--name", "numbers", "--min-uptime", "0.1s", *size)
    words = ["logs", "numbers", "-f", "--json", "-n", str(NUMBERED)]
    follower = subprocess.Popen([*MONIT, *words], stdout=subprocess.PIPE, text=True)
    assert follower.stdout is not None
    found: list[dict[str, Any]] = []
    for line in follower.stdout:
        found.append(json.loads(line))
        if len(found) in (3000, 12000):
            (described,) = json.loads(monit("describe", "numbers", "--json"))
            os.kill(described["agent_pid"], signal.SIGKILL)
        if len(found) == NUMBERED:
            break
    follower.kill()
    follower.communicate()
    assert [each["line"].split()[1] for each in found] == [str(n) for n in range(NUMBERED)]
    first, last = found[0], found[-1]
    assert (first["app"], first["instance"], first["stream"]) == ("numbers", 0, "out")
    assert [each["offset"] for each in found] == sorted({each["offset"] for each in found})
    assert first["at"] <= last["at"]
