"""Programs that cannot run as they are: the reason is named, and what to do."""

import os
import signal
import struct
from pathlib import Path

import pytest

from monit_agent.system.executable import explain_not_run
from support.command_line import command, listed, monit, row, script
from support.waiting import wait_until


def _elf(loader: bytes) -> bytes:
    """Return the head of a program for this machine that needs a loader."""
    machine = int.from_bytes(Path("/proc/self/exe").read_bytes()[18:20], "little")
    at = 64 + 56
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = len(loader) + 1
    return header + struct.pack("<IIQQQQQQ", 3, 4, at, at, at, size, size, 1) + loader + b"\0"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#!/opt/none/bin/python9\nprint()\n", "'/opt/none/bin/python9' (the first line, #!)"),
        (b"#!/opt/none/env python3\n", "'/opt/none/env'"),
        (b"#!/bin/sh\r\necho hi\r\n", "ends with CRLF"),
        (b"#!/usr/bin/env python3\r\nprint()\r\n", "ends with CRLF"),
        (b"#!/usr/bin/env -S pyton3 -u\nprint()\n", "'pyton3' (the first line, #!/usr/bin/env)"),
        (b"#!/usr/bin/env python3 -u\n", "write #!/usr/bin/env -S python3 -u"),
        (b"#!/etc/passwd\n", "is not executable"),
        (b"#!\n", "without an interpreter"),
        (_elf(b"/lib/ld-none-x86_64.so.1"), "the loader '/lib/ld-none-x86_64.so.1'"),
    ],
)
@pytest.mark.parametrize("words", [["./tool"], ["--", "./tool", "run"]])
def test_a_missing_interpreter_is_named(
    words: list[str], content: bytes, message: str, home: Path, tmp_path: Path
) -> None:
    """A file that exists but whose interpreter does not is refused with its name, exit code 2."""
    path = tmp_path / "tool"
    path.write_bytes(content)
    path.chmod(0o755)
    done = command("start", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "No such file" not in done.stderr
    assert list(home.iterdir()) == []


def test_the_advice_against_crlf_works(home: Path, tmp_path: Path) -> None:
    """The command in the message repairs the script."""
    path = tmp_path / "it's a tool"
    path.write_bytes(b"#!/bin/sh\r\nexec sleep 1000\r\n")
    path.chmod(0o755)
    error = command("start", path.name, cwd=tmp_path).stderr
    assert os.system(error.rpartition("; run: ")[2]) == 0
    monit("start", path.name, cwd=tmp_path)
    assert home.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#!/opt/none/python9\n", "'/opt/none/python9' (the first line, #!) does not exist"),
        (b"#!/bin/sh\r\nexec sleep 1000\r\n", "ends with CRLF"),
        (b"exec sleep 1000\n", "a script that begins with #!"),
    ],
)
def test_one_that_breaks_later_is_named_too(
    content: bytes, message: str, home: Path, tmp_path: Path
) -> None:
    """When the script was replaced by a broken one, a restart stops nothing, and after a crash
    describe has the reason."""
    path = tmp_path / "tool"
    path.write_bytes(b"#!/bin/sh\nexec sleep 1000\n")
    path.chmod(0o755)
    monit("start", "./tool", cwd=tmp_path)
    pid = row("tool")["pid"]
    path.write_bytes(content)
    if content.startswith(b"#!"):
        done = command("restart", "tool")
        assert (done.returncode, row("tool")["pid"]) == (1, pid)
        assert message in done.stderr
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: message in monit("describe", "tool"), what="the reason")
    assert home.exists()


