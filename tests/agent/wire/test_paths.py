"""Where things lie, and which names an app may have."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.wire import paths
from monit_agent.wire.paths import BadNameError


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"MONIT_HOME": "/srv/m"}, "/srv/m"),
        ({"MONIT_HOME": "/srv/m", "XDG_STATE_HOME": "/x"}, "/srv/m"),
        ({"XDG_STATE_HOME": "/x"}, "/x/monit"),
        ({"MONIT_HOME": "", "XDG_STATE_HOME": ""}, os.path.expanduser("~/.local/state/monit")),
    ],
)
def test_home_follows_the_environment(environ: dict[str, str], expected: str) -> None:
    """``MONIT_HOME`` wins, then ``XDG_STATE_HOME``, then the user's state folder."""
    assert paths.home(environ) == expected


@pytest.mark.parametrize("name", ["web", "a", "api-2", "my.app_1", "9lives", "x" * 64])
def test_good_names_are_taken_as_they_are(name: str) -> None:
    """Ordinary names need no thought."""
    assert paths.check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "all", ".", "..", "../x", "a/b", "-x", "a b", "é", "x" * 65, "a\n", "@ns", "a*"]
)
def test_bad_names_are_refused_with_advice(name: str) -> None:
    """A name that would be a path, a pattern or a target is refused, saying what to do."""
    with pytest.raises(BadNameError, match=r"use|at most|choose"):
        paths.check_name(name)


@given(st.text(max_size=80))
def test_an_accepted_name_is_one_folder(name: str) -> None:
    """Whatever `check_name` accepts names a folder directly below ``apps``."""
    try:
        paths.check_name(name)
    except BadNameError:
        return
    app = paths.app_paths("/h", name)
    assert os.path.normpath(app.folder) == app.folder
    assert os.path.dirname(app.folder) == "/h/apps"
    assert app.name == name


def test_files_of_streams_do_not_meet() -> None:
    """Each instance and stream has a log, an index and a pipe of its own."""
    app = paths.app_paths("/h", "web")
    files = [
        make(instance, stream)
        for make in (app.log, app.index, app.fifo)
        for instance in (0, 1, 10)
        for stream in paths.STREAMS
    ]

    assert len(set(files)) == len(files)


@pytest.mark.parametrize(("length", "fits"), [(107, True), (108, False)])
def test_a_socket_path_that_the_kernel_refuses_is_named(length: int, fits: bool) -> None:
    """Paths of up to 107 bytes pass; a longer one is named, so that it can be shortened."""
    rest = len("/apps/web/notify.sock")
    app = paths.app_paths("/" + "h" * (length - rest - 1), "web")

    assert app.too_long() in ((None,) if fits else (app.keeper, app.notify))
