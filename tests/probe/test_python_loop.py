"""Event loops: found, their lag and use read, and who holds them up."""

import json

import pytest

from support.buckets import bucket_of, unpacked
from support.probe import Ran, Report, each_version, python, run

BLOCK = """
    import asyncio, json, time
    def blocker():
        before = time.perf_counter()
        time.sleep(0.3)
        print(json.dumps(time.perf_counter() - before), flush=True)
    async def main():
        await asyncio.sleep(0.6)
        blocker()
        await asyncio.sleep(0.7)
"""


def _longest(ran: Ran) -> float:
    return max(loop["max"] for report in ran.full for loop in report["loops"])


def _blocked(ran: Ran) -> list[dict]:
    return [each for report in ran.full for each in report["blocked"] if each["count"]]


def _gil(report: Report) -> list[dict]:
    return [each for each in report["blocked"] if each["count"] and each["kind"] == "gil"]


def _took(ran: Ran) -> float:
    """Return how long the app itself says that it blocked: the machine may stretch a sleep."""
    return json.loads(ran.out.splitlines()[0])


def _reads_as(measured: float, took: float) -> bool:
    """Return whether nobody would take one for another time; how exact it is, benchmarks show."""
    return took / 2 < measured < 2 * took


@each_version
@pytest.mark.parametrize(
    "start",
    [
        "asyncio.run(main())",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(main()); loop.close()",
        "import threading; t = threading.Thread(target=asyncio.run, args=[main()]); "  # noqa: ISC004
        "t.start(); t.join()",
    ],
    ids=["run", "run_until_complete", "thread"],
)
def test_a_block_is_read_and_its_frame_named(version: str, start: str) -> None:
    """A block of 300 ms reads as that, and the function that blocked stands on top."""
    ran = run(BLOCK + f"\n    {start}", interpreter=python(version))

    assert (ran.code, ran.err) == (0, "")
    assert _reads_as(_longest(ran), _took(ran))
    (block,) = _blocked(ran)
    assert block["kind"] == "callback"
    assert block["stack"][0][2] == "blocker"
    assert block["count"] == 1
    assert _reads_as(block["max"], _took(ran))
    (loop,) = ran.last["loops"]
    assert loop["stuck"] == 1
    assert loop["type"] == "asyncio"
    assert _took(ran) / 2 < loop["busy"] < loop["wall"] / 2  # it sleeps four times as long
    assert ran.last["faults"] == 0, ran.last["fault"]


@pytest.mark.parametrize("start", ["uvloop.run(main())", "uvloop.install(); asyncio.run(main())"])
def test_uvloop_is_read_too(start: str) -> None:
    """In uvloop, which is written in C, the same block is seen, by the beat of a timer."""
    pytest.importorskip("uvloop")
    ran = run(BLOCK + f"\n    import uvloop, warnings; warnings.simplefilter('ignore'); {start}")

    assert (ran.code, ran.err) == (0, "")
    assert _reads_as(_longest(ran), _took(ran))
    (block,) = _blocked(ran)
    assert (block["kind"], block["stack"][0][2]) == ("callback", "blocker")
    (loop,) = ran.last["loops"]
    assert loop["type"] == "uvloop"
    assert _took(ran) / 2 < loop["busy"] < loop["wall"] / 2
    assert ran.last["faults"] == 0, ran.last["fault"]


def test_what_computes_in_uvloop_is_read_whole() -> None:
    """The CPU that a block used shows that it began before the beat that it delayed was due,
    however it falls between the beats of an idle loop."""
    pytest.importorskip("uvloop")
    ran = run("""
        import asyncio, json, time, uvloop
        took = []
        def blocker():
            before, end = time.perf_counter(), time.thread_time() + 0.2
            while time.thread_time() < end:
                pass
            took.append(time.perf_counter() - before)
        async def main():
            await asyncio.sleep(1.5)
            for _ in range(4):
                blocker()
                await asyncio.sleep(2.003)  # idle again for a whole report
            print(json.dumps(took))
        uvloop.run(main())
    """)

    took = json.loads(ran.out)
    blocks = _blocked(ran)
    assert sum(block["count"] for block in blocks) == len(took)
    total = sum(block["total"] for block in blocks)
    assert len(took) * 0.2 <= total < 2 * sum(took)
    assert ran.last["faults"] == 0, ran.last["fault"]


def test_trio_is_read_too() -> None:
    """The loop of trio is read by an instrument, with the same result."""
    pytest.importorskip("trio")
    ran = run("""
        import trio, time, json
        def blocker():
            before = time.perf_counter()
            time.sleep(0.3)
            print(json.dumps(time.perf_counter() - before))
        async def main():
            await trio.sleep(0.6)
            blocker()
            await trio.sleep(0.7)
        trio.run(main)
    """)

    assert (ran.code, ran.err) == (0, "")
    assert _reads_as(_longest(ran), _took(ran))
    (block,) = _blocked(ran)
    assert (block["kind"], block["stack"][0][2]) == ("callback", "blocker")
    assert ran.last["loops"][0]["type"] == "trio"
    assert any(report["tasks"] for report in ran.full)


