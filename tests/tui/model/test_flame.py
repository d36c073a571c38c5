"""The tree of calls and its boxes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.profiles.cpu import CpuProfileData, ProfiledFunction, ProfiledStack
from monit_tui.model.flame import (
    ROOT,
    box_beside,
    box_of,
    call_tree,
    lay_out_flame,
    node_at,
    tree_below,
    widest_call,
)

NAMES = "abcdef"


def profile(*stacks: tuple[str, float]) -> CpuProfileData:
    """Return a profile of stacks such as ``("abc", 2.0)``; each waited as long again."""
    functions = tuple(ProfiledFunction(name, f"/srv/{name}.py", 1) for name in NAMES)
    made = tuple(
        ProfiledStack(tuple(NAMES.index(name) for name in text), None, 2 * cpu_s, cpu_s)
        for text, cpu_s in stacks
    )
    return CpuProfileData("the probe", 10.0, 100, functions, made)


SHOP = profile(("abc", 3.0), ("ab", 1.0), ("ad", 4.0), ("e", 2.0), ("abc", 1.0))


def test_times_add_up_along_the_tree() -> None:
    """A call has the time of what it called and its own; stacks that are equal are one path."""
    tree = call_tree(SHOP, by_wall=False)
    b = node_at(tree, (0, 1))
    assert (tree.function, tree.total_s) == (ROOT, 11.0)
    assert b is not None
    assert (b.total_s, b.self_s) == (5.0, 1.0)
    assert [node.function for node in tree.largest_first()] == [0, 4]
    assert call_tree(SHOP, by_wall=True).total_s == 22.0


def test_callers_are_the_stacks_turned_over() -> None:
    """The functions that ran are on top, those that called them below."""
    tree = call_tree(SHOP, by_wall=False, callers=True)
    assert [(node.function, node.total_s) for node in tree.largest_first()] == [
        (2, 4.0), (3, 4.0), (4, 2.0), (1, 1.0),
    ]  # fmt: skip
    assert node_at(tree, (2, 1, 0)) is not None


def test_a_function_is_merged_from_all_its_callers() -> None:
    """What a function called is added up over all places that called it; recursion counts once."""
    tree = tree_below(profile(("abc", 1.0), ("dbc", 2.0), ("bcbf", 4.0)), 1, by_wall=False)
    assert tree.total_s == 7.0
    c = node_at(tree, (1, 2))
    assert c is not None
    assert (c.total_s, c.self_s) == (7.0, 3.0)


def test_stacks_of_a_thousand_functions_are_laid_out() -> None:
    """Depth costs no recursion."""
    tree = call_tree(profile(("ab" * 500, 1.0)), by_wall=False)
    assert len(lay_out_flame(tree, (), 80, 2000)) == 1001


@given(
    st.lists(st.tuples(st.text(NAMES, min_size=1, max_size=6), st.floats(0.001, 100)), max_size=12),
    st.integers(1, 210),
)
def test_boxes_stand_below_their_callers(stacks: list[tuple[str, float]], width: int) -> None:
    """No box is wider than its caller's or overlaps another one, at any width."""
    lines = lay_out_flame(call_tree(profile(*stacks), by_wall=False), (), width, 50)
    for above, row in pairwise(lines):
        at = 0
        for box in row:
            caller = next(each for each in above if each.path == box.path[:-1])
            assert caller.start <= box.start < box.end <= caller.end
            assert at <= box.start
            at = box.end


def test_a_zoomed_call_is_as_wide_as_everything() -> None:
    """Above it stand those that called it, below it only what it called."""
    tree = call_tree(SHOP, by_wall=False)
    lines = lay_out_flame(tree, (0, 1), 100, 50)
    assert [[box.path for box in row] for row in lines] == [
        [()], [(0,)], [(0, 1)], [(0, 1, 2)],
    ]  # fmt: skip
    assert [(row[0].start, row[0].end) for row in lines[:3]] == [(0, 100)] * 3
    assert lines[3][0].end == 80


def test_arrows_go_from_box_to_box() -> None:
    """Beside it in the same row, down to the widest call; where there is none, nothing moves."""
    lines = lay_out_flame(call_tree(SHOP, by_wall=False), (), 100, 50)
    assert widest_call(lines, ()) == (0,)
    assert widest_call(lines, (0,)) == (0, 1)
    assert box_beside(lines, (0, 1), 1) == (0, 3)
    assert box_beside(lines, (0, 3), 1) == (0, 3)
    assert widest_call(lines, (4,)) == (4,)
    assert box_of(lines, (5,)) is None
