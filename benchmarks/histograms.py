"""What a value costs in the probe's histograms, and what they add to a report.

The probe's buckets are at most 3.1 % wide. They are compared with wide ones, two for each power of
two (of a program's own metrics: four), whose counts since the start are in each report: what a
histogram with an error of up to 40 % (19 %) costs. Both get the same log-normal durations, as
response times are. CPU time is measured, both in turns, so that what slows the machine down slows
both. Where the probe's thread does a part of the work, that is included.
"""

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import floor, log2
from threading import get_ident
from typing import Any

from common import ROOT, STRAIGHT, Figure

INJECT = os.path.join(ROOT, "agent", "monit_agent", "probe", "inject")
NODE_BUCKETS = os.path.join(ROOT, "agent", "monit_agent", "probe", "node", "monit_buckets.cjs")
WIDE, FINE = STRAIGHT, "monit"
"""The table's columns for the wide buckets and for ours; pm2 has none."""
TICK_S = 0.0001
SECONDS = 60
"""How long a program has run when its report is measured."""

NODE = """
const { bucketOf } = require(process.argv[1]);
const values = JSON.parse(process.argv[2]);
const rounds = Number(process.argv[3]);
const wide = new Array(40).fill(0), fine = new Map();
const kinds = {
  straight(took) {
    const ms = took * 1000;
    wide[ms < 0.1 ? 0 : Math.min(39, Math.floor(2 * Math.log2(ms * 10)) + 1)] += 1;
  },
  monit(took) {
    const bucket = bucketOf(took);
    fine.set(bucket, (fine.get(bucket) || 0) + 1);
  },
};
const cost = (add) => {
  const before = process.cpuUsage();
  for (let n = 0; n < 1000; n += 1) for (const value of values) add(value);
  const { user, system } = process.cpuUsage(before);
  return (1000 * (user + system)) / (1000 * values.length);
};
const found = { straight: [], monit: [] };
for (const add of Object.values(kinds)) cost(add);
for (let n = 0; n < rounds; n += 1)
  for (const [kind, add] of Object.entries(kinds)) found[kind].push(cost(add));
console.log(JSON.stringify(found));
"""


def measure(quick: bool) -> list[Figure]:
    """Return the cost of a value in Python and Node, and the bytes of a second's report."""
    rounds = 5 if quick else 31
    buckets, api = _module("_monit_probe/buckets.py"), _module("monit_probe.py")
    figures = [
        _cost("observe() in Python", rounds, *_observers(api)),
        _cost("HTTP duration in Python", rounds, *_sorters(buckets)),
        _cost("busy stretch of an asyncio loop", rounds, *_stretchers(buckets)),
    ]
    if shutil.which("node"):
        figures.append(_in_node(rounds))
    return figures + [_size(buckets, rate, spread) for rate in (10, 1000) for spread in (0.3, 1.0)]


