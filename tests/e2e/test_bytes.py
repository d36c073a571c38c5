r"""Any byte that Linux allows in a path, an argument or a variable works.

The home, the folder, the script, its arguments and its variables all have a byte that is not UTF-8,
a newline, a tab, quotes and an escape sequence.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pexpect import EOF

from monit_agent.os_text import decode_texts
from support.command_line import MONIT, command, in_terminal
from support.processes import end_processes_of
from support.waiting import wait_until

ODD = b"caf\xe9 \n\t\"x'\x1b[31m"
SHOWS = """
import os, sys, time
seen = [*map(os.fsencode, sys.argv[1:]), os.getcwdb(), os.environb.get(b"V"), os.environb.get(b"F")]
print(seen, flush=True)
time.sleep(3600)
"""


@pytest.fixture(name="folder")
def _folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return an odd folder in an odd home."""
    odd_home = os.path.join(home, os.fsdecode(b"h\xe9\n"))
    monkeypatch.setenv("MONIT_HOME", odd_home)
    folder = os.path.join(home, os.fsdecode(ODD))
    os.mkdir(folder)
    yield folder
    end_processes_of(odd_home)


def _monit(folder: str, *words: str | bytes, **env: bytes) -> bytes:
    done = subprocess.run(
        [*MONIT, *words],
        cwd=folder,
        env={**os.environb, **{os.fsencode(name): value for name, value in env.items()}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, (words, done)
    return done.stdout


def _printed(folder: str) -> bytes:
    return _monit(folder, "logs", "t", "--no-follow", "-n", "1", "--raw")


def test_an_app_of_odd_bytes_can_be_used_like_any_other(folder: str) -> None:
    """Started, listed, described, restarted, reloaded, stopped and deleted; each worker finds the
    very bytes."""
    Path(folder, os.fsdecode(b"t\xe9.py")).write_text(SHOWS)
    Path(folder, "vars").write_bytes(b"F=\xff\x1b\n")
    words = (b"a\xe9", b"", b"n\nl\t'\"", b"\x1b[2J", b"\xf4\x8f\xbb\xa9")
    start = ("start", b"t\xe9.py", "--name", "t", "--env", b"V=\xe9\n", "--env-file", "vars")
    _monit(folder, *start, "--min-uptime", "0.1s", "--", *words)
    expected = str([*words, os.fsencode(folder), b"\xe9\n", b"\xff\x1b"]).encode()
    wait_until(lambda: expected in _printed(folder), what="the worker has the bytes")

    (row,) = decode_texts(json.loads(_monit(folder, "list", "--json")))
    assert os.fsencode(row["cwd"]) == os.path.join(os.fsencode(folder))
    shown = _monit(folder, "describe", "t").split(b"  script ", 1)[1].split(b"\n", 1)[0]
    read = subprocess.run(
        ["bash", "-c", b"printf '%s\\0' " + shown], capture_output=True, check=True
    ).stdout
    assert read.split(b"\0")[1:-1] == [*words]
    assert b"\x1b" not in _monit(folder, "describe", "t")

    _monit(folder, "restart", "t", "--update-env", LATER=b"\xe8")
    _monit(folder, "reload", "t")
    (told,) = decode_texts(json.loads(_monit(folder, "describe", "t", "--json")))
    assert "LATER" in told["config"]["environment"]["inherited"]
    assert told["restarts"] == 2
    wait_until(lambda: expected in _printed(folder), what="the next worker has them too")
    assert _monit(folder, "stop", "t")
    _monit(folder, "delete", "t")
    assert json.loads(_monit(folder, "list", "--json")) == []


def test_config_files_and_the_screen_take_them(folder: str) -> None:
    """A config file writes a byte as its character, `export` does so too, a Procfile as it is."""
    Path(folder, os.fsdecode(b"t\xe9.py")).write_text(SHOWS)
    python = shlex.quote(MONIT[0])
    Path(folder, "monit.toml").write_text(
        f'[apps.t]\nrun = ["{MONIT[0]}", "t\\U0010FEE9.py", "\\U0010FEE9"]\n'
    )
    Path(folder, "Procfile").write_bytes(b"p: " + python.encode() + b" t\xe9.py \xe9\n")
    _monit(folder, "start", "monit.toml")
    _monit(folder, "start", "Procfile")
    for app in ("t", "p"):
        wait_until(
            lambda app=app: rb"[b'\xe9'" in _monit(folder, "logs", app, "--no-follow", "--raw"),
            what=f"{app} has the byte",
        )
    exported = _monit(folder, "export", "t").decode()
    assert "\\U0010FEE9" in exported
    assert b"t\xe9.py" in _monit(folder, "export", "p", "--format", "procfile")
    with in_terminal("t") as screen:
        screen.expect_exact("caf")
        screen.send("q")
        screen.expect(EOF)


def test_errors_quote_odd_names_safely(folder: str) -> None:
    """An escape sequence in the name of a file never reaches the terminal."""
    done = command("start", "--", os.path.join(folder, "none"))
    assert done.returncode != 0
    assert "\x1b" not in done.stderr
    assert "caf\\xe9" in done.stderr
