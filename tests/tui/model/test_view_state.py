"""The view is kept between runs."""

from functools import partial
from pathlib import Path

import pytest

from monit_agent.replay import scenes
from monit_tui.app import MonitApp
from monit_tui.first_frame.kept_view import read_kept_view
from monit_tui.model.view_state import FILE, ViewState, load_state, save_state
from monit_tui.widgets.processes.columns import COLUMN_NAMES
from support.screen import Shown, show

CHOSEN = ViewState(
    sort="cpu", reverse=True, folded=(("", "web"), ("shop-2", "api")), theme="dark",
    hidden_columns=("files", "pid"), column_order=tuple(reversed(COLUMN_NAMES)),
    log_wrap=True, log_stamps="off", log_json="raw", log_folds=False,
)  # fmt: skip


def test_what_was_chosen_is_loaded_again(tmp_path: Path) -> None:
    """A saved view is the loaded one, readable by its user only; without a file all is default."""
    assert load_state(str(tmp_path)) == (ViewState(), "")
    assert save_state(str(tmp_path), CHOSEN) == ""
    assert load_state(str(tmp_path)) == (CHOSEN, "")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_the_screen_begins_as_it_was_left() -> None:
    """A screen that was given a view shows the list and the log by it, and gives it back."""
    app = MonitApp(scenes.healthy(), view=CHOSEN)
    assert app.overview.table.title_info("processes") == "by cpu, reversed"
    assert app.view_state() == CHOSEN


def test_a_choice_is_saved_while_the_screen_is_open(tmp_path: Path) -> None:
    """A screen that ends with its terminal has kept theme, order and questions."""

    async def play(shown: Shown) -> None:
        shown.app.themes.keep("light")
        await shown.press("greater_than_sign")
        shown.app.overview.actions.not_asked = frozenset({"stop"})
        await shown.until(
            lambda: (
                load_state(home)[0] == ViewState(theme="light", sort="state", not_asked=("stop",))
            ),
            "it is saved",
        )

    home = str(tmp_path)
    show(play, scenes.healthy(), save=partial(save_state, home))


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"sort": "beauty"}', b'{"log_wrap": 3}', b"\xff", b"[" * 100_000]
)
def test_a_broken_file_is_ignored_and_reported(tmp_path: Path, raw: bytes) -> None:
    """A file that is not valid gives the default view and names the file."""
    (tmp_path / FILE).write_bytes(raw)
    state, problem = load_state(str(tmp_path))
    assert state == ViewState()
    assert f"{tmp_path / FILE} is not valid" in problem


def test_fields_of_a_newer_version_are_ignored(tmp_path: Path) -> None:
    """A file with unknown fields is read as far as it is known."""
    (tmp_path / FILE).write_text('{"sort": "lag", "shape": "round"}')
    assert load_state(str(tmp_path)) == (ViewState(sort="lag"), "")


@pytest.mark.parametrize("pages", ["3", '"dark"', "[[]]", '{"x": 3}', "null"])
def test_kept_pages_that_are_not_valid_cost_no_other_choice(tmp_path: Path, pages: str) -> None:
    """Order and theme are read, by the screen and for the first frame."""
    (tmp_path / FILE).write_text(f'{{"sort": "cpu", "theme": "dark", "pages": {pages}}}')
    state, problem = load_state(str(tmp_path))
    assert (state.sort, state.theme, problem) == ("cpu", "dark", "")
    kept = read_kept_view(str(tmp_path))
    assert (kept.arrangement.sort, kept.theme) == ("cpu", "dark")
    app = MonitApp(scenes.healthy(), view=state)
    assert app.themes.name == "dark"


@pytest.mark.parametrize("name", ViewState.__struct_fields__)
@pytest.mark.parametrize("value", ["3", "null", '"x"', '["ab", 3]', "true"])
def test_the_first_frame_shows_what_the_screen_shows_of_any_file(
    tmp_path: Path, name: str, value: str
) -> None:
    """A field of another type gives both the default view, and one that is right neither."""
    other, valid = ("flat", "true") if name != "flat" else ("sort", '"cpu"')
    (tmp_path / FILE).write_text(f'{{"{name}": {value}, "{other}": {valid}}}')
    state, _ = load_state(str(tmp_path))
    kept = read_kept_view(str(tmp_path))
    how = kept.arrangement
    assert (how.flat, how.sort, how.reverse) == (state.flat, state.sort, state.reverse)
    assert (how.folded, how.unfolded) == (set(), set())
    assert kept.theme == state.theme


def test_a_file_that_cannot_be_read_or_written_is_reported(tmp_path: Path) -> None:
    """A folder in the place of the file is a problem that is named, and nothing else."""
    (tmp_path / FILE).mkdir()
    assert f"{tmp_path / FILE} cannot be read" in load_state(str(tmp_path))[1]
    assert f"{tmp_path / FILE} cannot be written" in save_state(str(tmp_path), CHOSEN)
    assert save_state(str(tmp_path / "no home"), CHOSEN) == ""