def _module(path: str) -> Any:
    name = os.path.basename(path).removesuffix(".py") + "_measured"
    spec = importlib.util.spec_from_file_location(name, os.path.join(INJECT, path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _durations(count: int, spread: float, seed: int = 1) -> list[float]:
    """Return durations around 10 ms in seconds."""
    dice = random.Random(seed)
    return [0.01 * dice.lognormvariate(0.0, spread) for _ in range(count)]


# ------------------------------------------------------------ the cost of a value


def _cost(
    what: str, rounds: int, wide: Callable[[Sequence[float]], None], fine: Callable[..., None]
) -> Figure:
    values = _durations(500, 1.0)
    samples: dict[str, list[float]] = {WIDE: [], FINE: []}
    for number in range(rounds + 1):
        for who, add in ((WIDE, wide), (FINE, fine)):
            began = time.thread_time()
            for _ in range(40):
                add(values)
            if number:  # the first warmed up
                samples[who].append(1e9 * (time.thread_time() - began) / (40 * len(values)))
    return Figure(f"probe: {what}, a value", "ns", samples)


def _observers(api: Any) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return what observes values as a program does, with its kind of cells."""

    class Wide(api.Histogram):
        def observe(self, value: Any) -> None:
            kind = type(value)
            if kind is not float and kind is not int:
                value = float(value)
            if value is None or not -api.LARGEST < value < api.LARGEST:
                self._fault(value)
                return
            bucket = max(-120, min(120, floor(4.0 * log2(value)) + 1)) if value > 0 else -128
            cell = self._cells.get(get_ident())
            if cell is None:
                cell = self._cells[get_ident()] = [0.0, {}]
            cell[0] += value
            cell[1][bucket] = cell[1].get(bucket, 0) + 1

    def through(histogram: Any) -> Callable[[Sequence[float]], None]:
        def add(values: Sequence[float]) -> None:
            for value in values:
                histogram.observe(value)

        return add

    return through(Wide("wide", "")), through(api.Histogram("fine", ""))


def _sorters(buckets: Any) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return what counted durations ten times a second, and what counts them once a second."""
    hist = [0] * 40
    ends = [TICK_S * 2 ** (bucket / 2) for bucket in range(40)]
    counts: dict[int, int] = {}

    def wide(values: Sequence[float]) -> None:
        for place in range(0, len(values), len(values) // 10):
            some(values[place : place + len(values) // 10])

    def some(values: Sequence[float]) -> None:
        took = sorted(values)
        done = 0
        while done < len(took):
            first = took[done]
            bucket = int(first * first / TICK_S**2).bit_length() if first < 60.0 else 39
            end = bisect_left(took, ends[bucket], done + 1)
            hist[bucket] += end - done
            done = end

    return wide, lambda values: buckets.count_durations(values, counts)


def _stretchers(buckets: Any) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return what counts stretches one by one, and what notes them and sorts them later; the time
    that this takes in the probe's thread is included."""

    class Wide:
        def __init__(self) -> None:
            self.numbers, self.sums, self.longest = [0] * 40, [0.0] * 40, 0.0

        def add(self, stretch: float) -> None:
            ticks = stretch / TICK_S
            bucket = int(ticks * ticks).bit_length() if ticks < 600000 else 39
            self.numbers[bucket] += 1
            self.sums[bucket] += stretch
            if stretch > self.longest:  # noqa: PLR1730 (as the probe did: a call costs more)
                self.longest = stretch

    wide = Wide()
    counts: dict[int, int] = {}
    sums: dict[int, float] = {}

    def one_by_one(values: Sequence[float]) -> None:
        for value in values:
            if value < TICK_S:
                wide.numbers[0] += 1
                wide.sums[0] += value
            else:
                wide.add(value)

    def later(values: Sequence[float]) -> None:
        ended: list[float] = []
        note = ended.append
        for value in values:
            note(value)
            if value >= 60.0:
                raise AssertionError
        sum(ended)  # the probe needs it too
        buckets.count_durations(ended, counts, sums)

    return one_by_one, later


def _in_node(rounds: int) -> Figure:
    values = json.dumps(_durations(500, 1.0))
    said = subprocess.run(
        ["node", "-e", NODE, NODE_BUCKETS, values, str(rounds)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return Figure("probe: duration in Node, a value", "ns", json.loads(said))


# ------------------------------------------------------------ the size of a report


def _size(buckets: Any, rate: int, spread: float) -> Figure:
    """Compare what the last of `SECONDS` reports has of durations that come at this rate."""
    wide = [0] * 40
    samples: dict[str, list[float]] = {WIDE: [], FINE: []}
    middle: dict[int, int] = {}
    for second in range(SECONDS):
        middle = {}
        values = _durations(rate, spread, seed=second)
        for value in values:
            wide[int((value / TICK_S) ** 2).bit_length()] += 1
        buckets.count_durations(values, middle)
        pairs = [[bucket, number] for bucket, number in enumerate(wide) if number]
        samples[WIDE].append(_bytes(pairs))
        samples[FINE].append(_bytes(buckets.pack(middle)))
    text = f"probe: report of {rate:,} durations/s that lie within a factor of {_factor(middle)}"
    return Figure(text, "bytes", samples)


def _factor(counts: dict[int, int]) -> str:
    return f"{2 ** ((max(counts) - min(counts)) / 32):.0f}"


def _bytes(value: object) -> float:
    return float(len(json.dumps(value, separators=(",", ":"))))


if __name__ == "__main__":
    for figure in measure(quick="--quick" in sys.argv):
        print(figure.what, figure.median(WIDE), figure.median(FINE), figure.ratio())