@pytest.mark.parametrize(
    "first",
    ["#!bin/tool", "#!/usr/bin/env -u HOME sleep", "#!/usr/bin/env -S A=1 sh", "#! /bin/sh -e"],
)
def test_an_interpreter_that_is_there_is_not_refused(
    first: str, home: Path, tmp_path: Path
) -> None:
    """A path relative to the working directory, options of env and blanks are understood or left
    to the kernel."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").symlink_to("/bin/sh")
    path = tmp_path / "app"
    path.write_text(f"{first}\necho runs\nexec sleep 1000\n")
    path.chmod(0o755)
    assert explain_not_run(str(path), os.environ["PATH"]) is None
    if "-u" not in first:
        monit("start", str(path), "--cwd", str(tmp_path))
        monit("restart", "app")
        assert row("app")["status"] == "online"
    assert home.exists()


def test_programs_of_this_machine_are_not_refused() -> None:
    """Nothing that is installed is refused: programs and scripts."""
    folder = Path("/usr/bin")
    refused = {
        path.name: why
        for path in folder.iterdir()
        if path.is_file() and (why := explain_not_run(str(path), os.environ["PATH"]))
    }
    assert {name: why for name, why in refused.items() if "#!" not in why} == {}


DAEMON = """\
import os, time
if os.fork():
    os._exit(0)
os.setsid()
time.sleep(1000)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["d.py"],
        ["--name", "d", "sleep 1000 & exit 0"],
        pytest.param(["d.py", "--no-autorestart"], id="a daemon is no job that ended well"),
    ],
)
def test_a_program_that_daemonises_is_reported(
    words: list[str], home: Path, tmp_path: Path
) -> None:
    """The start fails with the reason and what to do, and the process it left is gone."""
    script(tmp_path, "d.py", DAEMON)
    done = command("start", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert "went into the background" in done.stderr
    assert "run it in the foreground" in done.stderr
    if "--no-autorestart" not in words:
        reason = wait_until(
            lambda: listed("d")[0]["status"] != "starting" and monit("describe", "d")
        )
        assert "run it in the foreground" in reason
    assert home.exists()


def test_a_program_that_daemonises_late_is_reported(home: Path, tmp_path: Path) -> None:
    """One that was online by then does not go round for ever: it waits longer and longer, and the
    reason says what to do."""
    words = "while ! test -e gate; do sleep 0.05; done; rm gate; sleep 1000 & exit 0"
    slow = ("--min-uptime", "100ms", "--backoff", "1h", "--backoff-max", "1h")
    monit("start", "--name", "late", *slow, words, cwd=tmp_path)
    (tmp_path / "gate").touch()
    wait_until(lambda: row("late")["status"] == "backoff", what="it waits")
    assert "it went into the background" in monit("describe", "late")
    assert home.exists()


def test_a_job_that_leaves_nothing_ends_well(home: Path, tmp_path: Path) -> None:
    """A script that waits for its own child and exits with 0 is no daemon."""
    script(tmp_path, "job.py", "import subprocess\nsubprocess.run(['true'])\n")
    monit("start", "job.py", "--no-autorestart", cwd=tmp_path)
    assert row("job")["status"] == "stopped"
    assert home.exists()


def test_a_job_that_fails_is_errored(home: Path, tmp_path: Path) -> None:
    """What is not restarted and exits with a failure is a problem with its exit code, like a job
    that runs once; a reboot does not start it."""
    script(tmp_path, "job.py", "raise SystemExit(3)\n")
    done = command("start", "job.py", "--restart", "never", cwd=tmp_path)
    assert done.returncode == 1
    assert "exit code 3" in done.stderr
    assert row("job")["status"] == "errored"
    assert "exit code 3" in monit("describe", "job")
    assert "has finished" in monit("save")
    assert home.exists()


def test_describe_prints_a_command_that_can_be_copied(home: Path, tmp_path: Path) -> None:
    """Arguments with spaces, quotes and control characters are quoted as a shell reads them."""
    script(tmp_path, "my app.py")
    monit("start", "my app.py", "--", "two words", "it's", "$HOME", "a\x1b[31mb", cwd=tmp_path)
    described = monit("describe", "my-app")
    quoted = r"""'two words' 'it'"'"'s' '$HOME' $'a\e[31mb'"""
    lines = [line for line in described.splitlines() if quoted in line]
    assert [line.split()[0] for line in lines] == ["script", "command"]
    assert f"'{tmp_path / 'my app.py'}' 'two words'" in lines[0]
    assert home.exists()
