"""Which files are a reason to restart."""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from monit_agent.agent.restarts.watch_filter import NamedPaths, WatchFilter, watched_folders


def _reasons(
    folder: Path, names: Iterable[str], ignored: Iterable[str] = (), argv: Iterable[str] = ()
) -> set[str]:
    rules = WatchFilter(str(folder), str(folder / "monit-home"), ignored, argv)
    return {name for name in names if rules.matters(str(folder / name))}


SOURCES = (
    "app.py", "lib/util.js", "templates/index.html", "static/style.css", "config.toml",
    "data.json", "logs/handler.py", "cache/redis.py", "database.py", "log.py", "package.json",
    "my-journal/entry.py", "core.py", "locks.ts", "temperature/sensor.rb",
)  # fmt: skip
"""Code, templates and settings, also with names near those of data."""

BY_THEMSELVES = (
    ".env", ".git/index", ".venv/lib/x.py", ".pytest_cache/v/x", "venv/bin/python", "env/lib/x.py",
    "node_modules/a/index.js", "lib/node_modules/a/index.js", "__pycache__/app.pyc", "x.pyo",
    "app.log", "app.log.1", "log/app.log.2026-11-28", "app.log.gz", "nohup.out",
    "app.db", "app.db-wal", "app.db-shm", "app.db-journal", "db.sqlite3", "db.sqlite3-journal",
    "cache/etilqs_a1", "store.duckdb", "store.duckdb.wal", "dump.rdb", "appendonlydir/a.1.base.rdb",
    "celerybeat-schedule", "celerybeat-schedule.db", "run/app.pid", "app.sock", "app.lock",
    "out.tmp", "tmp/cache/x", "upload.part", ".app.py.swp", "app.py~", "#app.py#", "4913",
    "core.1234", "cpu.prof", "Heap.20261128.heapsnapshot", "monit-home/apps/web/state.json",
)  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_what_people_write_is_a_reason(tmp_path: Path, name: str) -> None:
    """Code, templates and settings restart the app."""
    assert _reasons(tmp_path, [name]) == {name}


@pytest.mark.parametrize("name", BY_THEMSELVES)
def test_what_programs_write_is_no_reason(tmp_path: Path, name: str) -> None:
    """Databases and their journals, logs, pid files, caches and dependencies restart nothing."""
    assert _reasons(tmp_path, [name]) == set()


def test_a_database_is_known_by_its_content(tmp_path: Path) -> None:
    """SQLite's file is none of a person's under any name, nor are the journals beside it."""
    connection = sqlite3.connect(tmp_path / "orders")
    connection.execute("create table t (n)")
    connection.close()
    (tmp_path / "recipes").write_text("text")

    names = ("orders", "orders-journal", "recipes", "recipes-journal")
    assert _reasons(tmp_path, names) == {"recipes", "recipes-journal"}


def test_gitignore_files_are_honoured(tmp_path: Path) -> None:
    """Those of the folder, of folders in it, and of those above it in the same repository."""
    app = tmp_path / "repo" / "service"
    (app / "inner").mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("*.py\n")
    (tmp_path / "repo" / ".git").mkdir()
    (tmp_path / "repo" / ".gitignore").write_text("*.gen\n/service/out/\n")
    (app / ".gitignore").write_text("data/*\n!data/keep.json\n")
    (app / "inner" / ".gitignore").write_text("x.py\n!y.gen\n")

    names = (
        "a.py", "a.gen", "out/b.js", "data/state.json", "data/keep.json", "inner/x.py", "x.py",
        "inner/y.gen",
    )  # fmt: skip
    assert _reasons(app, names) == {"a.py", "data/keep.json", "x.py", "inner/y.gen"}


def test_a_gitignore_that_lists_what_to_keep(tmp_path: Path) -> None:
    """The other way around works too, and brings no dependencies back."""
    (tmp_path / ".gitignore").write_text("*\n!*/\n!*.py\n")

    names = ("app.py", "lib/util.py", "lib/state.json", "node_modules/a.py")
    assert _reasons(tmp_path, names) == {"app.py", "lib/util.py"}


def test_a_changed_gitignore_is_read_again(tmp_path: Path) -> None:
    """What it says now counts, without a restart of the agent."""
    rules = WatchFilter(str(tmp_path), "/nowhere")
    path = str(tmp_path / "state.json")
    assert rules.matters(path)
    (tmp_path / ".gitignore").write_text("state.json\n")
    assert not rules.matters(path)
    (tmp_path / ".gitignore").unlink()
    assert rules.matters(path)


