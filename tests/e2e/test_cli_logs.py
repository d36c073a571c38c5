"""`monit logs`: every line, in order, from several instances, in a pipe and on a terminal."""

import json
import re
import signal
import subprocess
from pathlib import Path

import pexpect

from commands import MONIT, command, in_terminal, ok, script
from waiting import wait_until

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
    ok("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "bye" in ok("logs", "--no-follow"))
    lines = ok("logs", "--no-follow", "-n", "7").splitlines()
    said = [line.split(" | ")[1] for line in lines]
    assert said == ["out 0", "err 0", "out 1", "err 1", "out 2", "err 2", "bye"]
    assert lines[1].startswith("app/0 err | ")
    only_err = ok("logs", "--no-follow", "--err", "--raw").splitlines()
    assert only_err == ["err 0", "err 1", "err 2"]
    assert ok("logs", "--no-follow", "--out", "--grep", "out [12]", "--raw", "-n", "1") == "out 2\n"
    assert home.exists()


def test_json_lines_carry_offset_and_time(home: Path, tmp_path: Path) -> None:
    """Each line is one object whose offset is where it stands in the file."""
    script(tmp_path, text=TALKER)
    ok("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "bye" in ok("logs", "--no-follow"))
    objects = [json.loads(line) for line in ok("logs", "--no-follow", "--json").splitlines()]
    assert set(objects[0]) == {"app", "instance", "stream", "offset", "at", "line"}
    raw = (home / "apps" / "app" / "logs" / "0.out.log").read_bytes()
    outs = [each for each in objects if each["stream"] == "out"]
    for each in outs:
        assert raw[each["offset"] :].startswith(each["line"].encode() + b"\n")
    assert sorted(each["at"] for each in objects) == [each["at"] for each in objects]


def test_since_gives_what_was_printed_after(home: Path, tmp_path: Path) -> None:
    """--since a time later than every line gives nothing, --since long ago gives all."""
    script(tmp_path, text=TALKER)
    ok("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "bye" in ok("logs", "--no-follow"))
    everything = ok("logs", "--no-follow", "--since", "1h", "--raw")
    assert len(everything.splitlines()) == 7
    last = json.loads(ok("logs", "--no-follow", "--json", "-n", "1"))
    assert last["line"] == "bye"
    wait_until(lambda: ok("logs", "--no-follow", "--since", "1s") == "", what="a second of silence")
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
    ok("start", "app.py", "-i", "2", cwd=tmp_path)
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
    ok("start", "app.py", cwd=tmp_path)
    follower = in_terminal("logs")
    follower.expect(r"app/0 .*first")
    ok("scale", "app", "2")
    follower.expect(r"app/1 .*first")
    ok("start", "app.py", "--name", "new", cwd=tmp_path)
    follower.expect(r"new/0 .*first")
    follower.sendintr()
    follower.expect_exact(pexpect.EOF)
    follower.close()
    assert follower.exitstatus == 130
    assert home.exists()


def test_a_flushed_log_is_followed_on(home: Path, tmp_path: Path) -> None:
    """Emptying the log while it is followed loses no line that comes afterwards."""
    script(tmp_path)
    ok("start", "app.py", cwd=tmp_path)
    follower = in_terminal("logs")
    follower.expect("tick")
    ok("flush", "app")
    count = int(ok("logs", "--no-follow", "-n", "1").split()[-1] or 0)
    follower.expect(f"tick {count + 3}")
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
    """On a terminal colours pass and every other control is shown; in a pipe bytes pass."""
    script(tmp_path, text=HOSTILE)
    ok("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "red" in ok("logs", "--no-follow"))
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
    ok("start", "app.py", cwd=tmp_path)
    follower = in_terminal("logs")
    follower.expect("Password:")
    follower.sendintr()
    follower.expect_exact(pexpect.EOF)
    assert "Password" not in (follower.before or "")
    assert ok("logs", "--no-follow", "--raw") == "Password:\n"
    assert home.exists()


def test_no_apps_no_lines(home: Path) -> None:
    """Without apps --no-follow prints nothing and is no error."""
    done = command("logs", "--no-follow")
    assert (done.returncode, done.stdout) == (0, "")
    assert home.exists()
