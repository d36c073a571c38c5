"""A program's own metrics and actions, in every Python that the probe supports."""

import os
import re
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.buckets import bucket_of, unpacked
from support.probe import (
    DEADLINE_S,
    INJECT,
    PROBE,
    Ran,
    Report,
    each_version,
    environment,
    python,
    run,
    two_reports,
)
from support.probe_requests import RunningProgram, running_program

REPORTED = {"reported": two_reports}
WAIT = """
import time
def until_reported():
    while not passed("reported"):
        time.sleep(0.02)
"""
README = (PROBE / "README.md").read_text()
(FALLBACK,) = re.findall(r"```python\n(try:.*?)```", README, re.DOTALL)
"""The lines that the documentation offers."""


def _metrics(program: str, version: str = "", **env: str) -> tuple[dict[str, Any], Ran]:
    """Run a program that calls ``until_reported()`` last; return its metrics by then."""
    interpreter = python(version) if version else sys.executable
    ran = run(WAIT + textwrap.dedent(program), interpreter=interpreter, gates=REPORTED, env=env)
    assert ran.code == 0, ran.err
    return ran.last["metrics"], ran


# ------------------------------------------------------------ metrics


@each_version
def test_every_kind_is_reported(version: str) -> None:
    """Gauges, counters, histograms, texts and functions arrive as they are meant."""
    reported, ran = _metrics(
        """
        import monit_probe
        monit_probe.gauge("queue", unit="jobs", agg="sum").set(12)
        monit_probe.gauge("level").inc(2.5)
        monit_probe.gauge("read", lambda: 7)
        monit_probe.gauge("mode", "night shift")
        monit_probe.gauge("unknown")
        orders = monit_probe.counter("orders", unit="loaves")
        orders.inc()
        orders.inc(2)
        baking = monit_probe.histogram("baking", unit="ms")
        for value in (0, 1, 1.5, 1000):
            baking.observe(value)
        with baking.time():
            time.sleep(0.02)
        until_reported()
        """,
        version,
    )

    assert ran.err == ""
    assert ran.last["faults"] == 0, ran.last["fault"]
    assert reported["queue"] == {"kind": "gauge", "value": 12, "unit": "jobs", "agg": "sum"}
    assert (reported["level"]["value"], reported["read"]["value"]) == (2.5, 7)
    assert reported["mode"] == {"kind": "text", "text": "night shift", "unit": ""}
    assert reported["unknown"]["value"] is None
    assert reported["orders"] == {"kind": "counter", "value": 3, "unit": "loaves"}
    baking = reported["baking"]
    assert (baking["kind"], baking["unit"], baking["count"]) == ("histogram", "ms", 5)
    assert 1022.5 <= baking["sum"] < 5000
    counted = Counter[int]()
    for report in ran.full:
        for bucket, number in unpacked(report["metrics"]["baking"]["buckets"]):
            counted[bucket] += number
    assert counted.total() == 5
    assert {counted[bucket_of(value)] for value in (0.0, 1.0, 1.5)} == {1}


@each_version
def test_threads_that_hammer_one_counter_lose_nothing(version: str) -> None:
    """Eight threads count at once without a lock, while the probe reads: every one is reported."""
    reported, _ = _metrics(
        """
        import sys, threading
        import monit_probe
        sys.setswitchinterval(1e-5)
        hits = monit_probe.counter("hits")
        level = monit_probe.gauge("level")
        sizes = monit_probe.histogram("sizes")
        def work():
            for n in range(20000):
                hits.inc()
                level.inc(2)
                level.dec()
                sizes.observe(n % 7)
        for turn in range(2):
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        until_reported()
        """,
        version,
    )

    assert reported["hits"]["value"] == 320_000
    assert reported["level"]["value"] == 320_000
    assert reported["sizes"]["count"] == 320_000


def test_a_child_that_was_forked_counts_from_nothing() -> None:
    """What the parent counted is not reported twice; what a child counts is the child's."""
    ran = run(
        """
        import os, time
        import monit_probe
        orders = monit_probe.counter("orders")
        queue = monit_probe.gauge("queue", 40)
        orders.inc(100)
        pid = os.fork()
        orders.inc(1 if pid else 5)
        while not passed("reported"):
            time.sleep(0.02)
        if pid:
            os.waitpid(pid, 0)
        """,
        gates={"reported": lambda since: len(since) >= 6},
    )

    assert ran.code == 0, ran.err
    by_pid = {report["pid"]: report["metrics"] for report in ran.full}
    assert sorted(each["orders"]["value"] for each in by_pid.values()) == [5, 101]
    assert {each["queue"]["value"] for each in by_pid.values()} == {40, None}


