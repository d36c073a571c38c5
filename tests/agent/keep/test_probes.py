"""What brings the probe into workers, and how it is taken out again."""

from pathlib import Path

import pytest

import monit_agent
from monit_agent.keep.probes import put_in, taken_out
from monit_agent.wire.places import AppPlaces


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
    places = AppPlaces(str(tmp_path / home / "apps" / "web"))
    full = put_in(env, places)
    sockets = (b"MONIT_PROBE_SOCK", b"MONIT_PROBE_NODE_SOCK", b"MONIT_PROBE_ASK")
    rest = {name: value for name, value in full.items() if name not in sockets}

    assert full.keys() >= {*sockets, b"PYTHONPATH", b"NODE_OPTIONS", *env}
    assert taken_out(rest) == env
    assert all(value in full[name] for name, value in env.items())


def test_the_switch_leaves_only_what_can_be_imported(tmp_path: Path) -> None:
    """MONIT_PROBE=0 is the user's word: a program that imports monit_probe starts, and that is all
    there is of it."""
    off = {b"MONIT_PROBE": b"0"}
    env = put_in(off, AppPlaces(str(tmp_path / "apps" / "web")))

    assert env.keys() == {b"MONIT_PROBE", b"PYTHONPATH"}
    assert taken_out(env) == off


def test_all_files_of_the_probe_are_there(tmp_path: Path) -> None:
    """What a probe loads later lies beside it in the home, too."""
    env = put_in({}, AppPlaces(str(tmp_path / "apps" / "web")))
    there = Path(env[b"PYTHONPATH"].decode()).parent
    source = Path(monit_agent.__file__).parent / "probe"

    for folder, suffix in (("inject", ".py"), ("node", ".cjs")):
        wanted = {each.name for each in (source / folder).glob(f"*{suffix}")}
        assert len(wanted) > 5
        assert {each.name for each in (there / folder).glob(f"*{suffix}")} == wanted


def test_an_impossible_home_leaves_the_environment_alone(tmp_path: Path) -> None:
    """A colon cannot stand in PYTHONPATH."""
    assert put_in({}, AppPlaces(str(tmp_path / "a:b" / "apps" / "web"))) == {}


def test_a_home_that_cannot_be_written_starts_workers_without_a_probe(tmp_path: Path) -> None:
    """A probe is a nicety: an app starts also when it cannot be had."""
    (tmp_path / "cache").write_text("in the way")

    assert put_in({}, AppPlaces(str(tmp_path / "apps" / "web"))) == {}
