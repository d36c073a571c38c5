"""`monit describe --crash`: what led to the last crashes, for people and for programs."""

import json
from pathlib import Path

from support.command_line import command, monit, script
from support.waiting import wait_until

CRASHES = """\
import os, sys, time
time.sleep(1.2)
if not os.path.exists("crashed"):
    open("crashed", "w").close()
    print("last words \\x1b]0;title\\x07", flush=True)
    raise RuntimeError("no luck")
time.sleep(1000)
"""


def test_what_led_to_a_crash_is_shown(home: Path, tmp_path: Path) -> None:
    """Exit, reason, changes and lines, safe for a terminal; as JSON with the address of each
    line; the reason is in describe and in the events too."""
    script(tmp_path, text=CRASHES)
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: json.loads(monit("describe", "app", "--crash", "--json")), deadline_s=30)
    text = monit("describe", "app", "--crash")
    assert "app/0 crashed " in text
    assert "exit code 1 after 1." in text
    assert "RuntimeError: no luck" in text
    assert "scaled: from 0 to 1 instances" in text
    assert "out | last words ^[]0;title^G" in text
    assert "\x1b" not in text
    (report,) = json.loads(monit("describe", "app/0", "--crash", "5", "--json"))
    assert (report["app"], report["exit"]["code"]) == ("app", 1)
    out = (home / "apps" / "app" / "logs" / "0.out.log").read_bytes()
    printed = next(line for line in report["lines"] if line["stream"] == "out")
    assert out[printed["offset"] :].startswith(printed["line"].encode())
    assert "crash reason" in monit("describe", "app")
    (described,) = json.loads(monit("describe", "app", "--json"))
    assert described["last_crash"]["reason"] == "RuntimeError: no luck"
    events = wait_until(lambda: monit("events", "app", "--kind", "crashed"), what="the event")
    assert "RuntimeError: no luck" in events


def test_without_a_crash_there_is_a_message(home: Path, tmp_path: Path) -> None:
    """An app that never crashed has no report; a wrong number is refused."""
    script(tmp_path)
    monit("start", "app.py", cwd=tmp_path)
    done = command("describe", "app", "--crash")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no unplanned exit is known" in done.stderr
    assert json.loads(monit("describe", "app", "--crash", "--json")) == []
    wrong = command("describe", "--crash", "app")
    assert wrong.returncode == 2
    assert "write the target first" in wrong.stderr
    assert home.exists()