def test_what_cannot_be_counted_is_a_fault_and_never_an_error() -> None:
    """Using a metric wrongly, or a function that raises or is slow, does not end the program."""
    reported, ran = _metrics(
        """
        import monit_probe
        class Odd:
            def __float__(self): raise RuntimeError("odd")
            def __repr__(self): raise RuntimeError("very odd")
        class Worse(Exception):
            def __str__(self): raise RuntimeError("worse")
        def fails(): raise Worse
        def leaves(): raise SystemExit(3)
        counter = monit_probe.counter("orders")
        for wrong in (-1, "x", None, Odd(), float("nan"), float("inf"), 10 ** 400):
            counter.inc(wrong)
            monit_probe.gauge("odd").inc(wrong)
            monit_probe.histogram("spread").observe(wrong)
            monit_probe.gauge("set").set(wrong)
        counter.inc(4)
        monit_probe.gauge("fails", fails)
        monit_probe.gauge("leaves", leaves)
        monit_probe.gauge("huge", lambda: 10 ** 400)
        monit_probe.gauge("nan", lambda: float("nan"))
        until_reported()
        """
    )

    assert ran.err == ""
    assert reported["orders"]["value"] == 4
    assert {reported[name]["value"] for name in ("fails", "leaves", "huge", "nan")} == {None}
    assert ran.last["faults"] > 10
    assert ran.last["fault"].startswith("metric ")


def test_what_cannot_be_defined_says_so_where_it_is_defined() -> None:
    """A name that is none, two kinds of one name, or nothing to call is the program's error."""
    _, ran = _metrics(
        """
        import monit_probe
        monit_probe.counter("orders")
        for wrong in (
            lambda: monit_probe.counter(3),
            lambda: monit_probe.counter(""),
            lambda: monit_probe.counter("x" * 81),
            lambda: monit_probe.gauge("orders"),
            lambda: monit_probe.gauge("queue", agg="median"),
            lambda: monit_probe.histogram("size", unit=3),
            lambda: monit_probe.action("bake", 3),
        ):
            try:
                wrong()
            except (TypeError, ValueError) as error:
                print(error)
            else:
                print("taken")
        assert monit_probe.counter("orders") is monit_probe.counter("orders")
        until_reported()
        """
    )

    lines = ran.out.splitlines()
    assert len(lines) == 7
    assert "taken" not in lines
    assert lines[3] == "orders is a counter already"


def test_metrics_over_the_limit_are_left_out_and_reported() -> None:
    """The hundred first ones are reported, the rest is a fault; the report still arrives."""
    reported, ran = _metrics(
        """
        import monit_probe
        for n in range(300):
            monit_probe.histogram("name %03d" % n).observe(n)
        until_reported()
        """
    )

    assert len(reported) == 100
    assert reported["name 099"]["count"] == 1
    assert "there are 100 already" in ran.last["fault"]


def test_what_prometheus_client_counts_is_found_by_itself() -> None:
    """A program that uses prometheus_client has its metrics shown without a line of ours."""
    pytest.importorskip("prometheus_client")
    reported, ran = _metrics(
        """
        from prometheus_client import Counter, Gauge, Histogram, Summary
        Counter("orders", "Orders.").inc(3)
        by_shop = Counter("sold", "Sold.", ["shop"])
        for shop in "ab":
            by_shop.labels(shop).inc(2)
        Gauge("queue", "Waiting.").set(5)
        Gauge("asked", "Not asked by us.").set_function(lambda: print("CALLED"))
        spread = Histogram("took_seconds", "Took.")
        for value in (0.001, 0.03, 0.03):
            spread.observe(value)
        Summary("size", "Size.").observe(7)
        until_reported()
        """
    )

    assert (ran.out, ran.err) == ("", "")
    assert ran.last["faults"] == 0, ran.last["fault"]
    assert (reported["orders_total"]["kind"], reported["orders_total"]["value"]) == ("counter", 3)
    assert reported["sold_total"]["value"] == 4
    assert reported["queue"]["value"] == 5
    assert (reported["took_seconds"]["count"], reported["size"]["count"]) == (3, 1)
    assert reported["took_seconds"]["sum"] == pytest.approx(0.061)
    assert "asked" not in reported
    assert not any(name.startswith(("python_", "process_")) for name in reported)


