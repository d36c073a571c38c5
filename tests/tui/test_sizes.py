"""Any size of the terminal, and terminals without colours or UTF-8."""

import pytest

from monit_agent.replay import scenes
from monit_tui.terminal import TerminalFeatures
from support.matrix import matrix
from support.screen import Shown, show

ODD_SIZES = {
    "tiny": [(1, 1), (3, 3), (20, 5)],
    "more tiny": [(2, 1), (1, 2), (5, 2), (10, 4), (12, 40)],
    "small": [(37, 9), (40, 12), (56, 19), (100, 6)],
    "breakpoints": [(79, 24), (80, 19), (80, 20), (80, 24), (119, 30), (120, 20), (121, 35)],
    "large": [(200, 50), (400, 100)],
}


@pytest.mark.parametrize("sizes", matrix(ODD_SIZES, ["small"]))
def test_every_size_draws(sizes: str) -> None:
    """Panes, dialogs and help draw at every size, from one cell on."""

    async def play(shown: Shown) -> None:
        for size in ODD_SIZES[sizes]:
            await shown.pilot.resize_terminal(*size)
            for keys in [("1",), ("2",), ("3",), ("4",), ("5",), ("z",), ("z",), ("1", "x"), ("n",),
                         ("question_mark",), ("escape",), ("S",), ("escape",), ("o",), ("escape",),
                         ("slash", "a"), ("escape",)]:  # fmt: skip
                await shown.press(*keys)
                lines = shown.lines()
                assert len(lines) == size[1], (size, keys)
            await shown.pass_time(1)

    show(play, scenes.trouble())


def test_a_notice_stays_at_the_bottom_when_the_size_changes() -> None:
    """It lies over the footer, and over nothing else."""

    async def play(shown: Shown) -> None:
        shown.app.overview.show_notice("done for now")
        for size in [(80, 24), (120, 35), (80, 20)]:
            await shown.pilot.resize_terminal(*size)
            await shown.until(lambda: "done for now" in shown.lines()[-1], "it is at the bottom")
            assert shown.text().count("done for now") == 1

    show(play, scenes.healthy())


def test_what_is_chosen_draws_at_every_size() -> None:
    """Columns, themes and the field for commands draw at odd sizes, from one cell on."""

    async def play(shown: Shown) -> None:
        for size in [(1, 1), (20, 5), (56, 19), (200, 50)]:
            await shown.pilot.resize_terminal(*size)
            for keys in [("comma", "space"), ("escape", "T", "down"),
                         ("escape", "colon", "s", "tab"), ("escape",)]:  # fmt: skip
                await shown.press(*keys)
                assert len(shown.lines()) == size[1], (size, keys)

    show(play, scenes.trouble())


@pytest.mark.parametrize("width", [30, 40, 60, 70])
def test_every_tab_has_its_key_in_view(width: int) -> None:
    """In a narrow pane the titles of the tabs become shorter; all keys are there, and the title of
    the shown pane is whole."""

    async def play(shown: Shown) -> None:
        for key, title in enumerate(("Processes", "Logs", "Metrics", "Metadata", "Timeline"), 1):
            await shown.press(str(key))
            tabs = shown.lines()[1]
            assert f"{key} {title}" in tabs
            assert all(f" {number} " in tabs for number in range(1, 7))

    show(play, scenes.healthy(), size=(width, 15))


def test_a_long_name_loses_its_middle_in_every_title() -> None:
    """The titles of log, metrics and crash view end as the name does, and say the rest too."""
    name = "newsletter-sender-for-the-whole-country-and-beyond-it"

    async def play(shown: Shown) -> None:
        overview = shown.app.overview
        overview.panes["metrics"].title_line.show(info=f"{name}/17, 5 min")
        title = overview.panes["metrics"].title_line._painted[0].text
        assert "/17, 5 min" in title
        assert "news" in title
        log = overview.details.logs.status
        log.show_state(log.state._replace(title=f"{name}/17", follow=False, new=1234, percent=50))
        status = log._painted[0].text
        assert "/17" in status
        assert "+1234 new" in status
        assert status.rstrip().endswith("50%")

    show(play, scenes.healthy())


@pytest.mark.parametrize("size", [(80, 24), (120, 35)], ids=["80x24", "120x35"])
def test_a_row_has_the_main_columns(size: tuple[int, int]) -> None:
    """Name, state, CPU, memory, lag, restarts and uptime fit a row of 80 columns."""

    async def play(shown: Shown) -> None:
        row = shown.row("api", 0)
        for part in ("0 ", "● online", "%", "M", "ms", "2h31m"):
            assert part in row

    show(play, scenes.healthy(), size=size)


def test_outside_utf8_only_ascii_is_drawn() -> None:
    """Without UTF-8, monit draws only ASCII characters."""

    async def play(shown: Shown) -> None:
        for keys in [("1",), ("3",), ("4",), ("5",), ("1", "x"), ("escape", "S"), ("escape",),
                     ("comma",), ("escape", "T"), ("escape", "colon", "l", "tab"),
                     ("escape",)]:  # fmt: skip
            await shown.press(*keys)
            odd = {char for char in shown.text() if not char.isascii()}
            assert not odd, (keys, odd)

    show(play, scenes.trouble(), at=TerminalFeatures(utf8=False))


def test_no_color_draws_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR removes all colours, and the cursor stays visible."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def play(shown: Shown) -> None:
        await shown.press("x", "escape", "2", "3", "4", "5", "1")
        styles = {
            segment.style
            for strip in shown.app.screen._compositor.render_strips(shown.app.size)
            for segment in strip
        }
        for style in styles:
            assert style is not None
            assert style.color is None or style.color.is_default
            assert style.bgcolor is None or style.bgcolor.is_default
        assert any(style.reverse for style in styles)

    show(play, scenes.trouble())


def test_hostile_names_and_output_stay_text() -> None:
    """Names, reasons and lines with control characters are drawn as visible characters."""

    async def play(shown: Shown) -> None:
        for _ in shown.table.rows:
            await shown.press("down")
            await shown.pass_time(1)
            for key in "12345":
                await shown.press(key)
                for line in shown.lines():
                    assert line.isprintable() or not line.strip(), repr(line)
            await shown.press("1")

    show(play, scenes.hostile(), size=(120, 35))


@pytest.mark.parametrize("size", [(120, 35), (40, 24)])
def test_the_hint_of_an_empty_list_is_whole(size: tuple[int, int]) -> None:
    """Who has no apps yet reads how to start one, also in a narrow pane."""

    async def play(shown: Shown) -> None:
        lines = [line.partition("│")[0] for line in shown.lines()]
        assert "monit start app.py --name web -i 2" in " ".join(" ".join(lines).split())

    show(play, scenes.empty(), size=size)
