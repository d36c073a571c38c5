"""A program's own metrics and actions, in every Python that the probe supports."""

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from probing import (
    DEADLINE_S,
    INJECT,
    PROBE,
    VERSIONS,
    Ran,
    Report,
    environment,
    listening,
    python,
    run,
    two_reports,
)

each_version = pytest.mark.parametrize("version", VERSIONS)

TOLD = {"told": two_reports}
WAIT = """
import time
def until_told():
    while not passed("told"):
        time.sleep(0.02)
"""
README = (PROBE / "README.md").read_text()
(FALLBACK,) = re.findall(r"```python\n(try:.*?)```", README, re.DOTALL)
"""The lines that the documentation offers."""


def _metrics(program: str, version: str = "", **env: str) -> tuple[dict[str, Any], Ran]:
    """Run a program that calls ``until_told()`` last; give its metrics by then."""
    interpreter = python(version) if version else sys.executable
    ran = run(WAIT + textwrap.dedent(program), interpreter=interpreter, gates=TOLD, env=env)
    assert ran.code == 0, ran.err
    return ran.last["metrics"], ran


# ------------------------------------------------------------ metrics


@each_version
def test_every_kind_is_told(version: str) -> None:
    """Gauges, counters, histograms, texts and functions arrive as they are meant."""
    told, ran = _metrics(
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
        until_told()
        """,
        version,
    )

    assert ran.err == ""
    assert ran.last["faults"] == 0, ran.last["fault"]
    assert told["queue"] == {"kind": "gauge", "value": 12, "unit": "jobs", "agg": "sum"}
    assert (told["level"]["value"], told["read"]["value"]) == (2.5, 7)
    assert told["mode"] == {"kind": "text", "text": "night shift", "unit": ""}
    assert told["unknown"]["value"] is None
    assert told["orders"] == {"kind": "counter", "value": 3, "unit": "loaves"}
    baking = told["baking"]
    assert (baking["kind"], baking["unit"], baking["count"]) == ("histogram", "ms", 5)
    assert 1022.5 <= baking["sum"] < 5000
    assert dict(baking["buckets"][:3]) == {-128: 1, 1: 1, 3: 1}  # 0, 1 and 1.5


@each_version
def test_threads_that_hammer_one_counter_lose_nothing(version: str) -> None:
    """Eight threads count at once without a lock, while the probe reads: every one is told."""
    told, _ = _metrics(
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
        until_told()
        """,
        version,
    )

    assert told["hits"]["value"] == 320_000
    assert told["level"]["value"] == 320_000
    assert told["sizes"]["count"] == 320_000


def test_a_child_that_was_forked_counts_from_nothing() -> None:
    """What the parent counted is not told twice; what a child counts is told as the child's."""
    ran = run(
        """
        import os, time
        import monit_probe
        orders = monit_probe.counter("orders")
        queue = monit_probe.gauge("queue", 40)
        orders.inc(100)
        pid = os.fork()
        orders.inc(1 if pid else 5)
        while not passed("told"):
            time.sleep(0.02)
        if pid:
            os.waitpid(pid, 0)
        """,
        gates={"told": lambda since: len(since) >= 6},
    )

    assert ran.code == 0, ran.err
    by_pid = {report["pid"]: report["metrics"] for report in ran.full}
    assert sorted(each["orders"]["value"] for each in by_pid.values()) == [5, 101]
    assert {each["queue"]["value"] for each in by_pid.values()} == {40, None}


def test_what_cannot_be_counted_is_a_fault_and_never_an_error() -> None:
    """Using a metric wrongly, or a function that raises or is slow, does not end the program."""
    told, ran = _metrics(
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
        until_told()
        """
    )

    assert ran.err == ""
    assert told["orders"]["value"] == 4
    assert {told[name]["value"] for name in ("fails", "leaves", "huge", "nan")} == {None}
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
        until_told()
        """
    )

    lines = ran.out.splitlines()
    assert len(lines) == 7
    assert "taken" not in lines
    assert lines[3] == "orders is a counter already"


def test_more_metrics_than_there_is_room_for_are_left_out_and_said() -> None:
    """The hundred first ones are told, the rest is a fault; the report still arrives."""
    told, ran = _metrics(
        """
        import monit_probe
        for n in range(300):
            monit_probe.histogram("name %03d" % n).observe(n)
        until_told()
        """
    )

    assert len(told) == 100
    assert told["name 099"]["count"] == 1
    assert "there are 100 already" in ran.last["fault"]


