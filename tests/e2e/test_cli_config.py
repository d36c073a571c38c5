"""Config files with the real command: what starts, what is printed, and what is refused."""

import json
from pathlib import Path

import pytest

from support.command_line import TICKER, command, listed, monit, printed, script
from support.waiting import wait_until

SHOP = """\
version = 1
namespace = "shop"
[defaults]
env = { LEVEL = "info" }
[apps.web]
script = "app.py"
args = ["--flag", "a b"]
instances = 2
[apps.job]
run = "python3 show.py"
[apps.job.profiles.production]
env.LEVEL = "warning"
"""

SHOW = "import os, time\nprint('level', os.environ['LEVEL'], flush=True)\ntime.sleep(1000)\n"


@pytest.fixture(name="shop")
def _shop(home: Path, tmp_path: Path) -> Path:
    assert home.exists()
    script(tmp_path, text=TICKER)
    script(tmp_path, "show.py", SHOW)
    (tmp_path / "monit.toml").write_text(SHOP)
    return tmp_path


def test_a_file_starts_its_apps(shop: Path) -> None:
    """`monit start` in the folder starts every app with the settings of the file and profile."""
    done = command("start", "--profile", "production", cwd=shop)
    assert done.returncode == 0, done.stderr
    rows = listed()
    assert {(row["app"], row["instance"]) for row in rows} == {("web", 0), ("web", 1), ("job", 0)}
    assert {row["namespace"] for row in rows} == {"shop"}
    assert {row["status"] for row in rows} == {"online"}
    printed("job", "level warning")
    printed("web", "up --flag a b")


def test_names_choose_apps_and_options_win_over_the_file(shop: Path) -> None:
    """Only the named app starts, from another folder, with the option of the command line."""
    path = str(shop / "monit.toml")
    done = command("start", path, "job", "--env", "LEVEL=typed", "--namespace", "n", cwd="/")
    assert done.returncode == 0, done.stderr
    assert [(row["app"], row["namespace"], row["cwd"]) for row in listed()] == [
        ("job", "n", str(shop))
    ]
    printed("job", "level typed")


