"""The profile of a worker: question, table, flame view, keys."""

from pathlib import Path

import pytest

from monit_agent.replay import scenes
from monit_agent.wire.messages import MakeProfile
from monit_tui.model.profile_target import parse_seconds
from monit_tui.screens.profile import ProfilePrompt, ProfileScreen
from monit_tui.terminal import TerminalFeatures
from support.screen import Shown, show

SIZES = [(80, 24), (120, 35), (200, 50)]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles are saved into the folder in which monit was started."""
    monkeypatch.chdir(tmp_path)


async def profiled(shown: Shown, app: str = "web", instance: int | None = 0) -> None:
    await shown.move_to(app, instance)
    await shown.press("P", "enter")
    await shown.until(lambda: "saved for" in shown.text(), "the profile")


def widget(shown: Shown, name: str):
    return shown.app.screen.query_one(f"#profile-{name}")


@pytest.mark.parametrize("size", SIZES)
def test_functions_are_sorted_by_their_own_time(size: tuple[int, int]) -> None:
    """Each row has share, bar, name and place; the whole file name is readable."""

    async def play(shown: Shown) -> None:
        await profiled(shown)
        rows = [line.text for line in widget(shown, "table")._painted]
        shares = [float(row.split()[0].rstrip("%")) for row in rows[1:] if row.split()]
        assert shares == sorted(shares, reverse=True)
        assert "discount_of" in rows[1]
        assert "app/pricing.py:121" in rows[1]
        assert "█" in rows[1]
        assert "jinja2/environment.py:1296" in shown.text()

    show(play, scenes.healthy(), size=size)


@pytest.mark.parametrize("size", SIZES)
def test_a_call_is_zoomed_and_back(size: tuple[int, int]) -> None:
    """Enter shows a call as wide as the screen, Esc what was shown before, then the table, then the
    list."""

    async def play(shown: Shown) -> None:
        await profiled(shown)
        await shown.press("tab", "down", "down", "down", "down")
        assert "[checkout" in shown.text()
        before = widget(shown, "flame")._painted
        await shown.press("enter")
        line = next(row for row in shown.lines() if "[checkout" in row)
        assert line.rstrip().endswith("]")
        assert len(line.rstrip()) >= size[0] - 2
        assert "product_page" not in widget(shown, "flame")._painted[-1].text
        await shown.press("escape")
        assert widget(shown, "flame")._painted == before
        await shown.press("escape")
        assert widget(shown, "table").has_focus
        await shown.press("escape")
        assert shown.app.screen is shown.app.overview

    show(play, scenes.healthy(), size=size)


def test_a_function_of_the_table_is_shown_with_its_calls() -> None:
    """Enter adds up what a function called from everywhere."""

    async def play(shown: Shown) -> None:
        await profiled(shown)
        await shown.press("j", "j", "j", "enter")
        text = shown.text()
        assert "below Cart.total" in text
        assert "[Cart.total" in text
        assert "checkout" not in text
        await shown.press("escape")
        assert "checkout" in shown.text()

    show(play, scenes.healthy(), size=(80, 24))


def test_the_head_and_the_keys_of_a_profile_fit_80_columns() -> None:
    """Title, summary and file have a line each, and the keys are at the bottom, where a click on
    one does the same."""

    async def play(shown: Shown) -> None:
        await profiled(shown)
        head = [line.strip() for line in shown.lines()[:4]]
        assert head[0].startswith("monit  profile of web/0 (pid ")
        assert head[1].endswith("(36% of a core)")
        assert head[2].endswith(".speedscope.json")
        assert head[3].startswith("self")
        foot = shown.lines()[-1]
        assert foot.rstrip().endswith("q close")
        await shown.pilot.click(offset=(foot.index("wall/CPU"), 23))
        await shown.pilot.pause()
        assert "wall time" in shown.lines()[0]
        await shown.pilot.click(offset=(foot.index("close"), 23))
        await shown.pilot.pause()
        assert shown.app.screen is shown.app.overview

    show(play, scenes.healthy(), size=(80, 24))


def test_wall_time_and_callers() -> None:
    """W shows what waited; i shows who called."""

    async def play(shown: Shown) -> None:
        await profiled(shown)
        await shown.press("w")
        assert "EpollSelector.select" in widget(shown, "table")._painted[1].text
        assert "wall time" in shown.text()
        await shown.press("i")
        rows = [line.text for line in widget(shown, "flame")._painted]
        assert "EpollSelector.select" in rows[2]
        assert "serve" in rows[3]

    show(play, scenes.healthy())


def test_an_app_is_profiled_by_its_busiest_instance() -> None:
    """The question says which, and why."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web")
        await shown.pass_time(1)
        await shown.press("P")
        assert isinstance(shown.app.screen, ProfilePrompt)
        assert "It uses most CPU of the 3 instances of web." in shown.text()
        await shown.press("escape")
        assert not [one for _, one in shown.recorder.requests if isinstance(one, MakeProfile)]

    show(play, scenes.healthy())


