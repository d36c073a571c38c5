"""What brings the probe into workers, and how it is taken out again."""

import os
import re
import shlex
from pathlib import Path

import pytest

import monit_agent
from monit_agent.keeper.workers import probe_files
from monit_agent.keeper.workers.probe_env import (
    add_probe,
    failed_to_load,
    node_can_read,
    remove_probe,
)
from monit_agent.wire.paths import AppPaths


@pytest.fixture(name="private")
def _private(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no folder be shared, as for users who are not root."""
    monkeypatch.setattr(probe_files.os, "geteuid", lambda: 65534)


@pytest.mark.parametrize("home", ["home", 'with "blanks" and \\'])
@pytest.mark.parametrize(
    "env",
    [
        {},
        {b"PYTHONPATH": b"/mine:/other"},
        {b"NODE_OPTIONS": b"--require=./mine.js --max-old-space-size=99"},
        {b"PYTHONPATH": b"/mine", b"NODE_OPTIONS": b"--inspect", b"LANG": b"C"},
    ],
)
def test_what_was_put_in_can_be_taken_out(
    env: dict[bytes, bytes], home: str, tmp_path: Path
) -> None:
    """A keeper that adopts reads its workers' environment and finds the user's own in it."""
    paths = AppPaths(str(tmp_path / home / "apps" / "web"))
    full = add_probe(env, paths)
    sockets = (b"MONIT_PROBE_SOCK", b"MONIT_PROBE_NODE_SOCK", b"MONIT_PROBE_REQUESTS")
    rest = {name: value for name, value in full.items() if name not in sockets}

    assert full.keys() >= {*sockets, b"PYTHONPATH", b"NODE_OPTIONS", *env}
    assert remove_probe(rest) == env
    assert all(value in full[name] for name, value in env.items())


def test_the_switch_leaves_only_what_can_be_imported(tmp_path: Path) -> None:
    """MONIT_PROBE=0 is the user's word: a program that imports monit_probe starts, and that is all
    there is of it."""
    off = {b"MONIT_PROBE": b"0"}
    env = add_probe(off, AppPaths(str(tmp_path / "apps" / "web")))

    assert env.keys() == {b"MONIT_PROBE", b"PYTHONPATH"}
    assert remove_probe(env) == off


def test_all_files_of_the_probe_are_there(tmp_path: Path) -> None:
    """What a probe loads later lies beside it in the home, too."""
    env = add_probe({}, AppPaths(str(tmp_path / "apps" / "web")))
    there = Path(env[b"PYTHONPATH"].decode()).parent
    source = Path(monit_agent.__file__).parent / "probe"

    for folder, suffix in (("inject", ".py"), ("node", ".cjs")):
        files = {each.relative_to(source) for each in (source / folder).rglob(f"*{suffix}")}
        assert len(files) > 5
        assert {each.relative_to(there) for each in (there / folder).rglob(f"*{suffix}")} == files


def test_an_impossible_home_leaves_the_environment_alone(tmp_path: Path, private: None) -> None:
    """A colon cannot stand in PYTHONPATH."""
    assert add_probe({}, AppPaths(str(tmp_path / "a:b" / "apps" / "web"))) == {}


def test_a_home_that_cannot_be_written_starts_workers_without_a_probe(
    tmp_path: Path, private: None
) -> None:
    """A probe is a nicety: an app starts also when it cannot be had."""
    (tmp_path / "cache").write_text("in the way")

    assert add_probe({}, AppPaths(str(tmp_path / "apps" / "web"))) == {}


def test_a_folder_that_others_can_change_is_not_used(tmp_path: Path) -> None:
    """Every worker runs what is in it, and root's workers too."""
    shared, home = tmp_path / "shared", tmp_path / "home"
    shared.mkdir()
    shared.chmod(0o777)

    files = probe_files.install(str(home), str(shared))

    assert files is not None
    assert not files.for_every_user
    assert Path(files.folder).parent == home / "cache"
    assert list(shared.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can")
def test_every_user_may_read_roots_copy(tmp_path: Path) -> None:
    """Whatever the umask of the keeper is."""
    before = os.umask(0o077)
    try:
        files = probe_files.install(str(tmp_path / "before"), str(tmp_path / "run" / "monit"))
        assert files is None or not files.for_every_user  # its parent is missing
        (tmp_path / "run").mkdir()
        files = probe_files.install(str(tmp_path), str(tmp_path / "run" / "monit"))
    finally:
        os.umask(before)

    assert files is not None
    assert files.for_every_user
    folder = Path(files.folder)
    assert folder.parent == tmp_path / "run" / "monit"
    assert all(each.stat().st_mode & 0o555 == 0o555 for each in (folder, folder.parent))
    assert all(each.stat().st_mode & 0o444 == 0o444 for each in folder.rglob("*"))


@pytest.mark.parametrize(
    ("command", "private", "shared"),
    [
        ("node web.js", True, True),
        ("npm start", True, True),
        ("runuser -u www -- node web.js", False, True),
        ("/usr/local/bin/gosu www node web.js", False, True),
        ("sh -c 'exec sudo -E -u www node web.js'", False, True),
        ("chroot /srv/web node web.js", False, False),
        ("bash -c 'cd /srv; unshare -m node web.js'", False, False),
        ("node --permission --allow-fs-read=/srv web.js", False, False),
        ("env NODE_OPTIONS=--permission node web.js", False, False),
        ("node su.js --chroot", True, True),
    ],
)
def test_which_commands_may_keep_node_from_reading_the_probe(
    command: str, private: bool, shared: bool
) -> None:
    """Node starts only where it can read what NODE_OPTIONS names."""
    words = tuple(shlex.split(command))
    assert node_can_read(words, for_every_user=False) is private
    assert node_can_read(words, for_every_user=True) is shared


def test_the_same_words_in_all_three_languages() -> None:
    """Keeper, Python and Node probe agree on what a sandbox is."""
    source = Path(monit_agent.__file__).parent
    files = ("keeper/workers/probe_env.py", "probe/inject/_monit_probe/children.py",
             "probe/node/monit_children.cjs")  # fmt: skip
    found = [_quoted_words((source / name).read_text()) for name in files]

    assert {"chroot", "--permission", "runuser"} <= found[0]
    assert found[0] == found[1] == found[2]


def _quoted_words(code: str) -> set[str]:
    """Return the words of both lists, which stand before the separators."""
    lists = code[code.index("SANDBOX") : code.index("SEPARATORS =")]
    return {word for text in re.findall(r'"([^"]+)"', lists) for word in text.split()}


@pytest.mark.parametrize(
    ("printed", "is_ours"),
    [
        (b"module '/run/monit/probe-0a/node/monit_probe.cjs'\n  code: 'MODULE_NOT_FOUND'", True),
        (b"code: 'ERR_ACCESS_DENIED'\n'/h/cache/probe-0a/node/monit_ports.cjs'", True),
        (b"Error: Cannot find module './mine.js'\n  code: 'MODULE_NOT_FOUND',", False),
        (b"at /run/monit/probe-0a/node/monit_probe.cjs:3 TypeError", False),
        (b"", False),
    ],
)
def test_which_exits_were_because_of_the_probe(printed: bytes, is_ours: bool) -> None:
    """Only those whose last words name one of its files and that it could not be read."""
    assert failed_to_load(printed) is is_ours
