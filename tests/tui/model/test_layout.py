"""The places of the panes at any size."""

from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Region

from monit_tui.model.layout import LIST_STEP, PANES, PaneName, kept_rows, lay_out

SIZES = st.integers(min_value=0, max_value=400)


@given(
    SIZES, SIZES, st.permutations(PANES), st.none() | st.sampled_from(PANES), st.none() | SIZES
)  # fmt: skip
def test_panes_never_overlap_nor_leave_the_screen(
    width: int, height: int, recent: list[PaneName], zoomed: PaneName | None, rows: int | None
) -> None:
    """At every size, slots fill the screen without overlap, and the pane used last is shown."""
    made = lay_out(width, height, tuple(recent), zoomed, rows)
    cells: set[tuple[int, int]] = set()
    area = 0
    places = [slot.region for slot in made.slots] + ([made.divider] if made.divider else [])
    for region in (Region(*place) for place in places):
        assert region.x >= 0
        assert region.y >= 0
        assert region.right <= width
        assert region.bottom <= height
        area += region.area
        cells |= (
            {(region.x, region.y), (region.right - 1, region.bottom - 1)} if region.area else set()
        )
    assert area == width * height
    assert made.slot_of(zoomed or recent[0]) is not None


def test_the_breakpoints() -> None:
    """120 columns show four panes, 80 two; fewer columns, or fewer than 20 rows, show one."""
    assert len(lay_out(120, 33, PANES).slots) == 4
    assert len(lay_out(119, 33, PANES).slots) == 2
    assert len(lay_out(80, 22, PANES).slots) == 2
    assert len(lay_out(79, 22, PANES).slots) == 1
    assert len(lay_out(200, 17, PANES).slots) == 1


def test_a_short_list_leaves_its_rows_to_the_charts() -> None:
    """On a tall screen the charts get what the list does not need; the log stays as high."""

    def heights(rows: int | None) -> tuple[int, int, int]:
        made = lay_out(200, 48, PANES, None, rows)
        slots = (made.slot_of("processes"), made.slot_of("metrics"), made.slot_of("logs"))
        list_, charts, logs = (slot.region.height for slot in slots if slot is not None)
        return list_, charts, logs

    most = heights(None)
    assert heights(400) == most
    few = heights(LIST_STEP * 2)
    assert few[1] > most[1]
    assert few[2] == most[2]
    assert few[0] == LIST_STEP * 2 + 2


@given(st.lists(st.integers(0, 60), min_size=1))
def test_panes_do_not_jump_with_every_row(needed: list[int]) -> None:
    """The list always has room for its rows, and a row more or less and back moves nothing."""
    kept: int | None = None
    for rows in needed:
        kept = kept_rows(rows, kept)
        assert rows <= kept < rows + 3 * LIST_STEP
        more = kept_rows(rows + 1, kept)
        assert kept_rows(rows, more) == more