def test_the_seconds_are_checked() -> None:
    """What is no time within the limits is not sent."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 0)
        await shown.press("P", "9", "9", "enter")
        assert "Enter seconds from 0.1 to 60." in shown.text()
        await shown.press("ctrl+u", "5", "enter")
        (request,) = [one for _, one in shown.recorder.requests if isinstance(one, MakeProfile)]
        assert (request.instance, request.seconds, request.kind) == (0, 5.0, "cpu")

    show(play, scenes.healthy())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10.0),
        ("0.5s", 0.5),
        ("", 10.0),
        ("0", None),
        ("61", None),
        ("nan", None),
        ("x", None),
    ],
)
def test_seconds_as_they_are_typed(text: str, seconds: float | None) -> None:
    """A number with or without its unit; nothing means 10."""
    assert parse_seconds(text) == seconds


def test_a_worker_that_does_not_run_is_not_profiled() -> None:
    """The notice says so, and which key starts it."""

    async def play(shown: Shown) -> None:
        await shown.move_to("newsletter", 0)
        await shown.press("P")
        assert shown.app.screen is shown.app.overview
        assert "newsletter/0 is errored; s starts it." in shown.toasts()

    show(play, scenes.trouble())


def test_a_refusal_is_shown() -> None:
    """The agent's reason stands where the profile would."""

    async def play(shown: Shown) -> None:
        await shown.move_to("worker", 0)
        await shown.press("P", "enter")
        await shown.until(lambda: "no probe reports from worker/0" in shown.text(), "the reason")
        await shown.press("escape")
        assert shown.app.screen is shown.app.overview

    show(play, scenes.healthy())


def test_read_only_profiles_nothing() -> None:
    """A profile adds load to the worker and an event to the app, so --read-only removes it, as a
    read-only bridge refuses it."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 0)
        await shown.press("P")
        assert shown.app.screen is shown.app.overview

    show(play, scenes.healthy(), read_only=True)


def test_every_size_draws() -> None:
    """The profile draws at every size, from one cell on."""

    async def play(shown: Shown) -> None:
        await profiled(shown)
        for size in [(1, 1), (3, 3), (20, 5), (40, 12), (80, 24), (119, 30), (300, 80)]:
            await shown.pilot.resize_terminal(*size)
            for key in ("tab", "down", "enter", "right", "escape", "i", "w", "i", "tab"):
                await shown.press(key)
                assert isinstance(shown.app.screen, ProfileScreen), (size, key)
                assert len(shown.lines()) == size[1]

    show(play, scenes.healthy())


def test_outside_utf8_only_ascii_is_drawn() -> None:
    """Bars and boxes need no other characters."""

    async def play(shown: Shown) -> None:
        await profiled(shown)
        await shown.press("tab", "down", "down")
        assert shown.text().isascii()
        assert "[serve" in shown.text()

    show(play, scenes.healthy(), at=TerminalFeatures(utf8=False))


def test_wide_names_fit_their_boxes() -> None:
    """A row is as wide as the screen, also with characters of two cells."""

    async def play(shown: Shown) -> None:
        await profiled(shown)
        flame = widget(shown, "flame")
        functions = flame._profile.functions
        renamed = tuple(each._replace(name="計算する" * 3) for each in functions)
        flame.show(flame._profile._replace(functions=renamed), by_wall=False)
        await shown.press("tab", "down")
        assert {line.cell_length for line in flame._painted} == {80}

    show(play, scenes.healthy(), size=(80, 24))
