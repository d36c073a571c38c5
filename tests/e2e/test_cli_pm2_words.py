"""What a user of pm2 types works, or is answered with what to do instead."""

import json
import re
import shutil
from pathlib import Path

import pytest

from monit_agent.cli.main import run_command_line
from monit_agent.cli.pm2_words import COMMANDS, FLAGS, Pm2Word, own_name, suggestion
from monit_agent.cli.verb_table import ALIASES, VERBS, find_verb
from monit_agent.config.options import OPTIONS
from support.command_line import command, listed, logs, monit, monit_error, printed, row, script
from support.pm2_page import PAGE, pm2_page
from support.waiting import wait_until

DESTRUCTIVE = re.compile(
    r"(monit (stop|delete|del|rm|flush|reset|scale|signal|kill)\b)|"
    r"did you mean '?(stop|delete|del|rm|flush|reset|kill|scale|signal)\b"
)
"""What no answer may ask a reader to type."""

PM2_COMMANDS = """
    start trigger deploy startOrRestart startOrReload pid create startOrGracefulReload stop restart
    scale profile:mem profile:cpu reload id inspect delete sendSignal ping updatePM2 update
    install module:update module:generate uninstall package publish set multiset get config unset
    report link unlink unmonitor monitor open plus login logout register web dump save
    cleardump send attach resurrect unstartup startup logrotate ecosystem init reset describe desc
    info show env list ls l ps status jlist sysinfos slist prettylist monit imonit dashboard dash
    flush reloadLogs logs log kill pull forward backward deepUpdate serve expose autoinstall
    examples install-otel uninstall-otel
""".split()  # noqa: SIM905 — a word a line would take a hundred lines
"""The commands of pm2 7.0.4 (lib/binaries/CLI.js), without the verbs of module authors."""

PM2_FLAGS = """
    --name --namespace --instances --interpreter --interpreter-args --node-args --output --error
    --log --filter-env --log-type --log-date-format --time --disable-logs --env
    --force --shutdown-with-message --pid --kill-timeout --listen-timeout --max-memory-restart
    --restart-delay --exp-backoff-restart-delay --execute-command --max-restarts --user --uid --gid
    --cwd --hp --wait-ip --service-name --cron-restart --cron --write --no-daemon
    --source-map-support --only --disable-source-map-support --wait-ready --merge-logs
    --watch --ignore-watch
    --watch-delay --no-color --no-vizion --no-autorestart --stop-exit-codes --no-treekill --no-pmx
    --no-automation --trace --disable-trace --sort --attach --v8 --event-loop-inspector
    --deep-monitoring --mini-list --silent --ext --nostream --timestamp --highlight --format --lines
    --raw --post-update
""".split()  # noqa: SIM905
"""The long options of pm2's commands that start and show apps."""

PM2_LOG_FLAGS = ("--nostream", "--highlight", "--lines", "--raw", "--timestamp", "--format")


@pytest.mark.parametrize("word", PM2_COMMANDS)
def test_every_command_of_pm2_is_known(word: str) -> None:
    """Each command of pm2 is a verb here, works as one, or has an answer."""
    assert find_verb(word) or any(word in row.words for row in COMMANDS)


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.words[0])
def test_a_verb_of_monit_needs_no_answer(row: Pm2Word) -> None:
    """A word that became a verb of monit is not in the table any more."""
    assert not {*row.words} & {*VERBS, *ALIASES}


def test_an_option_of_monit_needs_no_answer() -> None:
    """An option that start got is not in the table any more."""
    own = {flag for option in OPTIONS for flag in option.flags if flag[:2] == "--"}
    assert not own & {word for row in FLAGS for word in row.words}


def test_an_option_of_pm2_works_or_has_an_answer() -> None:
    """No option of pm2 is in both tables of the page."""
    answered = {word for row in FLAGS if row.answer for word in row.words}
    assert not [word for word in answered if own_name(word[2:]) != word[2:]]
    assert own_name("exec-mode") == "mode"


