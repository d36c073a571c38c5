"""``monit run``: apps in the foreground, their lines, their end, and its exit code."""

import os
import re
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from support.command_line import command, keeper_pid, row, script
from support.foreground import Foreground
from support.ports import free_port
from support.processes import is_running, kill
from support.waiting import wait_until

UNTIL_TERM = """\
import signal, sys
def end(*_):
    print("ended", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
print("careful", file=sys.stderr, flush=True)
while True:
    signal.pause()
"""

STUBBORN = """\
import os, signal
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"no\\n"))
os.write(1, b"up\\n")
while True:
    signal.pause()
"""

COUNTING = """\
import os, sys
total = int(sys.argv[1])
for first in range(0, total, 1000):
    text = "".join(f"line {n:08d} {'x' * 80}\\n" for n in range(first, first + 1000))
    sys.stdout.write(text)
sys.stdout.flush()
os.write(2, b"all written\\n")
import signal
signal.pause()
"""


def test_a_requested_stop_lets_the_app_end_and_is_a_success(home: Path, tmp_path: Path) -> None:
    """Lines come as they are, TERM reaches the app, the code is 0, and nothing of it stays."""
    with Foreground(str(script(tmp_path, "web.py", UNTIL_TERM))) as run:
        run.read_until("careful")
        run.read_until("up")
        pid = row("web")["pid"]
        run.process.terminate()
        assert run.exit_code() == 0
    assert run.lines() == ["up", "ended"]
    assert "careful\n" in run.messages()
    assert not is_running(pid)
    assert list(home.glob("apps/*")) == []


@pytest.mark.parametrize(
    ("shell", "code"),
    [("echo out; exit 3", 3), ("echo out; kill -9 $$", 137), ("echo out", 0)],
)
def test_a_single_app_has_its_own_exit_code(shell: str, code: int, home: Path) -> None:
    """What the program's shell would report, with its last line."""
    with Foreground("--no-autorestart", "--", "sh", "-c", shell) as run:
        assert run.exit_code() == code
    assert run.lines() == ["out"]


def test_one_failed_app_of_several_ends_all_with_1(home: Path, tmp_path: Path) -> None:
    """Several workers have their name before each line; the healthy app is stopped in order."""
    script(tmp_path, "web.py", UNTIL_TERM)
    (tmp_path / "monit.toml").write_text(
        '[apps.web]\nscript = "web.py"\ninstances = 2\n'
        "[apps.broken]\nrun = \"sh -c 'echo sorry; exit 4'\"\nmax-restarts = 2\n"
    )
    with Foreground(cwd=tmp_path) as run:
        assert run.exit_code() == 1
    assert "broken/0 | sorry" in run.lines()
    assert all(re.match(r"(web/[01]|broken/0) \| ", line) for line in run.lines())
    assert "broken/0: errored" in run.messages()


def test_a_second_term_kills_what_does_not_stop(home: Path, tmp_path: Path) -> None:
    """The first is passed on, the second ends the app without waiting for its timeout."""
    with Foreground("--stop-timeout", "5m", "--kill-timeout", "5m",
                    str(script(tmp_path, "web.py", STUBBORN))) as run:  # fmt: skip
        run.read_until("up")
        pid = row("web")["pid"]
        run.process.terminate()
        run.read_until("no")
        assert is_running(pid)
        run.process.terminate()
        assert run.exit_code() == 0
    assert not is_running(pid)


def test_what_does_not_stop_is_killed_within_the_stop_timeout(home: Path, tmp_path: Path) -> None:
    """Whatever the app's own timeout is: an orchestrator would kill all of it soon after."""
    with Foreground("--stop-timeout", "2s", "--kill-timeout", "5m",
                    str(script(tmp_path, "web.py", STUBBORN))) as run:  # fmt: skip
        run.read_until("up")
        run.process.terminate()
        assert run.exit_code() == 0
    assert "killing what is left of web" in run.messages()


def test_apps_do_not_outlive_a_killed_run(home: Path, tmp_path: Path) -> None:
    """After kill -9 of monit run the keeper stops the app and goes; then it can be run again."""
    app = str(script(tmp_path, "web.py", UNTIL_TERM))
    with Foreground(app) as run:
        run.read_until("up")
        pid, keeper = row("web")["pid"], keeper_pid("web")
    wait_until(lambda: not is_running(pid), what="the worker has ended", deadline_s=30)
    with Foreground(app) as run:
        run.read_until("up")
        assert keeper_pid("web") != keeper
        run.process.terminate()
        assert run.exit_code() == 0


