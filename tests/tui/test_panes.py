"""Where the panes stand for any size."""

from hypothesis import given
from hypothesis import strategies as st

from monit_tui.panes import PANES, PaneName, plan

SIZES = st.integers(min_value=0, max_value=400)


@given(SIZES, SIZES, st.permutations(PANES), st.none() | st.sampled_from(PANES))
def test_panes_never_overlap_nor_leave_the_screen(
    width: int, height: int, recent: list[PaneName], zoomed: PaneName | None
) -> None:
    """For every size each slot lies inside, no two overlap, and the one in use is shown."""
    made = plan(width, height, tuple(recent), zoomed)
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
    """120 columns show four panes, 80 two, less one; so do less than 20 rows."""
    assert len(plan(120, 33, PANES).slots) == 4
    assert len(plan(119, 33, PANES).slots) == 2
    assert len(plan(80, 22, PANES).slots) == 2
    assert len(plan(79, 22, PANES).slots) == 1
    assert len(plan(200, 17, PANES).slots) == 1