def test_what_prometheus_client_counts_is_found_by_itself() -> None:
    """A program that uses prometheus_client has its metrics shown without a line of ours."""
    pytest.importorskip("prometheus_client")
    told, ran = _metrics(
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
        until_told()
        """
    )

    assert (ran.out, ran.err) == ("", "")
    assert ran.last["faults"] == 0, ran.last["fault"]
    assert (told["orders_total"]["kind"], told["orders_total"]["value"]) == ("counter", 3)
    assert told["sold_total"]["value"] == 4
    assert told["queue"]["value"] == 5
    assert (told["took_seconds"]["count"], told["size"]["count"]) == (3, 1)
    assert told["took_seconds"]["sum"] == pytest.approx(0.061)
    assert "asked" not in told
    assert not any(name.startswith(("python_", "process_")) for name in told)


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
    """Who has a monit_probe of its own imports that one; it is not asked for metrics."""
    (tmp_path / "monit_probe.py").write_text("mine = True\n_metrics = {'x': 1}\n")
    told, _ = _metrics(
        """
        import os, sys
        sys.path.insert(0, os.environ["MINE"])
        import monit_probe
        assert monit_probe.mine
        until_told()
        """,
        MINE=str(tmp_path),
    )

    assert told == {}


# ------------------------------------------------------------ actions


class _Asked:
    """A program under the probe, and the folder through which it is asked."""

    def __init__(self, process: subprocess.Popen[str], sock: Any, folder: Path) -> None:
        self.process, self._sock, self._folder = process, sock, folder
        self.reports: list[Report] = []

    def report(self) -> Report:
        """Give the next report that comes."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            try:
                self.reports.append(json.loads(self._sock.recv(1 << 20)))
            except TimeoutError:
                assert self.process.poll() is None, self.process.communicate()
                continue
            return self.reports[-1]
        raise AssertionError("no report came")

    def write(self, *asks: dict[str, Any] | str) -> None:
        """Ask, as the agent does."""
        lines = [each if isinstance(each, str) else json.dumps(each) for each in asks]
        half = self._folder / "half"
        half.write_text("".join(f"{line}\n" for line in lines))
        half.rename(self._folder / str(self.process.pid))

    def ask(self, name: str, *args: str) -> tuple[bool, Any]:
        """Have an action run and give what came of it."""
        self.write({"ask": "action", "id": "1", "name": name, "args": args})
        return self.answers(1)["1"]

    def answers(self, count: int) -> dict[str, tuple[bool, Any]]:
        """Wait for so many answers and give them by id."""
        found: dict[str, tuple[bool, Any]] = {}
        while len(found) < count:
            for each in self.report().get("answers", ()):
                value = json.loads(each["value"]) if each["ok"] else each["value"]
                found[each["id"]] = (each["ok"], value)
        return found


@contextmanager
def _asked(program: str, version: str = "", **env: str) -> Iterator[_Asked]:
    """Start a program that says ``ready`` when it can be asked."""
    with listening() as (sock, path):
        folder = Path(path).parent / "ask"
        folder.mkdir(mode=0o700)
        process = subprocess.Popen(
            [python(version) if version else sys.executable, "-c", textwrap.dedent(program)],
            env=environment(path, MONIT_PROBE_ASK=str(folder), **env),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield _Asked(process, sock, folder)
            process.kill()
            _, err = process.communicate()
            assert err == ""
        finally:
            process.kill()
            process.wait()


IDLE = """
import threading, time
def idle():
    print("ready", flush=True)
    threading.Event().wait()
"""


@each_version
def test_gc_and_stacks_can_be_asked_of_every_program(version: str) -> None:
    """A program that knows nothing of us says what its threads do, and collects garbage."""
    with _asked(
        IDLE
        + """
def wait_for_the_oven():
    threading.Event().wait()
threading.Thread(target=wait_for_the_oven, name="oven", daemon=True).start()
idle()
""",
        version,
    ) as asked:
        ok, collected = asked.ask("gc")
        assert ok
        assert set(collected) == {"collected", "uncollectable", "ms"}
        ok, stacks = asked.ask("stacks")
        offered = [each["name"] for each in asked.reports[-1].get("actions", [])]
        while not offered:
            offered = [each["name"] for each in asked.report().get("actions", [])]

    assert ok
    assert [row["thread"] for row in stacks] == ["MainThread", "oven"]
    assert "wait_for_the_oven" in [at["function"].split(".")[-1] for at in stacks[1]["stack"]]
    assert offered == ["gc", "stacks"]


@each_version
def test_an_action_gets_its_words_and_its_error_is_the_answer(version: str) -> None:
    """What it returns comes back as JSON, what it raises as text; nothing is printed."""
    with _asked(
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
    ) as asked:
        assert asked.ask("join", "a b", "ü", "") == (
            True, {"words": ["a b", "ü", ""], "thread": False},
        )  # fmt: skip
        assert asked.ask("burn") == (False, "ValueError: too hot: ♨")
        assert asked.ask("leave") == (False, "SystemExit: 4")
        assert asked.ask("odd") == (False, "Odd")
        assert asked.ask("object")[1].startswith("<object object")
        assert asked.ask("nan")[0]
        assert asked.ask("circle")[0] is False
        ok, long = asked.ask("long")
        assert (ok, long[:3], long[-5:]) == (True, "xxx", "(cut)")
        assert "two" in asked.ask("wants two", "one")[1]
        assert asked.ask("nobody") == (False, "this process has no action called nobody")
        offers = {each["name"]: each["help"] for each in _with_actions(asked)["actions"]}

    assert (offers["join"], offers["burn"]) == ("Join words.", "Burn the croissants.")


def _with_actions(asked: _Asked) -> Report:
    while "actions" not in asked.reports[-1]:
        asked.report()
    return asked.reports[-1]


@each_version
def test_a_coroutine_runs_in_the_event_loop(version: str) -> None:
    """An async action, and one defined with in_loop, run in the program's own loop."""
    with _asked(
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
    ) as asked:
        assert asked.ask("later", "a") == (True, [True, "a"])
        assert asked.ask("fails") == (False, "KeyError: 'flour'")
        assert asked.ask("here") == (True, True)


def test_a_coroutine_without_a_loop_is_an_answer() -> None:
    """Nobody waits for a loop that does not run, and Python complains of no coroutine."""
    with _asked(
        IDLE
        + """
import monit_probe
async def later(): pass
monit_probe.action("later", later)
idle()
"""
    ) as asked:
        assert asked.ask("later") == (False, "no event loop is running in this process")


def test_an_action_that_hangs_holds_up_no_other() -> None:
    """Others run beside it; seventeen at once are too many, and that is said."""
    with _asked(
        IDLE
        + """
import monit_probe
monit_probe.action("hang", threading.Event().wait)
idle()
"""
    ) as asked:
        asks = [
            {"ask": "action", "id": f"h{n}", "name": "hang", "args": []} for n in range(17)
        ]  # fmt: skip
        asked.write(*asks)
        assert asked.answers(1) == {"h16": (False, "16 actions are running in it already")}
        assert asked.ask("stacks")[0]


def test_garbage_in_the_file_is_a_fault_and_the_next_request_is_served() -> None:
    """The folder is private, yet what stands in it is not trusted: no error reaches the app."""
    with _asked(IDLE + "idle()") as asked:
        for garbage in ("{", "[]", "3", '{"ask": "action"}', '{"ask": "dance"}', "\x00" * 99):
            asked.write(garbage)
            while (asked._folder / str(asked.process.pid)).exists():
                asked.report()
        assert asked.ask("gc")[0]
        assert os.listdir(asked._folder) == []


def test_a_program_that_is_stuck_still_says_where() -> None:
    """While the main thread computes for ever, stacks names the function."""
    with _asked(
        """
        def knead():
            print("ready", flush=True)
            while True:
                pass
        knead()
        """
    ) as asked:
        _, stacks = asked.ask("stacks")

    assert stacks[0]["stack"][0]["function"] == "knead"


def test_greenlets_share_the_cell_of_their_thread() -> None:
    """Ten thousand greenlets of gevent that count leave one cell behind, and every count."""
    pytest.importorskip("gevent")
    told, _ = _metrics(
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
        until_told()
        """
    )

    assert told["hits"]["value"] == 20_000