@pytest.mark.parametrize(
    ("gitignored", "argv"),
    [
        ("dist/", ("node", "dist/server.js")),
        ("*.js", ("node", "server.js")),
        ("/build", ("python", "build/app.py")),
    ],
)
def test_an_app_that_is_built_is_watched(
    tmp_path: Path, gitignored: str, argv: tuple[str, ...]
) -> None:
    """Where git ignores the program itself, .gitignore does not show what a restart is for."""
    (tmp_path / ".gitignore").write_text(f"{gitignored}\n")
    program = tmp_path / argv[1]
    program.parent.mkdir(exist_ok=True)
    program.touch()
    sibling = str(Path(argv[1]).with_name(f"other{program.suffix}"))

    assert _reasons(tmp_path, [sibling], argv=argv) == {sibling}
    assert _reasons(tmp_path, [sibling], argv=("node", "other.ts")) == set()


@pytest.mark.parametrize(
    ("pattern", "ignored"),
    [
        ("data", {"data/a.json", "lib/data/b.json"}),
        ("data/", {"data/a.json", "lib/data/b.json"}),
        ("./data", {"data/a.json"}),
        ("/data", {"data/a.json"}),
        ("FOLDER/data", {"data/a.json"}),
        ("*.json", {"data/a.json", "lib/data/b.json", "state.json"}),
        ("state.json", {"state.json"}),
        ("**/b.*", {"lib/data/b.json"}),
    ],
)
def test_a_pattern_ignores_files(tmp_path: Path, pattern: str, ignored: set[str]) -> None:
    """``--ignore-watch`` takes a file, a folder or a pattern, in the syntax of .gitignore."""
    names = {"data/a.json", "lib/data/b.json", "state.json", "app.py"}
    pattern = pattern.replace("FOLDER", str(tmp_path))

    assert _reasons(tmp_path, names, [pattern]) == names - ignored


def test_a_pattern_can_bring_files_back(tmp_path: Path) -> None:
    """``!`` in front watches what is ignored otherwise; of several patterns the last one counts."""
    (tmp_path / ".gitignore").write_text("dist/\n")
    names = ("dist/a.js", "fixtures.db", ".env", "other.db")
    patterns = ("!dist", "!*.db", "other.db", "!.env")

    assert _reasons(tmp_path, names, patterns) == {"dist/a.js", "fixtures.db", ".env"}


def test_named_paths_count_and_what_is_beside_them_does_not(tmp_path: Path) -> None:
    """A file counts by its name, also a hidden one; below a folder the rules hold, also where its
    own name is one that they leave out; ``--ignore-watch`` leaves out more."""
    for folder in (".conf", "src", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / ".gitignore").write_text("data/\n")
    outside = tmp_path.parent / f"{tmp_path.name}-shared"
    outside.mkdir()
    paths = [str(tmp_path / name) for name in (".conf", "src", "data", ".env", "app.log")]
    rules = WatchFilter(str(tmp_path), "/nowhere", ["/src/gen/", "app.log"])
    named = NamedPaths([*paths, str(outside)], rules)
    yes = (".conf/a.toml", "src/a.py", "data/a.json", ".env", f"../{outside.name}/b.py")
    no = ("app.py", "src/gen/a.py", "src/.hidden", "data/a.db", "app.log", "env")
    assert {each for each in (*yes, *no) if named.matters(_path(tmp_path, each))} == {*yes}


def _path(folder: Path, name: str) -> str:
    return os.path.normpath(folder / name)


def test_which_folders_are_watched(tmp_path: Path) -> None:
    """A file and what does not exist yet by their folders, none twice, and one for many."""
    for number in range(6):
        (tmp_path / "src" / str(number)).mkdir(parents=True)
    (tmp_path / "src" / "app.py").touch()
    src = str(tmp_path / "src")
    assert watched_folders([f"{src}/app.py", f"{src}/1", f"{src}/new.py"]) == [src]
    assert watched_folders([f"{src}/1", f"{src}/2"]) == [f"{src}/1", f"{src}/2"]
    assert watched_folders([f"{src}/{number}" for number in range(6)]) == [src]