# ------------------------------------------------------------ where there is no probe

PROGRAM = (
    FALLBACK
    + """
import os
queue = monit_probe.gauge("queue", lambda: 3, agg="sum")
orders = monit_probe.counter("orders")
baking = monit_probe.histogram("baking", unit="ms")
@monit_probe.action("clear", help="Empty it.")
def clear(*words):
    return len(words)
@monit_probe.action
def close():
    return "closed"
orders.inc()
queue.set(4)
baking.observe(3)
with baking.time():
    assert clear("a", "b") == 2
try:
    with baking.time():
        raise KeyError("flour")
except KeyError:
    assert close() == "closed"
print(type(monit_probe).__name__, len(os.listdir("/proc/self/task")))
"""
)


@pytest.mark.parametrize(
    ("env", "module"),
    [
        ({"PYTHONPATH": ""}, "Off"),
        ({"PYTHONPATH": str(INJECT), "MONIT_PROBE": "0"}, "module"),
    ],
    ids=["outside", "switched off"],
)
@each_version
def test_without_a_probe_the_program_runs_as_it_is(
    version: str, env: dict[str, str], module: str
) -> None:
    """Outside monit the documented lines stand in; with MONIT_PROBE=0 the module is there, silent
    and without a thread."""
    done = subprocess.run(
        [python(version), "-W", "error", "-c", PROGRAM], env=environment("", **env),
        capture_output=True, text=True, timeout=DEADLINE_S,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [module, "1"]


def test_a_programs_own_module_of_that_name_wins(tmp_path: Path) -> None:
    """Who has a monit_probe of its own imports that one; no metrics are read from it."""
    (tmp_path / "monit_probe.py").write_text("mine = True\n_metrics = {'x': 1}\n")
    reported, _ = _metrics(
        """
        import os, sys
        sys.path.insert(0, os.environ["MINE"])
        import monit_probe
        assert monit_probe.mine
        until_reported()
        """,
        MINE=str(tmp_path),
    )

    assert reported == {}


# ------------------------------------------------------------ actions


IDLE = """
import threading, time
def idle():
    print("ready", flush=True)
    threading.Event().wait()
"""


@each_version
def test_gc_and_stacks_can_be_requested_from_every_program(version: str) -> None:
    """A program that knows nothing of us says what its threads do, and collects garbage."""
    with running_program(
        IDLE
        + """
def wait_for_the_oven():
    threading.Event().wait()
threading.Thread(target=wait_for_the_oven, name="oven", daemon=True).start()
idle()
""",
        version,
    ) as running:
        ok, collected = running.ask("gc")
        assert ok
        assert set(collected) == {"collected", "uncollectable", "ms"}
        ok, stacks = running.ask("stacks")
        offered = [each["name"] for each in running.reports[-1].get("actions", [])]
        while not offered:
            offered = [each["name"] for each in running.report().get("actions", [])]

    assert ok
    assert [row["thread"] for row in stacks] == ["MainThread", "oven"]
    assert "wait_for_the_oven" in [at["function"].split(".")[-1] for at in stacks[1]["stack"]]
    assert offered == ["gc", "stacks"]


@each_version
def test_an_action_gets_its_words_and_its_error_is_the_answer(version: str) -> None:
    """What it returns comes back as JSON, what it raises as text; nothing is printed."""
    with running_program(
        IDLE
        + """
import monit_probe, sys
@monit_probe.action("join", help="Join words.")
def join(*words):
    return {"words": list(words), "thread": threading.current_thread() is threading.main_thread()}
@monit_probe.action
def burn():
    "Burn the croissants."
    raise ValueError("too hot: \\u2668")
@monit_probe.action("leave")
def leave(): sys.exit(4)
@monit_probe.action("odd")
def odd():
    class Odd(Exception):
        def __str__(self): raise RuntimeError
    raise Odd
monit_probe.action("object", object)
monit_probe.action("nan", lambda: float("nan"))
def circle():
    found = []
    found.append(found)
    return found
monit_probe.action("circle", circle)
monit_probe.action("long", lambda: "x" * 10 ** 6)
monit_probe.action("wants two", lambda one, two: one)
idle()
""",
        version,
    ) as running:
        assert running.ask("join", "a b", "ü", "") == (
            True, {"words": ["a b", "ü", ""], "thread": False},
        )  # fmt: skip
        assert running.ask("burn") == (False, "ValueError: too hot: ♨")
        assert running.ask("leave") == (False, "SystemExit: 4")
        assert running.ask("odd") == (False, "Odd")
        assert running.ask("object")[1].startswith("<object object")
        assert running.ask("nan")[0]
        assert running.ask("circle")[0] is False
        ok, long = running.ask("long")
        assert (ok, long[:3], long[-5:]) == (True, "xxx", "(cut)")
        assert "two" in running.ask("wants two", "one")[1]
        assert running.ask("nobody") == (False, "this process has no action called nobody")
        offers = {each["name"]: each["help"] for each in _with_actions(running)["actions"]}

    assert (offers["join"], offers["burn"]) == ("Join words.", "Burn the croissants.")


def _with_actions(running: RunningProgram) -> Report:
    while "actions" not in running.reports[-1]:
        running.report()
    return running.reports[-1]


@each_version
def test_a_coroutine_runs_in_the_event_loop(version: str) -> None:
    """An async action, and one defined with in_loop, run in the program's own loop."""
    with running_program(
        """
        import asyncio, threading
        import monit_probe
        async def main():
            loop = asyncio.get_running_loop()
            @monit_probe.action("later")
            async def later(*words):
                await asyncio.sleep(0.05)
                return [asyncio.get_running_loop() is loop, *words]
            @monit_probe.action("fails")
            async def fails():
                await asyncio.sleep(0)
                raise KeyError("flour")
            @monit_probe.action("here", in_loop=True)
            def here():
                return threading.current_thread() is threading.main_thread()
            print("ready", flush=True)
            await asyncio.sleep(3600)
        asyncio.run(main())
        """,
        version,
    ) as running:
        assert running.ask("later", "a") == (True, [True, "a"])
        assert running.ask("fails") == (False, "KeyError: 'flour'")
        assert running.ask("here") == (True, True)


def test_a_coroutine_without_a_loop_is_an_answer() -> None:
    """Nothing waits for a loop that does not run, and Python warns of no coroutine."""
    with running_program(
        IDLE
        + """
import monit_probe
async def later(): pass
monit_probe.action("later", later)
idle()
"""
    ) as running:
        assert running.ask("later") == (False, "no event loop is running in this process")


def test_an_action_that_hangs_holds_up_no_other() -> None:
    """Others run beside it; seventeen at once are too many, and one is refused."""
    with running_program(
        IDLE
        + """
import monit_probe
monit_probe.action("hang", threading.Event().wait)
idle()
"""
    ) as running:
        asks = [
            {"request": "action", "id": f"h{n}", "name": "hang", "args": []} for n in range(17)
        ]  # fmt: skip
        running.write(*asks)
        assert running.answers(1) == {
            "h16": (False, "16 actions are running in this process already")
        }
        assert running.ask("stacks")[0]


def test_garbage_in_the_file_is_a_fault_and_the_next_request_is_served() -> None:
    """The folder is private, yet what stands in it is not trusted: no error reaches the app."""
    with running_program(IDLE + "idle()") as running:
        for garbage in (
            "{",
            "[]",
            "3",
            '{"request": "action"}',
            '{"request": "dance"}',
            "\x00" * 99,
        ):
            running.write(garbage)
            while (running._folder / str(running.process.pid)).exists():
                running.report()
        assert running.ask("gc")[0]
        assert os.listdir(running._folder) == []


def test_a_program_that_is_stuck_still_says_where() -> None:
    """While the main thread computes without end, stacks names the function."""
    with running_program(
        """
        def knead():
            print("ready", flush=True)
            while True:
                pass
        knead()
        """
    ) as running:
        _, stacks = running.ask("stacks")

    assert stacks[0]["stack"][0]["function"] == "knead"


def test_greenlets_share_the_cell_of_their_thread() -> None:
    """Ten thousand greenlets of gevent that count leave one cell behind, and every count."""
    pytest.importorskip("gevent")
    reported, _ = _metrics(
        """
        import gevent.monkey
        gevent.monkey.patch_all()
        import monit_probe
        hits = monit_probe.counter("hits")
        def work():
            hits.inc()
            gevent.sleep(0)
            hits.inc()
        gevent.joinall([gevent.spawn(work) for _ in range(10000)])
        assert len(hits._cells) == 1, len(hits._cells)
        until_reported()
        """
    )

    assert reported["hits"]["value"] == 20_000
