"""Apps that exist, written as files: the file starts the same apps again."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from monit_agent.config.app import Launch, make_launch
from monit_agent.config.files.app_tables import apps_text
from monit_agent.config.files.config import make_launches, read_config
from monit_agent.config.files.export import (
    HELD,
    compose_lines,
    left_out,
    procfile_lines,
    systemd_lines,
)
from monit_agent.config.files.from_spec import spec_values
from monit_agent.config.options import BY_KEY, OPTIONS, Option
from monit_agent.config.values import parse_option
from monit_agent.supervise.spec import AppSpec, RestartPolicy

ENVIRON = {"PATH": os.environ["PATH"]}
NEEDED = {"health.interval": "health.url", "health.failures": "health.url",
          "health.grace": "health.url", "health.timeout": "health.url",
          "increment-var": "port", "watch-ignore": "watch"}  # fmt: skip
"""Options that matter only together with another."""


def _again(launch: Launch, folder: Path) -> Launch:
    """Return what the file starts that is written of an app."""
    values = spec_values(launch.spec, launch.named, str(folder), ENVIRON["PATH"])
    path = folder / "monit.toml"
    others = {name: {"run": "true"} for name in values.get("after", ())}
    path.write_text("\n".join(apps_text({launch.spec.name: values, **others})))
    return make_launches(read_config(str(path), None, ENVIRON), ENVIRON)[0]


def _same(launch: Launch, again: Launch) -> None:
    plain = again.spec._replace(created_at=0, origin_file=None)
    assert plain == launch.spec._replace(created_at=0)
    assert again.named == launch.named


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_every_option_survives(option: Option, tmp_path: Path) -> None:
    """The app with the example of an option is written and read as the same app."""
    (tmp_path / "app.py").touch()
    rows = [BY_KEY[key] for key in (NEEDED.get(option.key), option.key) if key]
    settings: dict[str, Any] = {row.key: parse_option(row, row.example) for row in rows}
    settings = {key: (v,) if BY_KEY[key].several else v for key, v in settings.items()}
    target = None if "module" in settings else "app.py"
    launch = make_launch(target, (), settings, ENVIRON, str(tmp_path))
    _same(launch, _again(launch, tmp_path))


@pytest.mark.parametrize(
    ("target", "words", "settings"),
    [
        ("app.py", ("a b", "$HOME", "'"), {}),
        ("app.py", (), {"interpreter": "python3 -X dev"}),
        ("sub/run", (), {}),
        ("./app.py", (), {"cwd": "sub"}),
        (None, ("sleep", "1", "a b"), {}),
        (None, ("sleep", "$A && x", "it's", "a\nb", '"%'), {}),
        ("sleep 1 && sleep 2", (), {}),
        (None, ("-x", "y"), {"module": "http.server"}),
        (None, ("./sub/run", "x"), {}),
    ],
)
def test_what_runs_survives(
    target: str | None, words: tuple[str, ...], settings: dict[str, Any], tmp_path: Path
) -> None:
    """Scripts, modules, commands and shell text with any arguments are written as they are."""
    (tmp_path / "app.py").touch()
    (tmp_path / "sub").mkdir()
    run = tmp_path / "sub" / "run"
    run.write_text("#!/bin/sh\n")
    run.chmod(0o755)
    settings = {**settings, "name": "x", "env": (("V", "$a %s # \" ' \\ \n"),)}
    launch = make_launch(target, words, settings, ENVIRON, str(tmp_path))
    again = _again(launch, tmp_path)
    assert again.spec.argv == launch.spec.argv
    assert (again.spec.cwd, again.spec.args) == (launch.spec.cwd, launch.spec.args)
    assert again.named == launch.named


def _hostile(tmp_path: Path) -> Launch:
    settings: dict[str, Any] = {
        "name": "web", "instances": 2, "kill-timeout": 3.5, "stop-exit-codes": (0, 3),
        "max-memory": 300 * 1024**2, "env": (("A", "$x %n \" ' \\"),),
    }  # fmt: skip
    words = ("sleep", "$HOME %n \" '", "1")
    return make_launch(None, words, settings, ENVIRON, str(tmp_path))


def test_a_procfile_runs_the_same_words(tmp_path: Path) -> None:
    """A shell that runs the line executes exactly the words of the app, in its folder."""
    launch = _hostile(tmp_path)
    argv = (shutil.which("env") or "", "printf", "%s\n", *launch.spec.args)
    (line,) = procfile_lines([(launch.spec._replace(argv=argv), launch.named)])
    name, _, text = line.partition(": ")
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    assert name == "web"
    assert done.stdout.splitlines() == list(launch.spec.args)


def test_a_unit_reloads_as_the_app_does() -> None:
    """A command is systemd's own, with its variables quoted; a signal is sent to the main one."""
    spec = AppSpec("web", "nginx", ("/bin/nginx",), "/", "ann")
    policies = (
        RestartPolicy(reload_command=("nginx", "-s", "reload", "$X")),
        RestartPolicy(reload_signal=1),
        RestartPolicy(),
    )
    found = [
        [line for line in systemd_lines([(spec._replace(policy=policy), {})]) if "Reload" in line]
        for policy in policies
    ]
    assert found == [
        ['ExecReload="nginx" "-s" "reload" "$$X"'],
        ["ExecReload=/bin/kill -1 $MAINPID"],
        [],
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_units_are_valid(tmp_path: Path) -> None:
    """Systemd finds nothing wrong with a unit, and the settings have their counterparts."""
    launch = _hostile(tmp_path)
    lines = systemd_lines([(launch.spec, launch.named)])
    assert lines[0] == "# /etc/systemd/system/web@.service"
    for line in ("TimeoutStopSec=3.5s", "RestartPreventExitStatus=0 3", "MemoryHigh=314572800"):
        assert line in lines
    assert '"$$HOME %%n \\" \'"' in next(line for line in lines if line.startswith("ExecStart="))
    unit = tmp_path / "web@.service"
    unit.write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "web@" not in done.stderr, done.stderr


def test_a_compose_file_is_valid_and_expands_nothing(tmp_path: Path) -> None:
    """The YAML has the words and variables with $ doubled, and the number of instances."""
    yaml = pytest.importorskip("yaml")
    launch = _hostile(tmp_path)
    service = yaml.safe_load("\n".join(compose_lines([(launch.spec, launch.named)])))["services"][
        "web"
    ]
    assert service["command"][1:] == ["$$HOME %n \" '", "1"]
    assert service["environment"] == {"A": "$$x %n \" ' \\"}
    assert (service["scale"], service["stop_grace_period"]) == (2, "3.5s")


def _ordered() -> list[tuple[AppSpec, dict[str, str]]]:
    """Return a migration, a database with a health check, and an app that comes after both."""
    run = ("/bin/true",)
    migrate = AppSpec("migrate", "true", run, "/", "ann", type="once")
    db = AppSpec("db", "true", run, "/", "ann", instances=2)
    db = db._replace(checks=db.checks._replace(health_command=("pg_isready", "-h", "$X")))
    web = AppSpec("web", "true", run, "/", "ann", after=("migrate=done", "db=ready", "x=started"))
    return [(migrate, {}), (db, {}), (web, {})]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_units_keep_the_order_and_run_once_what_runs_once(tmp_path: Path) -> None:
    """A migration is not restarted when it has exited, and must have succeeded before the rest."""
    text = "\n".join(systemd_lines(_ordered()))
    migrate, _, web = text.split("# /etc/systemd/system/")[1:]
    assert {"Type=oneshot", "RemainAfterExit=yes", "Restart=no"} <= {*migrate.splitlines()}
    assert {
        "Requires=migrate.service", "After=migrate.service", "After=db@0.service db@1.service",
        "Wants=db@0.service db@1.service", "Wants=x.service",
    } <= {*web.splitlines()}  # fmt: skip
    for unit in (migrate, web):
        name, _, lines = unit.partition("\n")
        (tmp_path / name).write_text(lines)
        done = subprocess.run(
            ["systemd-analyze", "verify", str(tmp_path / name)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert f"{name}:" not in done.stderr, done.stderr


def test_services_keep_the_order_and_run_once_what_runs_once() -> None:
    """What is not in the file is left out: compose would refuse it."""
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load("\n".join(compose_lines(_ordered())))["services"]
    assert services["migrate"]["restart"] == "no"
    assert services["db"]["healthcheck"]["test"] == ["CMD", "pg_isready", "-h", "$$X"]
    assert services["web"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "db": {"condition": "service_healthy"},
    }


def test_a_procfile_has_one_line_for_each_app() -> None:
    """Also where a variable or an argument has several lines."""
    words = ("/usr/bin/env", "printf", "%s|", "a\nb\\n\n", "c'$X\"\nd")
    spec = AppSpec("web", "env", words, "/", "ann")
    (line,) = procfile_lines([(spec, {"KEY": "1\n2"})])
    assert "\n" not in line
    shell = line.partition(": ")[2].replace("printf %s", "printf '%s'")
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout == "a\nb\\n\n|c'$X\"\nd|"
    (line,) = procfile_lines([(spec._replace(argv=("/usr/bin/env",)), {"KEY": "1\n2"})])
    done = subprocess.run(["sh", "-c", line[5:]], capture_output=True, text=True, check=True)
    assert "KEY=1\n2\n" in done.stdout


def test_what_a_format_cannot_hold_is_named() -> None:
    """So that nobody takes the file for the whole of it."""
    keys = ["run", "env.A", "namespace", "instances", "cron", "health.command", "log.out"]
    spec = AppSpec("web", "env", ("/usr/bin/env",), "/", "ann")
    spec = spec._replace(checks=spec.checks._replace(health_command=("true",)))
    lost = {kind: left_out(kind, spec, keys, ["web"]) for kind in HELD}
    assert lost["procfile"] == ["instances", "cron", "health.command", "log.out"]
    assert lost["systemd"] == ["cron", "health.command", "log.out"]
    assert lost["compose"] == ["cron", "log.out"]
    known = {option.key for option in OPTIONS} | {"run", "shell", "script", "module", "args"}
    assert set().union(*HELD.values()) <= known | {"interpreter-args", "cwd"}


def test_text_of_tables_is_toml(tmp_path: Path) -> None:
    """Names and values with dots and quotes are read back."""
    text = "\n".join(apps_text({"a.b": {"run": "x", "env.A": '"', "health.url": "u"}}))
    assert tomllib.loads(text)["apps"] == {
        "a.b": {"run": "x", "env": {"A": '"'}, "health": {"url": "u"}}
    }
    del tmp_path


def test_what_a_service_of_compose_cannot_have_is_named() -> None:
    """The port of several containers, the settings of a check by URL, the group without a user, and
    an app that is not in the file."""
    spec = AppSpec("web", "env", ("/usr/bin/env",), "/", "ann", instances=2, port=80)
    spec = spec._replace(after=("db",), worker_group="www")
    checks = spec.checks._replace(health_url="http://localhost/", health_interval_s=5)
    keys = ["instances", "port", "group", "after", "health.url", "health.interval"]
    text = "\n".join(compose_lines([(spec._replace(checks=checks), {})]))
    assert not re.search("ports|user|depends_on|healthcheck", text)
    assert left_out("compose", spec._replace(checks=checks), keys, ["web"]) == keys[1:]
    whole = spec._replace(
        instances=1, worker_user="www", checks=checks._replace(health_command=("true",))
    )
    assert left_out("compose", whole, keys, ["web", "db"]) == ["health.url"]
