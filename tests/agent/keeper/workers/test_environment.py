"""The environment of a worker: which source wins, and what is reported about env files."""

from pathlib import Path
from typing import Any

import pytest

from monit_agent.keeper.workers.app_environment import AppEnvironment
from monit_agent.keeper.workers.environment import (
    WORKER_VARIABLES,
    Env,
    env_from_json,
    worker_environment,
)
from monit_agent.supervise.spec import AppSpec, Increment
from monit_agent.wire.paths import app_paths

SPEC = AppSpec("web", "w.py", ("python", "w.py"), "/", "me")


# ---------------------------------------------------------------- one worker


def of_worker(folder: Path, base: Env, instance: int = 0, **fields: Any) -> Env:
    paths = app_paths(str(folder), "web")
    return worker_environment(base, paths, SPEC._replace(**fields), instance, {})


def test_a_worker_knows_its_app_and_its_number(tmp_path: Path) -> None:
    """The app's own values of these names are replaced."""
    env = of_worker(tmp_path, {b"MONIT_INSTANCE": b"9", b"MONIT_APP": b"other"}, instance=3)
    assert env[b"MONIT_HOME"] == bytes(tmp_path)
    names = (b"MONIT_APP", b"MONIT_INSTANCE", b"NODE_APP_INSTANCE")
    assert [env[name] for name in names] == [b"web", b"3", b"3"]


def test_python_writes_at_once_unless_the_app_says_otherwise(tmp_path: Path) -> None:
    """A killed Python would lose its last lines."""
    assert of_worker(tmp_path, {})[b"PYTHONUNBUFFERED"] == b"1"
    assert of_worker(tmp_path, {b"PYTHONUNBUFFERED": b""})[b"PYTHONUNBUFFERED"] == b""


def test_port_and_increment_are_variables(tmp_path: Path) -> None:
    """They win over what was inherited."""
    assert of_worker(tmp_path, {b"PORT": b"1"}, port=8080)[b"PORT"] == b"8080"
    env = of_worker(tmp_path, {}, 2, increment=Increment("METRICS_PORT", 9000))
    assert env[b"METRICS_PORT"] == b"9002"
    assert b"PORT" not in env


def test_a_variable_of_the_instance_and_a_time_zone(tmp_path: Path) -> None:
    """Both win over what the app has under their names."""
    env = of_worker(tmp_path, {b"SLOT": b"x"}, 2, instance_var="SLOT")
    assert env[b"SLOT"] == b"2"
    environment = AppEnvironment({b"TZ": b"UTC"}, {}, lambda _kind, _text: None)
    merged = environment.merged(SPEC._replace(timezone="Asia/Kolkata"))
    assert merged == {b"TZ": b"Asia/Kolkata"}


def test_only_a_worker_that_is_waited_for_gets_the_notify_socket(tmp_path: Path) -> None:
    """A library of systemd would otherwise report to a socket that nobody expects it at."""
    assert b"NOTIFY_SOCKET" not in of_worker(tmp_path, {})
    env = of_worker(tmp_path, {}, wait_ready=True)
    assert env[b"NOTIFY_SOCKET"] == app_paths(str(tmp_path), "web").notify.encode()


def test_variables_of_one_worker_are_never_passed_on() -> None:
    """A monit that runs under monit starts workers that are its own."""
    sent = {name.decode(): "1" for name in WORKER_VARIABLES}
    assert env_from_json({**sent, "A": "\udcff"}) == {b"A": b"\xff"}


# ---------------------------------------------------------------- all workers of an app


class Files:
    """An `AppEnvironment` with two env files, and the events that it records."""

    def __init__(self, folder: Path) -> None:
        self.first, self.last = folder / "a.env", folder / "b.env"
        self.spec = SPEC._replace(env_files=(str(self.first), str(self.last)))
        self.events: list[tuple[str, str]] = []
        self.env = AppEnvironment(
            {b"A": b"inherited", b"B": b"inherited", b"C": b"inherited"},
            {b"A": b"named"},
            lambda kind, text: self.events.append((kind, text)),
        )

    def read(self) -> bool:
        return self.env.read_files(self.spec)


@pytest.fixture(name="files")
def _files(tmp_path: Path) -> Files:
    files = Files(tmp_path)
    files.first.write_text("A=first\nB=first\nD=first\n")
    files.last.write_text("D=last\n")
    return files


def test_named_wins_over_files_and_files_over_inherited(files: Files) -> None:
    """Of two files the last one wins; the first reading is no event."""
    assert files.read()
    expected = {b"A": b"named", b"B": b"first", b"C": b"inherited", b"D": b"last"}
    assert files.env.merged(files.spec) == expected
    assert files.env.merged(files.spec, {b"E": b"1"})[b"E"] == b"1"
    assert files.events == []


def test_a_changed_file_is_read_again_and_its_changes_are_named(files: Files) -> None:
    """Names only: a value may be a secret. An unchanged file is no event."""
    files.read()
    assert not files.read()
    files.first.write_text("B=new\nE=new\nD=first\n")
    assert files.read()
    assert files.env.merged(files.spec)[b"B"] == b"new"
    assert files.events == [("env_read", f"{files.first} was read again; changed: A, B, E")]