@pytest.mark.parametrize("word", sorted({w for row in COMMANDS if row.answer for w in row.words}))
def test_an_answer_is_harmless(
    word: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer to a command exits with 2, starts nothing and names nothing destructive; so does
    the answer to the word with a typing error."""
    code, error = _typed(monkeypatch, capsys, word, "production", "--force")
    assert code == 2
    assert error.startswith(f"monit: {word} is a command of pm2: ")
    assert not DESTRUCTIVE.search(error)
    assert not DESTRUCTIVE.search(suggestion(word[:-1]))
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("flag", PM2_FLAGS)
def test_every_option_of_pm2_is_known(
    flag: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each option of pm2 works, or is refused with an answer that names nothing destructive."""
    verb = ["logs", "--no-follow"] if flag in PM2_LOG_FLAGS else ["start"]
    code, error = _typed(monkeypatch, capsys, *verb, flag)
    assert code in (0, 2)
    assert not DESTRUCTIVE.search(error)
    if "No such option" in error:
        assert error.startswith(f"monit: No such option: {flag}; ")
    assert list(home.iterdir()) == []


def _typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    """Return exit code and messages of a command, run here: a process each would take a minute."""
    monkeypatch.setattr("sys.argv", ["monit", *words])
    code = run_command_line()
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "flag", "message"),
    [
        ("restart", "--max-memory", "monit start NAME --max-memory"),
        ("reload", "--name", "of an app that is new"),
        ("scale", "--uid", "is an option of monit start"),
    ],
)
def test_an_option_of_start_at_another_verb_is_explained(
    verb: str, flag: str, message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Restart and reload change no settings; the answer names the command that does."""
    code, error = _typed(monkeypatch, capsys, verb, "web", flag, "1")
    assert code == 2
    assert message in error


@pytest.mark.parametrize(
    "word", ["delet", "sotp", "stopp", "flsh", "rest", "kil", "rmm", "undelete"]
)
def test_no_typing_error_leads_to_a_loss(word: str) -> None:
    """What is nearest to a destructive verb gets no suggestion."""
    assert not DESTRUCTIVE.search(suggestion(word))


@pytest.mark.parametrize(
    ("word", "meant"), [("lsit", "list"), ("lgos", "logs"), ("strat", "start")]
)
def test_a_typing_error_in_a_harmless_verb(word: str, meant: str) -> None:
    """Verbs that lose nothing are suggested."""
    assert f"did you mean {meant!r}" in suggestion(word)


def test_an_app_with_the_name_of_a_verb_is_suggested_as_both() -> None:
    """A typing error in the name of the app `web` does not lead to the verb alone."""
    assert "the app (monit screen web) or the verb 'web'" in suggestion("webb", ("web",))
    assert suggestion("webb") == "; did you mean 'web'?"


def test_words_that_mean_the_same_work(home: Path, tmp_path: Path) -> None:
    """jlist, --cron-restart, --max-memory-restart, -n and --nostream do what they do in pm2."""
    script(tmp_path)
    words = ["-n", "web", "--cron-restart", "0 4 * * *", "--max-memory-restart=300M"]
    monit("start", "app.py", *words, cwd=tmp_path)
    assert [each["app"] for each in json.loads(monit("jlist"))] == ["web"]
    described = monit("describe", "web")
    assert "0 4 * * *" in described
    assert "300M" in described
    printed("web", "tick")
    assert "tick" in monit("logs", "web", "--nostream")
    assert home.exists()


def test_an_app_wins_over_a_word_of_pm2(home: Path, tmp_path: Path) -> None:
    """An app may be called deploy: then the word means the app."""
    script(tmp_path)
    monit("start", "app.py", "--name", "deploy", cwd=tmp_path)
    assert re.search(r"\bdeploy +default", monit("deploy"))
    assert home.exists()


@pytest.mark.parametrize(
    "verb", ["stop", "restart", "reload", "delete", "reset", "flush", "describe"]
)
def test_a_missing_target_lists_the_apps(verb: str, home: Path) -> None:
    """A verb without a target exits with 2, does nothing, and lists what can be named."""
    for name in ("api", "web"):
        (home / "apps" / name).mkdir(parents=True)
        (home / "apps" / name / "state.json").write_text("{}")
    error = monit_error(verb, code=2)
    assert "api, web" in error
    assert f"monit: {verb} needs a TARGET" in error


# ---------------------------------------------------------------- start


def test_two_scripts_are_two_apps(home: Path, tmp_path: Path) -> None:
    """Each script becomes an app; the options and the words after -- are those of both."""
    script(tmp_path, "a.py")
    script(tmp_path, "b.py")
    done = command("start", "a.py", "b.py", "-i", "2", "--", "--flag", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted((each["app"], each["status"]) for each in listed()) == [
        ("a", "online"), ("a", "online"), ("b", "online"), ("b", "online"),
    ]  # fmt: skip
    for app in ("a", "b"):
        printed(app, "up --flag")
    monit("stop", "a")
    script(tmp_path, "c.py")
    monit("start", "a", "c.py", cwd=tmp_path)
    assert row("a")["status"] == row("c")["status"] == "online"
    assert home.exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a.py", "gone.py"], 2, "monit start a.py -- gone.py"),
        (["gone.py", "a.py"], 3, "gone.py"),
        (["a.py", "data.csv"], 2, "monit start a.py -- data.csv"),
        (["a.py", "hello world"], 2, "monit start a.py -- 'hello world'"),
        (["a.py", "folder"], 2, "monit start a.py -- folder"),
        (["a.py", "b.py", "--name", "x"], 2, "--name is for one app"),
        (["a.py", "b.py", "--port", "8000"], 2, "--port is for one app"),
        (["a.py", "--watch", "folder"], 2, "--watch takes no folder (folder)"),
        (["--watch", "folder", "a.py"], 2, "--watch takes no folder (folder)"),
        (["a.py", "--env", "production"], 2, "env_NAME of pm2's file: --profile production"),
        (["a.py", "./a.py"], 2, "both be called a"),
        (["a.py", "folder/a.py"], 2, "both be called a"),
    ],
)
def test_nothing_is_started_when_one_of_several_cannot(
    words: list[str], code: int, message: str, home: Path, tmp_path: Path
) -> None:
    """All scripts are checked before the first one is started."""
    (tmp_path / "folder").mkdir()
    for path in ("a.py", "b.py", "folder/a.py", "data.csv"):
        script(tmp_path, path)
    done = command("start", *words, cwd=tmp_path)
    assert (done.returncode, listed()) == (code, []), done.stderr
    assert message in done.stderr
    assert list(home.iterdir()) == []


def test_one_that_runs_already_stops_both(home: Path, tmp_path: Path) -> None:
    """When one of two scripts is running, the start is refused and the other not started."""
    script(tmp_path, "a.py")
    script(tmp_path, "b.py")
    monit("start", "b.py", cwd=tmp_path)
    done = command("start", "a.py", "b.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "b is already running" in done.stderr
    assert [each["app"] for each in listed()] == ["b"]
    assert home.exists()


def test_one_that_fails_does_not_hide_the_other(home: Path, tmp_path: Path) -> None:
    """The exit code is 1 and the last lines are printed; the good app is online."""
    script(tmp_path, "good.py")
    # a shell, because a Python may take longer to start than makes a worker count as online
    script(tmp_path, "bad.sh", "echo no database >&2; exit 1\n")
    done = command("start", "bad.sh", "good.py", "--max-restarts", "2", cwd=tmp_path)
    assert done.returncode == 1
    assert "no database" in done.stderr
    assert "monit describe bad" in done.stderr
    assert row("good")["status"] == "online"
    assert home.exists()


NODE_PACKAGE = {"name": "p", "scripts": {"dev": "node dev.js"}}


@pytest.mark.parametrize("words", [["npm run dev"], ["npm", "--", "run", "dev"]])
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_scripts_start_as_in_pm2(words: list[str], home: Path, tmp_path: Path) -> None:
    """`start "npm run dev"` and `start npm -- run dev` run the script of package.json."""
    (tmp_path / "package.json").write_text(json.dumps(NODE_PACKAGE))
    script(tmp_path, "dev.js", "console.log('dev runs'); setInterval(() => 0, 1000)\n")
    monit("start", "--name", "dev", *words, cwd=tmp_path)
    printed("dev", "dev runs")
    assert home.exists()


@pytest.mark.parametrize(
    ("text", "expected", "program"),
    [
        ("sh -c 'echo a  b; exec sleep 1000'", "a b", "sleep"),
        ("X=1 env | grep ^X=; exec sleep 1000", "X=1", "sleep"),
        ("cd / && pwd && sleep 1000 | cat", "| /", "bash"),
    ],
)
def test_text_with_spaces_is_a_command(
    text: str, expected: str, program: str, home: Path, tmp_path: Path
) -> None:
    """Plain words run as they are, shell syntax by a shell."""
    monit("start", "--name", "x", text, cwd=tmp_path)
    printed("x", expected)
    pid = row("x")["pid"]
    wait_until(lambda: Path(f"/proc/{pid}/comm").read_text().strip() == program, what=program)
    assert home.exists()


def test_a_file_with_spaces_is_a_script(home: Path, tmp_path: Path) -> None:
    """A script whose name has a space is not taken for a command."""
    script(tmp_path, "my app.py")
    monit("start", "my app.py", "--", "one", cwd=tmp_path)
    assert "up one" in wait_until(lambda: logs("my-app"), what="its first line")
    assert home.exists()


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("nosuchcommand run", 3, "nosuchcommand: no such command"),
        ("python 'unclosed", 2, "is not a command"),
        ("   ", 3, "no such script"),
        ("sleep 1 && sleep 2", 2, "write the arguments into it"),
    ],
)
def test_text_that_cannot_run(
    text: str, code: int, message: str, home: Path, tmp_path: Path
) -> None:
    """A command that does not exist or cannot be read is refused with the reason."""
    words = ["--", "more"] if "&&" in text else []
    done = command("start", text, *words, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert list(home.iterdir()) == []


def test_the_page_is_made_from_the_table() -> None:
    """docs/from-pm2.md has every word of the table."""
    assert PAGE.read_text() == pm2_page()
