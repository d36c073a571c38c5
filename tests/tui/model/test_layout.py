"""The places of the panes at any size."""

from hypothesis import given
from hypothesis import strategies as st

from monit_tui.model.layout import PANES, PaneName, lay_out

SIZES = st.integers(min_value=0, max_value=400)


@given(SIZES, SIZES, st.permutations(PANES), st.none() | st.sampled_from(PANES))
def test_panes_never_overlap_nor_leave_the_screen(
    width: int, height: int, recent: list[PaneName], zoomed: PaneName | None
) -> None:
    """At every size, slots fill the screen without overlap, and the pane used last is shown."""
    made = lay_out(width, height, tuple(recent), zoomed)
    cells: set[tuple[int, int]] = set()
    area = 0
    for region in [slot.region for slot in made.slots] + ([made.divider] if made.divider else []):
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