def test_a_file_that_cannot_be_read_keeps_its_values(files: Files) -> None:
    """It is recorded once, and again when it can be read."""
    files.read()
    files.first.unlink()
    files.read()
    files.read()
    assert files.env.merged(files.spec)[b"B"] == b"first"
    ((kind, text),) = files.events
    assert kind == "env_problem"
    assert text.startswith(f"{files.first}: ")
    assert text.endswith("; the values read before are used")
    files.first.write_text("A=first\nB=first\nD=first\n")
    files.read()
    assert files.events[1] == ("env_read", f"{files.first} was read again; changed: nothing")


def test_a_file_that_was_never_read_is_missing(files: Files) -> None:
    """The app starts, and the event says that its variables are not there."""
    files.last.unlink()
    files.read()
    ((kind, text),) = files.events
    assert kind == "env_problem"
    assert text.endswith("; its variables are missing")
    record = files.env.record(files.spec)["files"]
    assert [each["problem"] is None for each in record] == [True, False]


def test_the_record_has_names_and_no_values(files: Files) -> None:
    """Only the time zone is shown, because schedules follow it."""
    files.env.inherited[b"TZ"] = b"Europe/Rome"
    files.env.inherited[b"\xff"] = b"secret"
    files.read()
    record = files.env.record(files.spec)
    assert record["named"] == ["A"]
    assert record["files"][0]["names"] == ["A", "B", "D"]
    assert record["inherited"] == ["A", "B", "C", "TZ", "\udcff"]
    assert record["timezone"] == "Europe/Rome"
    assert "secret" not in str(record)


def test_the_environment_of_a_running_worker_is_adopted(files: Files) -> None:
    """After a keeper that was killed, named values come from a worker, never from the files."""
    spec = files.spec._replace(env_named=("A", "LOST"))
    files.env.named = {}
    files.env.adopt({b"A": b"of the worker", b"B": b"first", b"C": b"of the worker"}, spec)
    assert files.env.named == {b"A": b"of the worker"}
    assert files.env.inherited == {b"C": b"of the worker"}
    assert files.env.missing(spec) == (
        "LOST was set with --env, and its value is lost; "
        "run monit stop web, then monit start web --env LOST=..."
    )


def test_a_file_that_is_read_after_adoption_is_not_inherited(files: Files) -> None:
    """Until then a worker's variables of it count as inherited; one that is removed goes then."""
    text = files.first.read_text()
    files.first.unlink()
    worker = {b"A": b"of the worker", b"B": b"first", b"D": b"other", b"X": b"of the shell"}
    files.env.adopt(worker, files.spec)
    assert files.env.inherited[b"B"] == b"first"
    files.first.write_text(text)
    files.read()
    assert b"B" not in files.env.inherited
    assert files.env.inherited[b"X"] == b"of the shell"
    files.first.write_text("D=first\n")
    files.read()
    assert b"B" not in files.env.merged(files.spec)


def test_inherited_variables_that_are_lost_are_named(files: Files) -> None:
    """The first ones by name, the others by number, until a shell brings them again."""
    saved = [*(f"V{number:02}" for number in range(30)), "A", "PWD", "SHLVL"]
    files.env.note_lost(saved, files.spec)
    ((kind, text),) = files.events
    assert kind == "env_problem"
    assert "are lost: V00, V01, V02, " in text
    assert text.endswith(" more; run monit restart web --update-env in a shell that has them")
    assert {*files.env.inherited_names()} == {*saved, "B", "C"} - {"PWD", "SHLVL"}
    files.env.inherit({})
    assert files.env.lost_text("web") is None


def test_values_that_an_earlier_keeper_kept_are_restored(files: Files) -> None:
    """What is named in the app's folder is newer and wins; changed files are read again."""
    kept = {str(files.first): {b"B": b"kept"}}
    files.first.unlink()
    files.env.restore({b"C": b"kept"}, {b"A": b"kept", b"N": b"kept"}, kept, files.spec)
    files.read()
    expected = {b"A": b"named", b"B": b"kept", b"C": b"kept", b"D": b"last", b"N": b"kept"}
    assert files.env.merged(files.spec) == expected
    assert files.events[0][1].endswith("; the values read before are used")


def test_a_file_that_may_be_missing(tmp_path: Path) -> None:
    """No problem while it is missing; its variables are there as soon as it is."""
    events: list[str] = []
    environment = AppEnvironment({}, {}, lambda kind, _text: events.append(kind))
    path = tmp_path / "extra.env"
    spec = SPEC._replace(env_files=(f"?{path}",))
    environment.read_files(spec)
    assert environment.merged(spec) == {}
    assert environment.record(spec)["files"] == [{"path": str(path), "names": [], "problem": None}]
    path.write_text("EXTRA=1")
    assert environment.changed_files() == {f"?{path}": ["EXTRA"]}
    environment.read_files(spec)
    path.unlink()
    assert environment.merged(spec) == {b"EXTRA": b"1"}
    environment.read_files(spec)
    assert environment.merged(spec) == {}
    assert events == ["env_read", "env_read"]
