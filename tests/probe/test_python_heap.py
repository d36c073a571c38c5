"""The heap's size and use, from the allocators themselves."""

import json
from collections.abc import Callable

import pytest

from support.probe import Report, each_version, python, run, two_reports

GROWTH = """
    import ctypes, json, sys, time
    while not passed("small"):
        time.sleep(0.02)
    held = [bytes(400) for _ in range(150_000)]
    size = sum(sys.getsizeof(each) + 7 for each in held[:1]) * len(held)
    large = [bytearray(b"x") * 20_000 for _ in range(3_000)]
    large_size = sum(sys.getsizeof(each) for each in large)
    while not passed("large"):
        time.sleep(0.02)
    print(json.dumps(size + sys.getsizeof(held) + large_size))
    del held, large
    while not passed("freed"):
        time.sleep(0.02)
"""
LATE_REPORTS = 45
"""The probe reads a heap less often where that takes long, as on a machine whose host takes away
the pages that are not used: then 30 s may pass between two readings."""


def _once(is_read: Callable[[int], bool]) -> Callable[[list[Report]], bool]:
    """Return a gate that opens when the used heap that is reported is such, or never will be."""

    def opens(since: list[Report]) -> bool:
        heap = since[-1].get("heap") if two_reports(since) else None
        return heap is not None and (is_read(heap["used"]) or len(since) >= LATE_REPORTS)

    return opens


GATES = {
    "small": two_reports,
    "large": _once(lambda used: used > 100_000_000),
    "freed": _once(lambda used: used < 50_000_000),
}


@each_version
def test_known_growth_is_read_within_five_percent(version: str) -> None:
    """What a program allocates appears in the used heap, and goes from it when it is freed."""
    ran = run(GROWTH, interpreter=python(version), gates=GATES)
    assert (ran.code, ran.err) == (0, "")
    expected = json.loads(ran.out)
    heaps = [report["heap"] for report in ran.full]
    grown = max(heap["used"] for heap in heaps) - heaps[0]["used"]

    assert {heap["src"] for heap in heaps} == {"malloc"}
    assert grown == pytest.approx(expected, rel=0.05)
    assert all(heap["used"] <= heap["size"] for heap in heaps)
    assert heaps[-1]["used"] - heaps[0]["used"] < 0.05 * expected
    assert ran.last["faults"] == 0, ran.last["fault"]


def test_without_pymalloc_the_sum_is_still_right() -> None:
    """PYTHONMALLOC=malloc leaves all to glibc, whose figures count as well."""
    ran = run(GROWTH, env={"PYTHONMALLOC": "malloc"}, gates=GATES)
    expected = json.loads(ran.out)
    heaps = [report["heap"] for report in ran.full]

    assert {heap["src"] for heap in heaps} == {"malloc"}
    assert max(h["used"] for h in heaps) - heaps[0]["used"] == pytest.approx(expected, rel=0.1)


@each_version
def test_where_use_cannot_be_known_it_is_not_reported(version: str) -> None:
    """While a program traces its allocations the pools cannot be read: then the source says
    ``rss``, the size is the resident memory, and the use is unknown instead of wrong."""
    ran = run(
        "import tracemalloc, time; tracemalloc.start(); x = bytearray(30_000_000); time.sleep(1)",
        interpreter=python(version),
    )
    heap = ran.last["heap"]

    assert heap["src"] == "rss"
    assert heap["used"] is None
    assert heap["size"] > 30_000_000