def test_what_runs_is_left_as_it_is(shop: Path) -> None:
    """A second start starts only what is stopped, and names what it left alone."""
    monit("start", "monit.toml", cwd=shop)
    before = {row["app"]: row["pid"] for row in listed()}
    monit("stop", "job")
    done = command("start", "monit.toml", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "web is already running and stays as it is" in done.stderr
    after = {row["app"]: row["pid"] for row in listed()}
    assert after["web"] == before["web"]
    wait_until(lambda: all(row["status"] == "online" for row in listed()))
    again = command("start", "monit.toml", cwd=shop)
    assert again.returncode == 0, again.stderr
    assert {row["app"]: row["pid"] for row in listed()} == after


def test_nothing_starts_from_a_file_with_faults(shop: Path) -> None:
    """All faults are printed, the exit code is 2, and no app exists afterwards."""
    (shop / "monit.toml").write_text(SHOP + "[apps.bad]\nrun = 'nosuch'\ninstanses = 2\n")
    for words in (["start"], ["config", "check"], ["config", "show"]):
        done = command(*words, cwd=shop)
        assert done.returncode == 2, done.stderr
        assert "monit: monit.toml:14: [bad] run: nosuch: no such command" in done.stderr
        assert "monit.toml:15: unknown key 'instanses' in [apps.bad]; did you" in done.stderr
    assert listed() == []


@pytest.mark.parametrize(
    ("words", "code", "answer"),
    [
        (["start", "monit.toml", "wbe"], 3, "it has web, job; did you mean 'web'?"),
        (["start", "monit.toml", "--name", "x"], 2, "--name is for one app"),
        (["start", "monit.toml", "--", "x"], 2, "write them into monit.toml"),
        (["start", "--profile", "prod"], 2, "there is no profile 'prod'"),
        (["start", "monit.toml", "--env", "production"], 2, "--profile production"),
        (["start", "monit.toml", "--only", "web"], 2, "monit start monit.toml web"),
    ],
)
def test_wrong_words_with_a_file(words: list[str], code: int, answer: str, shop: Path) -> None:
    """Each mistake has its exit code and an answer, and nothing is started."""
    done = command(*words, cwd=shop)
    assert done.returncode == code, done.stderr
    assert answer in done.stderr
    assert listed() == []


def test_show_names_the_source_of_each_value_and_hides_variables(shop: Path) -> None:
    """The text can be read as TOML again; --json has file and line; no value of a variable."""
    (shop / "monit.local.toml").write_text("[apps.web]\ninstances = 7\n")
    text = monit("config", "show", "--profile", "production", cwd=shop)
    assert "instances = 7" in text
    assert "# monit.local.toml:2" in text
    assert "# monit.toml:12" in text
    assert "warning" not in text
    web, job = json.loads(monit("config", "show", "--json", cwd=shop))
    assert web["settings"]["instances"] == {
        "value": 7, "file": str(shop / "monit.local.toml"), "line": 2,
    }  # fmt: skip
    assert job["settings"]["env.LEVEL"]["value"] == "(hidden)"


def test_check_and_schema(shop: Path) -> None:
    """A good file is confirmed with what it has; the schema is JSON."""
    assert monit("config", "check", cwd=shop) == "monit.toml: 2 apps, 1 profile, nothing is wrong\n"
    assert json.loads(monit("config", "schema"))["title"] == "monit.toml"


def test_a_key_without_effect_is_counted(shop: Path) -> None:
    """A file of pm2 with a mistyped key is not one in which nothing is wrong."""
    (shop / "ecosystem.config.json").write_text(
        '{"apps": [{"name": "job", "script": "show.py", "max_memry_restart": "3M"}]}'
    )
    done = command("config", "check", "ecosystem.config.json", cwd=shop)
    assert (done.returncode, done.stdout) == (
        0, "ecosystem.config.json: 1 app, 1 key without effect\n",
    )  # fmt: skip
    assert "did you mean 'max_memory_restart'?" in done.stderr


def test_a_watch_of_no_path_is_refused(shop: Path) -> None:
    """The error says what `watch` may be."""
    (shop / "bad.toml").write_text('[apps.job]\nscript = "show.py"\nwatch = 3\n')
    done = command("config", "check", "bad.toml", cwd=shop)
    assert done.returncode == 2
    assert "watch: 3 is neither true, false nor a list of files and folders" in done.stderr


def test_a_procfile_and_an_ecosystem_file_start(shop: Path) -> None:
    """Both are found without being named; what has no effect is printed, and the apps run."""
    (shop / "monit.toml").unlink()
    (shop / "Procfile").write_text("clock: python3 app.py $PORT\n")
    monit("start", cwd=shop)
    printed("clock", "up 5000")
    (shop / "ecosystem.config.js").write_text(
        "module.exports = { apps: [{ name: 'job', script: 'show.py', log_file: 'x',\n"
        "  env: { LEVEL: 'info' }, env_production: { LEVEL: 'high' } }] }"
    )
    done = command("start", "--profile", "production", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "Procfile is not" in done.stderr
    assert "ecosystem.config.js:1: log_file has no effect" in done.stderr
    printed("job", "level high")


def test_init_writes_what_runs_and_changes_no_file(shop: Path) -> None:
    """The written file starts the same apps; secrets make it private; a second init is refused."""
    monit("start", "monit.toml", "--profile", "production", cwd=shop)
    (shop / "monit.toml").unlink()
    assert command("init", cwd=shop).returncode == 0
    written = shop / "monit.toml"
    assert written.stat().st_mode & 0o777 == 0o600
    before = {(row["app"], row["instance"], row["script"], row["cwd"]) for row in listed()}
    monit("delete", "all")
    done = command("start", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert {(r["app"], r["instance"], r["script"], r["cwd"]) for r in listed()} == before
    printed("job", "level warning")
    text = written.read_text()
    again = command("init", cwd=shop)
    assert again.returncode == 1
    assert "exists and was not changed" in again.stderr
    assert written.read_text() == text


def test_init_without_apps_writes_an_example_that_works(home: Path, tmp_path: Path) -> None:
    """The example passes the check, as it is and with every commented key in use."""
    assert home.exists()
    monit("init", cwd=tmp_path)
    monit("config", "check", cwd=tmp_path)
    path = tmp_path / "monit.toml"
    lines = path.read_text().splitlines()
    keys = [line.removeprefix("# ") for line in lines if line.startswith("# ") and "=" in line]
    assert len(keys) > 8
    used = [line.removeprefix("# ") if line.startswith(("# [", *(f"# {k}" for k in keys))) else line
            for line in lines if not line.startswith("# include")]  # fmt: skip
    (tmp_path / ".env").touch()
    path.write_text("\n".join(used))
    assert "1 profile" in monit("config", "check", cwd=tmp_path)


@pytest.mark.parametrize("kind", ["toml", "procfile", "systemd", "compose"])
def test_export_prints_values_of_variables_only_on_request(kind: str, shop: Path) -> None:
    """Without --with-env the names go to standard error, and no value is printed."""
    monit("start", "monit.toml", "job", "--env", "LEVEL=secret-value", cwd=shop)
    done = command("export", "--format", kind, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "secret-value" not in done.stdout + done.stderr
    assert "job: LEVEL left out" in done.stderr
    assert "show.py" in done.stdout
    assert "secret-value" in monit("export", "job", "--format", kind, "--with-env", cwd=shop)


def test_import_prints_a_file_that_starts(shop: Path) -> None:
    """A file of supervisor becomes a monit.toml; what has no counterpart is on standard error."""
    (shop / "s.conf").write_text("[program:tick]\ncommand=python3 app.py\nserverurl=AUTO\n")
    done = command("config", "import", "s.conf", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "s.conf:3: serverurl has no counterpart" in done.stderr
    (shop / "monit.toml").write_text(done.stdout)
    monit("start", cwd=shop)
    printed("tick", "up")
