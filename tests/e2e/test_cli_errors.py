"""Whatever is typed wrong ends with the right code, a sentence that helps, and nothing started."""

import os
import subprocess
from pathlib import Path

import pytest

from support.command_line import MONIT, command, listed, monit, script


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["strat"], 3, "did you mean 'start'"),
        (["--bogus"], 2, "--bogus"),
        (["list", "--bogus"], 2, "--bogus"),
        (["stop"], 2, "TARGET"),
        (["stop", "nosuch"], 3, "nosuch"),
        (["restart", "web/0"], 3, "web/0"),
        (["logs", "nosuch"], 3, "nosuch"),
        (["describe", "@nospace"], 3, "nospace"),
        (["scale", "nosuch", "2"], 3, "nosuch"),
        (["signal", "FOO", "web"], 2, "not a signal"),
        (["logs", "--grep", "("], 2, "regular expression"),
        (["logs", "--since", "yesterday"], 2, "10m"),
        (["completion", "tcsh"], 2, "tcsh"),
        (["start"], 2, "there is no app in this file"),
        (["start", "none.py"], 3, "no such script"),
        (["start", "folder"], 2, "is a folder"),
        (["start", "data.bin"], 2, "chmod +x"),
        (["start", "data.bin", "--interpreter", "zsh9"], 2, "--interpreter zsh9"),
        (["start", "app.py", "--interpreter", "none"], 2, "not executable"),
        (["start", "app.py", "extra"], 2, "monit start app.py -- extra"),
        (["start", "app.py", "--name", "a/b"], 2, "--name"),
        (["start", "app.py", "--name", "é"], 2, "--name"),
        (["start", "app.py", "--name", "all"], 2, "--name"),
        (["start", "app.py", "-i", "two"], 2, "--instances"),
        (["start", "app.py", "-i", "100000"], 2, "the most is 1000"),
        (["start", "app.py", "--port", "99999"], 2, "--port"),
        (["start", "app.py", "--namespace", "a b"], 2, "--namespace"),
        (["start", "app.py", "--cwd", "nowhere"], 2, "--cwd"),
        (["start", "app.py", "--env", "X"], 2, "--env"),
        (["start", "app.py", "--env-file", "nowhere"], 2, "--env-file"),
        (["start", "app.py", "--max-memory", "much"], 2, "--max-memory"),
        (["start", "app.py", "--max-memory", "200"], 2, "200M"),
        (["start", "app.py", "--kill-timeout", "3000"], 2, "3000ms"),
        (["start", "app.py", "--min-uptime", "soon"], 2, "--min-uptime"),
        (["start", "app.py", "--stop-signal", "FOO"], 2, "--stop-signal"),
        (["start", "app.py", "--stop-exit-codes", "256"], 2, "--stop-exit-codes"),
        (["start", "app.py", "--max-restarts", "-1"], 2, "--max-restarts"),
        (["start", "app.py", "--cron", "daily"], 2, "--cron"),
        (["start", "app.py", "--cron", "99 * * * *"], 2, "--cron"),
        (["start", "monit.toml"], 2, "there is no app in this file"),
        (["start", "other.toml"], 3, "other.toml does not exist"),
        (["start", "app.py", "--profile", "p"], 2, "--profile is for config files"),
        (["config"], 2, "check, show, schema"),
        (["config", "check", "folder"], 3, "folder is a folder"),
        (["start", "-m", "a/b"], 2, "-m"),
        (["start", "-m", "mod", "app.py"], 2, "monit start -m mod -- app.py"),
        (["start", "--", "nosuchcommand"], 3, "nosuchcommand"),
        (["start", "sleep"], 3, "monit start -- sleep"),
        (["start", "app.py", "--log-to", "stdout"], 2, "--log-to stdout: only monit run"),
        (["start", "app.py", "--treekill"], 2, "--treekill; leave it out"),
        (["alerts", "mute", "web", "--for", "2"], 2, "write for example 30m or 2h"),
        (["events", "--kind", "exitd"], 2, "'exitd' is not a kind of event; did you mean exited?"),
        (["screen", "webb"], 3, "nothing is called 'webb' (monit list shows all)"),
        (["webb"], 3, "'webb' is neither a verb nor an app; did you mean 'web'?"),
    ],
)
def test_wrong_words(words: list[str], code: int, message: str, home: Path, tmp_path: Path) -> None:
    """Each mistake has its exit code and a message for it, and leaves nothing behind."""
    script(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "data.bin").write_bytes(b"\0")
    (tmp_path / "monit.toml").write_text("")
    done = command(*words, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("monit: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(home.iterdir()) == []


def test_a_home_too_long_for_sockets(home: Path, tmp_path: Path) -> None:
    """The error names the path, its length and MONIT_HOME, and no folder is made."""
    script(tmp_path)
    long = home / ("x" * 90)
    done = command("start", "app.py", cwd=tmp_path, env={"MONIT_HOME": str(long)})
    assert done.returncode == 1
    assert "keeper.sock" in done.stderr
    assert "MONIT_HOME" in done.stderr
    assert not long.exists()


def test_a_home_that_cannot_be_written(home: Path, tmp_path: Path) -> None:
    """A home below a file cannot be made: the error says so and what to do."""
    script(tmp_path)
    (home / "file").write_text("")
    env = {"MONIT_HOME": str(home / "file" / "below")}
    done = command("start", "app.py", cwd=tmp_path, env=env)
    assert done.returncode == 1
    assert "MONIT_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_leaves_nothing_half_started(home: Path, tmp_path: Path) -> None:
    """When the state cannot be written start fails with the reason and removes what it made."""
    script(tmp_path)
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", *MONIT, "start", "app.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("monit: ")
    assert "Traceback" not in done.stderr
    assert not (home / "apps" / "app").exists()
    assert listed() == []


def test_scale_and_delete_refuse_what_they_cannot(home: Path, tmp_path: Path) -> None:
    """Scaling to nothing and deleting one instance are refused and change nothing."""
    script(tmp_path)
    monit("start", "app.py", "-i", "2", cwd=tmp_path)
    for words in (
        ["scale", "app", "0"],
        ["scale", "app", "-2"],
        ["scale", "app", "x"],
        ["scale", "app/0", "2"],
        ["delete", "app/0"],
        ["delete", "0"],
    ):
        done = command(*words)
        assert done.returncode == 2, done.stderr
    assert command("stop", "app/7").returncode == 3
    assert len(listed()) == 2
    assert "use monit stop app/1, monit scale app -1, or" in command("delete", "1").stderr
    monit("scale", "app", "1")
    done = command("delete", "app/0")
    assert (done.returncode, len(listed())) == (2, 1)
    assert "use monit stop app/0, or monit delete app" in done.stderr
    assert home.exists()
    monit("delete", "0")  # as in pm2
    assert listed() == []


def test_an_empty_home_says_how_to_begin(home: Path) -> None:
    """Without apps the list says on stderr how to start one, and the JSON is an empty array."""
    done = command("list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "monit start app.py" in done.stderr
    assert listed() == []
    assert home.exists()


def test_a_reader_that_leaves_early_is_no_error_message(home: Path, tmp_path: Path) -> None:
    """A log piped into head ends without a traceback."""
    script(tmp_path)
    monit("start", "app.py", cwd=tmp_path)
    line = " ".join(MONIT) + " logs --no-follow -n 100000 | head -n 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert home.exists()


def test_a_full_output_is_an_error(home: Path) -> None:
    """Output that cannot be written is an error with a reason and not a success."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*MONIT, "list", "--json"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert home.exists()


def test_the_folder_that_was_removed(home: Path, tmp_path: Path) -> None:
    """Starting from a folder that no longer exists says so."""
    line = f"mkdir d && cd d && rmdir ../d && {' '.join(MONIT)} start x.py"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 2
    assert "cd to another one" in done.stderr
    assert home.exists()