@pytest.mark.parametrize(("threshold_ms", "block_ms"), [(100, 160), (30, 80)])
def test_blocks_just_over_the_threshold_are_caught_in_the_act(
    threshold_ms: int, block_ms: int
) -> None:
    """The blocks of an idle loop have their frame named, however they fall between the probe's
    looks; a few may be missed by a probe that a busy machine wakes too late."""
    ran = run(
        """
        import asyncio, sys, time
        def blocker():
            time.sleep(int(sys.argv[1]) / 1000)
        async def main():
            await asyncio.sleep(1.5)
            for number in range(8):
                blocker()
                await asyncio.sleep(0.15 + number / 400)
            await asyncio.sleep(1.1)
        asyncio.run(main())
        """,
        str(block_ms),
        env={"MONIT_PROBE_BLOCK_MS": str(threshold_ms)},
    )

    assert ran.last["loops"][0]["stuck"] >= 8  # a busy machine adds blocks of its own
    named = [block for block in _blocked(ran) if block["stack"][0][2].endswith("blocker")]
    assert sum(block["count"] for block in named) > 8 / 2


def test_many_short_callbacks_are_not_blamed_on_one() -> None:
    """400 callbacks of 1 ms in one go hold the loop up; none of them is blamed."""
    ran = run("""
        import asyncio, time
        def short():
            end = time.perf_counter() + 0.002
            while time.perf_counter() < end:
                pass
        async def main():
            await asyncio.sleep(0.3)
            for _ in range(400):
                asyncio.get_running_loop().call_soon(short)
            await asyncio.sleep(0.5)
        asyncio.run(main())
    """)

    assert [block["kind"] for block in _blocked(ran)] == ["saturated"]


def test_a_collection_that_holds_the_loop_up_is_called_one() -> None:
    """When the garbage collector is what blocks, it is named, with the frame that it struck."""
    ran = run("""
        import asyncio, gc
        async def main():
            heap = [[] for _ in range(6_000_000)]
            await asyncio.sleep(0.3)
            gc.collect()
            await asyncio.sleep(0.3)
        gc.disable()
        asyncio.run(main())
    """)

    assert "gc" in {block["kind"] for block in _blocked(ran)}
    assert ran.last["gc"][2][0] >= 1
    (longest,) = (block["max"] for block in _blocked(ran) if block["kind"] == "gc")
    assert _reads_as(max(report["gc"][2][2] for report in ran.full), longest)


def test_a_thread_that_keeps_the_gil_is_found() -> None:
    """An idle loop that cannot run because another thread keeps the GIL: that one is named."""
    ran = run(
        """
        import asyncio, threading, time
        def hog():
            while not passed("blamed"):
                sum(range(25_000_000))
        async def main():
            thread = threading.Thread(target=hog)
            thread.start()
            while thread.is_alive():
                await asyncio.sleep(0.03)
        asyncio.run(main())
    """,
        gates={"blamed": lambda since: any(_gil(report) for report in since)},
    )

    blamed = [block for report in ran.full for block in _gil(report)]
    assert any(row[2].endswith("hog") for row in blamed[0]["stack"])


def test_equal_blocks_are_merged_and_a_long_one_is_reported_while_it_lasts() -> None:
    """The same frame again is one entry with a count; one of 2.5 s is reported before its end."""
    ran = run("""
        import asyncio, time
        async def main():
            await asyncio.sleep(0.5)
            time.sleep(2.5)
            for _ in range(3):
                await asyncio.sleep(0.001)
                time.sleep(0.16)
        asyncio.run(main())
    """)

    going_on = [b for report in ran.full for b in report["blocked"] if not b["count"]]
    assert going_on
    assert going_on[0]["stack"][0][2] == "main"
    assert max(loop["now"] for report in ran.full for loop in report["loops"]) > 0.5
    short = [block for block in _blocked(ran) if block["max"] < 1.0]
    assert sum(block["count"] for block in short) == 3
    assert len(short) < 3


def test_a_loop_within_a_loop_and_many_in_turn_keep_their_numbers() -> None:
    """Running one loop after another in a thread adds up; nothing goes back."""
    ran = run("""
        import asyncio, time
        async def one():
            await asyncio.sleep(0.01)
        for _ in range(120):
            asyncio.run(one())
    """)

    walls = [report["loops"][0]["wall"] for report in ran.full]
    assert ran.code == 0
    assert walls == sorted(walls)
    assert len(ran.last["loops"]) == 1
    assert walls[-1] > 1.0
    assert ran.last["faults"] == 0, ran.last["fault"]


def test_without_a_loop_waiting_for_the_gil_is_measured() -> None:
    """A program of threads that compute reports how long a thread waits until it may run."""
    ran = run("""
        import threading, time
        end = time.monotonic() + 2.5  # a dozen waits, each up to 5 ms for each of the others
        def work():
            while time.monotonic() < end:
                sum(range(1000))
        threads = [threading.Thread(target=work) for _ in range(3)]
        [t.start() for t in threads]; [t.join() for t in threads]
    """)

    assert ran.last["loops"] == []
    assert ran.last["tasks"] is None
    assert max(report["threads"] for report in ran.full) == 4
    assert max(report["sched_max"] for report in ran.full) > 0.0023
    assert any(
        bucket >= bucket_of(0.0023) for each in ran.full for bucket, _ in unpacked(each["sched"])
    )
