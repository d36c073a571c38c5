"""Ecosystem files under pm2 and under monit: the same processes with the same settings."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from support.command_line import command, monit
from support.ecosystems import ECOSYSTEMS, Ecosystem, write_ecosystem
from support.processes import end_processes_of
from support.servers import NODE_MODULES
from support.waiting import wait_until

PM2 = NODE_MODULES / "pm2" / "bin" / "pm2"

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed here")

IN_EVERY_SUITE = "Python beside Node"

SHAPES = [
    pytest.param(name, marks=() if name == IN_EVERY_SUITE else pytest.mark.full)
    for name in ECOSYSTEMS
]

OWN = frozenset(
    {
        "MONIT_HOME",
        "PM2_HOME",
        "PYTHONPATH",
        "NODE_OPTIONS",
        "REPORTS",
        "PYTEST_CURRENT_TEST",
        "PWD",
    }
)
"""Variables that each manager has or sets for itself. pm2 changes its own PWD while it reads a
file, so that the cwd of one app becomes the PWD of others."""


class Row(NamedTuple):
    """One instance as its manager lists it."""

    pid: int
    name: str
    namespace: str
    settings: Mapping[str, Any]


class Started(NamedTuple):
    """What a manager started from a file."""

    processes: list[dict[str, Any]]
    """What each instance reported, in an order that does not depend on the manager."""
    settings: Mapping[str, Mapping[str, Any]]
    """By the names of the apps."""


class Pm2:
    """pm2 with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "pm2"
        self._own = {"PM2_HOME": str(self.home), "PM2_DISCRETE_MODE": "true"}

    def run(self, *words: str, reports: Path | None = None, cwd: Path | None = None) -> str:
        kept = {name: value for name, value in os.environ.items() if name != "MONIT_HOME"}
        env = {**kept, **self._own, **({"REPORTS": str(reports)} if reports else {})}
        done = subprocess.run(
            ["node", str(PM2), *words], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def rows(self) -> list[Row]:
        """Return what ``pm2 jlist`` says, with the settings in monit's units."""
        printed = self.run("jlist")
        return [self._row(each) for each in json.loads(printed[printed.index("[") :])]

    def _row(self, listed: dict[str, Any]) -> Row:
        env = listed["pm2_env"]
        settings = {
            "max_memory_bytes": env.get("max_memory_restart"),
            "cron": env.get("cron_restart"),
            "watching": bool(env.get("watch")),
            "autorestart": env["autorestart"],
            "stop_exit_codes": env.get("stop_exit_codes", []),
            "wait_ready": env.get("wait_ready", False),
            **{
                f"{key}_s": _seconds(env[key])
                for key in ("kill_timeout", "listen_timeout", "min_uptime")
                if key in env
            },
            **({"max_restarts": env["max_restarts"]} if "max_restarts" in env else {}),
        }
        return Row(listed["pid"], listed["name"], env["namespace"], settings)


@pytest.fixture(name="pm2")
def _pm2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pm2]:
    assert PM2.exists(), "pm2 is not installed for the tests: run npm ci in tests/node"
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    manager = Pm2(tmp_path)
    try:
        yield manager
    finally:
        manager.run("kill")
        end_processes_of(tmp_path)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("shape", SHAPES)
def test_monit_starts_what_pm2_starts(
    shape: str, pm2: Pm2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names, instances, programs, arguments, folders, variables and settings are the same."""
    ecosystem = ECOSYSTEMS[shape]
    monkeypatch.setenv("LEAVE_OUT", "from the shell")
    project = tmp_path / "project"
    project.mkdir()
    file = write_ecosystem(ecosystem, project)
    theirs = _under_pm2(ecosystem, file, pm2, tmp_path)
    ours = _under_monit(ecosystem, file, tmp_path)
    assert [each["name"] for each in ours.processes] == [each["name"] for each in theirs.processes]
    assert "\n".join(_differences(ours.processes, theirs.processes)) == ""
    for name, settings in theirs.settings.items():
        assert {key: ours.settings[name][key] for key in settings} == settings


def _under_pm2(ecosystem: Ecosystem, file: Path, pm2: Pm2, folder: Path) -> Started:
    reports = folder / "pm2 reports"
    reports.mkdir()
    profile = ("--env", ecosystem.profile) if ecosystem.profile else ()
    pm2.run("start", file.name, *profile, reports=reports, cwd=file.parent)
    started = _started(pm2.rows(), reports, ecosystem)
    pm2.run("delete", "all")
    return started


def _under_monit(ecosystem: Ecosystem, file: Path, folder: Path) -> Started:
    reports = folder / "monit reports"
    reports.mkdir()
    profile = ("--profile", ecosystem.profile) if ecosystem.profile else ()
    done = command("start", file.name, *profile, cwd=file.parent, env={"REPORTS": str(reports)})
    assert done.returncode == 0, done.stderr
    described = json.loads(monit("describe", "all", "--json"))
    return _started([_row(each) for each in described], reports, ecosystem)


def _row(described: dict[str, Any]) -> Row:
    policy = described["config"]["policy"]
    settings = {**policy, **{key: described["config"][key] for key in ("watching", "wait_ready")}}
    return Row(described["pid"], described["app"], described["namespace"], settings)


def _started(rows: Sequence[Row], reports: Path, ecosystem: Ecosystem) -> Started:
    """Wait until every instance has reported; return what was started."""
    wait_until(
        lambda: len(list(reports.glob("*.json"))) >= len(rows),
        what=f"{len(rows)} processes have reported in {reports}",
        deadline_s=60,
    )
    by_pid = {row.pid: row for row in rows}
    names = (set(os.environ) | set(ecosystem.names)) - OWN
    found: list[dict[str, Any]] = []
    for path in reports.glob("*.json"):
        report = json.loads(path.read_text())
        process = psutil.Process(report.pop("pid"))
        row = next(by_pid[p.pid] for p in (process, *process.parents()) if p.pid in by_pid)
        env = report.pop("env")
        report |= {f"${name}": env.get(name) for name in sorted(names)}
        found.append({"name": row.name, "namespace": row.namespace, **report})
    found.sort(key=lambda each: json.dumps(each, sort_keys=True))
    return Started(found, {row.name: row.settings for row in rows})


def _differences(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[str]:
    return [
        f"{left['name']}: {key} is {left[key]!r}, under pm2 {right[key]!r}"
        for left, right in zip(ours, theirs, strict=True)
        for key in right
        if left[key] != right[key]
    ]


def _seconds(value: int | str) -> float:
    """Return a time of pm2: milliseconds, or text with a unit."""
    if isinstance(value, str) and value.endswith("s"):
        return float(value.removesuffix("s"))
    return int(value) / 1000
