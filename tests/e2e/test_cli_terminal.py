"""What is printed on a terminal and what in a pipe, and how fast the list starts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from support.command_line import MONIT, command, in_terminal, monit, script
from support.waiting import wait_until


@pytest.fixture(name="web")
def _web(home: Path, tmp_path: Path) -> str:
    """Return the name of a running app with two instances."""
    script(tmp_path)
    monit("start", "app.py", "-i", "2", "--name", "web", cwd=tmp_path)
    assert home.exists()
    return "web"


def _shown(*words: str, columns: int, **env: str) -> list[str]:
    terminal = in_terminal(*words, columns=columns, **env)
    terminal.expect_exact(pexpect.EOF)
    return (terminal.before or "").splitlines()


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)


@pytest.mark.parametrize(
    ("columns", "present", "absent"),
    [
        (160, ["namespace", "version", "watching", "heap", "lag p95"], []),
        (80, ["cpu", "mem", "↺", "uptime", "lag p95"], ["namespace", "user"]),
        (45, ["id", "name", "status", "cpu", "mem"], ["uptime", "lag"]),
    ],
)
def test_the_columns_follow_the_width(
    columns: int, present: list[str], absent: list[str], web: str
) -> None:
    """Wide, 80 and narrow terminals get different columns, and no line is too long."""
    lines = [_plain(line) for line in _shown("list", columns=columns)]
    assert max(map(len, lines)) <= columns
    assert lines[0].startswith("╭")
    for word in present:
        assert f" {word} " in lines[1]
    for word in absent:
        assert word not in lines[1]
    assert "● online" in lines[3]
    assert web in lines[3]


def test_a_pipe_gets_plain_columns(web: str) -> None:
    """In a pipe: no box, no colour, no glyph; every row has every column."""
    lines = monit("list").splitlines()
    assert lines[0].split()[:4] == ["id", "name", "namespace", "version"]
    assert len(lines) == 3
    assert f"{web}/0" in lines[1]
    assert not re.search(r"[\x1b│●]", "".join(lines))


def test_no_color_and_ascii_terminals(web: str) -> None:
    """NO_COLOR leaves the box without colour; a C locale gets a box of ASCII."""
    assert "\x1b" not in "".join(_shown("list", columns=80, NO_COLOR="1"))
    lines = _shown("list", columns=80, LANG="C", LC_ALL="C")
    assert lines[0].startswith("+--")
    assert "".join(lines).isascii()
    assert any(web in line for line in lines)


def test_watch_redraws_in_place(web: str) -> None:
    """List --watch moves the cursor up to draw again and ends with Ctrl-C and code 0."""
    terminal = in_terminal("list", "--watch")
    terminal.expect(f"{web}/1")
    terminal.expect(r"\x1b\[6A")  # two rows and four lines of frame
    terminal.expect(f"{web}/1")
    assert "\x1b[?1049h" not in (terminal.before or "")
    terminal.sendintr()
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_progress_is_one_line_on_a_terminal(web: str) -> None:
    """While a command waits one line is written over; the rows remain."""
    terminal = in_terminal("restart", web)
    terminal.expect(r"\r\x1b\[Krestarting web \d/2, waiting for")
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert "restarted web" in (terminal.before or "")


def test_without_a_terminal_monit_prints_the_list_once(web: str) -> None:
    """Bare monit in a pipe prints the list and says why on stderr."""
    done = command()
    assert done.returncode == 0
    assert f"{web}/0" in done.stdout
    assert "not a terminal" in done.stderr
    one = command(f"{web}/1")
    assert f"{web}/1" in one.stdout
    assert f"{web}/0" not in one.stdout


def test_a_dumb_terminal_is_refused_with_what_to_use(web: str) -> None:
    """With TERM=dumb the screen is refused with a hint to list and logs."""
    terminal = in_terminal(f"{web}/0", TERM="dumb")
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 2
    assert "monit list" in (terminal.before or "")


@pytest.mark.parametrize("words", [["monit"], ["dash"], ["web/0"], []])
def test_the_screen_opens_and_leaves(words: list[str], web: str) -> None:
    """Bare monit, its other names and a target open the full screen; q leaves it with 0."""
    terminal = in_terminal(*words, columns=120, rows=35)
    terminal.expect_exact("\x1b[?1049h")
    terminal.expect(web)
    terminal.send("q")
    terminal.expect_exact("\x1b[?1049l")
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_completion_knows_verbs_and_apps(web: str) -> None:
    """The bash script completes verbs, options and the names of apps."""
    assert "_MONIT_COMPLETE" in monit("completion", "bash")
    for words, expected in (
        ("monit st", "start"),
        ("monit stop w", web),
        ("monit start --m", "max-"),
    ):
        done = command(
            env={
                "_MONIT_COMPLETE": "bash_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(words.count(" ")),
            }
        )
        assert expected in done.stdout, words


def test_the_list_imports_neither_screen_nor_sampler(web: str) -> None:
    """Monit list of a target loads no Textual, no psutil, no asyncio: it is typed often."""
    code = (
        "import json, sys\n"
        "sys.argv = ['monit', 'list', 'all', '--json']\n"
        "from monit_agent.cli import main\n"
        "assert main() == 0\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert len(json.loads(done.stdout)) == 2, done.stderr
    loaded = set(json.loads(done.stderr))
    assert {"zmq", "msgspec"} <= loaded
    heavy = {"textual", "rich", "psutil", "asyncio", "subprocess", "monit_tui", "shutil"}
    assert not heavy & loaded
    assert web


def test_every_verb_has_help_with_an_example(home: Path) -> None:
    """Monit --help names every verb, and each verb's help shows how it is typed."""
    overview = monit("--help")
    verbs = re.findall(r"^  ([a-z]+)  +[A-Z]", overview, flags=re.MULTILINE)
    assert {"start", "stop", "list", "logs", "demo", "completion"} <= set(verbs)
    for verb in verbs:
        text = monit(verb, "--help")
        assert text.startswith(f"Usage: monit {verb}")
        assert verb == "demo" or "  monit " in text or "$(monit" in text
    assert monit("--version").startswith("monit ")
    assert home.exists()


def test_python_dash_m_is_monit(home: Path) -> None:
    """`python -m monit_agent` and the installed command are the same."""
    assert MONIT[1:] == ["-P", "-m", "monit_agent"]
    assert (
        monit("--version")
        == subprocess.run(
            [Path(sys.executable).with_name("monit"), "--version"], capture_output=True, text=True
        ).stdout
    )
    wait_until(home.exists)
