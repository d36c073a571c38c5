"""Apps whose output goes to the journal, with a real journald in a mount namespace of its own."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command_line import MONIT, command, monit, monit_error, script
from support.waiting import wait_until

JOURNALD = next(
    (p for p in ("/lib/systemd/systemd-journald", "/usr/lib/systemd/systemd-journald")
     if Path(p).exists()), ""
)  # fmt: skip

PRINTS = """\
import os, sys, time
print("INFO started", flush=True)
print("x" * 900_000, flush=True)
print("Traceback", file=sys.stderr, flush=True)
while True:
    if os.path.exists("say"):
        print(open("say").read(), flush=True)
        os.unlink("say")
    time.sleep(0.02)
"""


class Machine:
    """A mount namespace with an empty /run and, while it runs, a journald."""

    def __init__(self) -> None:
        words = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && exec sleep 10000"
        self._holder = subprocess.Popen(["unshare", "-m", "sh", "-c", words])
        self._journald: subprocess.Popen[bytes] | None = None
        self.root = Path(f"/proc/{self._holder.pid}/root")
        wait_until((self.root / "run/systemd/journal").is_dir, what="the folder is there")

    def words(self, *words: str) -> list[str]:
        return ["nsenter", "-t", str(self._holder.pid), "-m", f"--wd={os.getcwd()}", *words]

    def start_journald(self) -> None:
        self._journald = subprocess.Popen(self.words(JOURNALD), stderr=subprocess.DEVNULL)
        wait_until(self._accepts, what="journald accepts messages")

    def _accepts(self) -> bool:
        done = subprocess.run(
            self.words("logger", "--journald=/dev/stdin"), input=b"MESSAGE=probe\n"
        )
        return done.returncode == 0

    def stop_journald(self) -> None:
        if self._journald is not None:
            self._journald.kill()
            self._journald.wait()

    def entries(self, *matches: str) -> list[dict[str, Any]]:
        """Return what the journal has, oldest first."""
        words = self.words("journalctl", "--all", "--no-pager", "-o", "json", *matches)
        done = subprocess.run(words, capture_output=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def messages(self, *matches: str) -> list[str]:
        return [each["MESSAGE"] for each in self.entries(*matches)]

    def close(self) -> None:
        self.stop_journald()
        self._holder.kill()
        self._holder.wait()


def can_make_one() -> bool:
    tools = all(map(shutil.which, ("unshare", "nsenter", "journalctl", "logger")))
    usable = JOURNALD and tools and os.getuid() == 0
    return bool(usable) and not subprocess.run(["unshare", "-m", "true"]).returncode


@pytest.fixture(name="machine")
def _machine(home: Path) -> Iterator[Machine]:
    if not can_make_one():
        pytest.skip("journald cannot run here")
    assert home.exists()
    with contextlib.closing(Machine()) as machine:
        yield machine
        command("delete", "all")


def described() -> dict[str, Any]:
    return json.loads(monit("describe", "web", "--json"))[0]


def test_lines_arrive_with_fields_and_none_is_lost(machine: Machine, tmp_path: Path) -> None:
    """Short and long ones, with the priority of their level or stream; while journald is gone they
    wait, and monit says so."""
    script(tmp_path, "app.py", PRINTS)
    (tmp_path / "monit.toml").write_text('[apps.web]\nscript = "app.py"\nlog.to = "journald"\n')
    machine.start_journald()
    subprocess.run(machine.words(*MONIT, "apply", str(tmp_path / "monit.toml")), check=True)
    wait_until(lambda: len(machine.messages("MONIT_APP=web")) == 3, what="three lines arrive")
    found = {each["MESSAGE"]: each for each in machine.entries("MONIT_APP=web")}
    assert found.keys() == {"INFO started", "x" * 900_000, "Traceback"}
    assert found["INFO started"]["PRIORITY"] == "6"
    assert found["INFO started"]["MONIT_INSTANCE"] == "0"
    assert (found["Traceback"]["PRIORITY"], found["Traceback"]["MONIT_STREAM"]) == ("3", "err")
    assert "in the journal: journalctl MONIT_APP=web" in command("logs", "--no-follow").stderr
    assert "journalctl MONIT_APP=web MONIT_INSTANCE=0" in monit("describe", "web")
    assert [each["path"] for each in described()["logs"]] == ["journald", "journald"]
    machine.stop_journald()
    say(tmp_path, "while it is away")
    problem = wait_until(lambda: described()["config"]["problems"], what="monit says so")
    assert "cannot write to the journal" in problem[0]
    machine.start_journald()
    wait_until(lambda: "while it is away" in machine.messages("MONIT_APP=web"))
    wait_until(lambda: not described()["config"]["problems"], what="it is over")
    assert [each["lost_bytes"] for each in described()["logs"]] == [0, 0]


def say(folder: Path, text: str) -> None:
    (folder / "new").write_text(text)
    (folder / "new").rename(folder / "say")


@pytest.mark.usefixtures("home")
def test_places_change_without_a_restart(tmp_path: Path) -> None:
    """From none to a file, with the same worker; stdout is only that of monit run."""
    script(tmp_path, "app.py", PRINTS)
    config = tmp_path / "monit.toml"
    config.write_text('[apps.web]\nscript = "app.py"\nlog.to = "none"\n')
    monit("apply", str(config))
    pid = described()["pid"]
    assert "what it prints is not kept" in command("logs", "--no-follow").stderr
    config.write_text('[apps.web]\nscript = "app.py"\n')
    monit("apply", str(config))
    say(tmp_path, "kept now")
    wait_until(lambda: "kept now" in monit("logs", "web", "--no-follow"), what="it is kept")
    assert described()["pid"] == pid
    config.write_text('[apps.web]\nscript = "app.py"\nlog.to = "stdout"\n')
    assert "only monit run has a standard output" in monit_error("apply", str(config))
    config.write_text('[apps.new]\nscript = "app.py"\nlog.to = "stdout"\n')
    assert "only monit run has a standard output" in monit_error("start", str(config))
    config.write_text('[apps.new]\nrun = "echo hello"\nrestart = "never"\nlog.to = "stdout"\n')
    assert "hello" in command("run", str(config)).stdout


APPS = """\
[apps.web]
script = "app.py"
log.to = "{0}"
[apps.late]
script = "app.py"
log.to = "{1}"
"""


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_follower_is_told_where_lines_are(words: tuple[str, ...], tmp_path: Path) -> None:
    """Of each app that keeps no log files, also of one that appears or changes meanwhile."""
    script(tmp_path, "app.py", PRINTS)
    config = tmp_path / "monit.toml"
    config.write_text(APPS.format("none", "file").partition("[apps.late]")[0])
    monit("apply", str(config))
    follower = subprocess.Popen(
        [*MONIT, "logs", "--follow", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert follower.stderr is not None
    try:
        assert follower.stderr.readline() == "web: what it prints is not kept\n"
        config.write_text(APPS.format("none", "journald"))
        monit("apply", str(config))
        where = "what it prints is in the journal: journalctl MONIT_APP="
        assert follower.stderr.readline() == f"late: {where}late\n"
        config.write_text(APPS.format("journald", "file"))
        monit("apply", str(config))
        assert follower.stderr.readline() == f"web: {where}web\n"
    finally:
        follower.kill()
        follower.communicate()