def test_keeper_and_agent_are_replaced_under_it(home: Path, tmp_path: Path) -> None:
    """After kill -9 of both, the worker keeps running, and its lines keep coming, each once."""
    ticking = (
        "import time\nn = 0\nwhile True:\n    n += 1; print(n, flush=True); time.sleep(0.01)\n"
    )
    with Foreground(str(script(tmp_path, "web.py", ticking))) as run:
        run.read_until("\n20\n")
        before, keeper = row("web")["pid"], keeper_pid("web")
        os.kill(int((home / "apps/web/agent.lock").read_text() or 0) or keeper, signal.SIGKILL)
        if is_running(keeper):
            kill(keeper)
        wait_until(lambda: keeper_pid("web") != keeper, what="there is another keeper")
        lines = len(run.lines())
        run.read_until(f"\n{lines + 300}\n")
        assert row("web")["pid"] == before
        run.process.terminate()
        assert run.exit_code() == 0
    assert run.lines() == [str(n) for n in range(1, len(run.lines()) + 1)]


def test_a_slow_reader_gets_every_line(home: Path, tmp_path: Path) -> None:
    """More than every buffer holds arrives whole, to one who reads little at a time."""
    total = 60_000
    with Foreground(str(script(tmp_path, "web.py", COUNTING)), "--", str(total)) as run:
        run.read_bytes = 16384
        run.read_until(f"line {total - 1:08d} {'x' * 80}\n")
        assert [int(line.split()[1]) for line in run.lines()] == list(range(total))
    assert "lost" not in run.messages()


def test_a_reader_that_reads_nothing_blocks_no_worker(home: Path, tmp_path: Path) -> None:
    """The app prints on; what no reader took is reported in bytes, and the rest is whole lines."""
    with Foreground(str(script(tmp_path, "web.py", COUNTING)), "--", "400000") as run:
        selected = run._selector.get_map()[run.process.stdout]  # type: ignore[index]
        run._selector.unregister(selected.fileobj)
        run.read_until("all written")  # on standard error, which is read
        run._selector.register(selected.fileobj, selected.events, selected.data)
        run.read_until("are lost")
        run.read_until(f"line 00399999 {'x' * 80}\n")
    numbers = [int(line.split()[1]) for line in run.lines() if line.startswith("line ")]
    assert numbers == sorted(set(numbers))
    lost = re.findall(r"web/0: ([\d,]+) bytes of stdout are lost", run.messages())
    assert sum(int(each.replace(",", "")) for each in lost) + len(run.out) == 400_000 * 95


def test_a_closed_stdout_ends_no_app(home: Path, tmp_path: Path) -> None:
    """As with a log driver that died: one message says so, the app keeps running."""
    ticking = "import time\nwhile True:\n    print('tick', flush=True); time.sleep(0.02)\n"
    with Foreground(str(script(tmp_path, "web.py", ticking))) as run:
        run.read_until("tick")
        run.close_stdout()
        run.read_until("the apps keep running")
        wait_until(lambda: row("web")["status"] == "online", what="web is online")
        run.process.terminate()
        assert run.exit_code() == 0


def test_health_says_in_words_what_is_not_well(home: Path, tmp_path: Path) -> None:
    """200 when every instance is online; 503 with the reason otherwise."""
    port = free_port()
    (tmp_path / "monit.toml").write_text(
        '[apps.web]\nscript = "web.py"\n[apps.job]\nscript = "web.py"\nwait-ready = true\n'
    )
    script(tmp_path, "web.py", UNTIL_TERM)
    with Foreground("--health-port", f"127.0.0.1:{port}", cwd=tmp_path) as run:
        run.read_until("job/0 | up")
        run.read_until("web/0 | up")
        wait_until(lambda: "web/0: online" in _health(port)[1], what="web is online")
        code, text = _health(port)
        assert (code, "job/0: starting" in text) == (503, True)
        command("delete", "job")
        wait_until(lambda: _health(port)[0] == 200, what="the rest is healthy")
        run.process.terminate()
        assert run.exit_code() == 0


def _health(port: int) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_hup_reloads(home: Path, tmp_path: Path) -> None:
    """Every app gets a new worker; the run continues."""
    with Foreground(str(script(tmp_path, "web.py", UNTIL_TERM))) as run:
        run.read_until("up")
        wait_until(lambda: row("web")["status"] == "online", what="web is online")
        before = row("web")["pid"]
        run.process.send_signal(signal.SIGHUP)
        run.read_until("web: reload done")
        assert row("web")["pid"] not in (before, None)
        run.read_until("up\nup")  # a busy machine lets the new worker say so later
        run.process.terminate()
        assert run.exit_code() == 0
    assert run.lines().count("up") == 2


def test_an_app_of_the_home_is_not_taken(home: Path, tmp_path: Path) -> None:
    """An app that monit start made would be gone afterwards: it is refused, and keeps running."""
    app = str(script(tmp_path, "web.py", UNTIL_TERM))
    assert command("start", app).returncode == 0
    with Foreground(app) as run:
        assert run.exit_code() == 1
    assert "web exists in" in run.messages()
    assert row("web")["status"] == "online"
