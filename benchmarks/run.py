"""Measures monit beside pm2 in one run and writes the table: ``run.py [--quick] [NAME…]``.

Every figure is taken in alternating rounds on the same machine within the same minutes; the
ratio is the median of the ratios round by round. What is measured is listed in `BENCHMARKS`.
"""

import argparse
import compileall
import datetime as dt
import importlib
import os
import platform
import subprocess
import sys
from collections.abc import Sequence

import psutil
from common import (
    PM2_VERSION,
    ROOT,
    STRAIGHT,
    BenchmarkError,
    Figure,
    end_on_signals,
    install_pm2,
    say,
)

BENCHMARKS = (
    "first_light",
    "log_flood",
    "log_rotation",
    "log_search",
    "respawn",
    "list_wall",
    "start_file",
    "screen",
    "screen_many",
    "screen_hosts",
    "screen_soak",
    "memory",
    "growth",
    "probe_cost",
    "histograms",
    "history",
    "blocked",
    "throughput",
    "spread",
    "reload",
    "masters",
    "leaks",
    "peers",
)
MEASURED = (STRAIGHT, "monit", "pm2")
"""The columns of every table; more stand behind them where others were measured too."""

RESULTS = os.path.join(ROOT, "benchmarks", "RESULTS.md")


def main() -> int:
    """Run what the command line names (all by default) and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, no file written")
    parser.add_argument("--list", action="store_true", help="say what there is and end")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(BENCHMARKS))
        return 0
    unknown = sorted(set(arguments.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    end_on_signals()
    for package in ("agent", "tui"):
        compileall.compile_dir(os.path.join(ROOT, package), quiet=1)
    if install_pm2() is None:
        say("no npm here: monit is measured alone")
    return _run(arguments.names or BENCHMARKS, arguments.quick)


def _run(names: Sequence[str], quick: bool) -> int:
    figures: list[Figure] = []
    failed = 0
    load = os.getloadavg()[0]
    for name in names:
        say(f"{name} …")
        try:
            figures += importlib.import_module(name).measure(quick)
        except BenchmarkError as error:
            say(f"{name} failed: {error}")
            failed += 1
    if not figures:
        return 1
    text = report(figures, load)
    print(text)
    if not quick and not failed and list(names) == list(BENCHMARKS):
        with open(RESULTS, "w", encoding="utf-8") as file:
            file.write(text)
        say(f"written to {os.path.relpath(RESULTS)}")
    return 1 if failed else 0


def report(figures: Sequence[Figure], load: float) -> str:
    """Return the figures as a page of Markdown; ``load`` is how busy the machine was before."""
    lines = [
        "# Measured beside pm2",
        "",
        f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}, {_machine()}; {_versions()}.",
        "Each cell is the median (least to most); lower is better everywhere.",
        "Both ran in the same run, in turns.",
        "The ratio is to pm2, or else to the program alone; it is the median over the rounds.",
        f"Made by `make bench`; the machine's load was {load:.1f} before the start.",
    ]
    for others in dict.fromkeys(map(_others, figures)):
        lines += ["", *_table([each for each in figures if _others(each) == others], others)]
    notes = list(dict.fromkeys(figure.note for figure in figures if figure.note))
    if notes:
        lines += ["", *notes]
    return "\n".join(lines) + "\n"


def _others(figure: Figure) -> tuple[str, ...]:
    """Return who was measured besides monit, pm2 and the program alone."""
    return tuple(who for who in figure.samples if who not in MEASURED)


def _table(figures: Sequence[Figure], others: Sequence[str]) -> list[str]:
    columns = [who for who in MEASURED if not others or any(who in f.samples for f in figures)]
    columns += others
    lines = [
        f"| what | unit | {' | '.join(columns)} | ratio |",
        f"| --- | --- |{' ---: |' * len(columns)} ---: |",
    ]
    for figure in figures:
        ratio = figure.ratio()
        cells = [
            figure.what.replace("|", "/"),
            figure.unit,
            *(spread(figure.samples.get(who, ())) for who in columns),
            "" if ratio is None else f"{ratio:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def spread(values: Sequence[float]) -> str:
    """Return median, least and most in three figures."""
    if not values:
        return ""
    ordered = sorted(values)
    middle = Figure("", "", {"it": ordered}).median("it")
    if len(ordered) == 1:
        return _three(ordered[0])
    return f"{_three(middle or 0.0)} ({_three(ordered[0])} to {_three(ordered[-1])})"


def _three(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _machine() -> str:
    memory = round(psutil.virtual_memory().total / 2**30)
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory} GB"


def _versions() -> str:
    versions = [f"Python {platform.python_version()}"]
    if install_pm2() is not None:
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
        versions += [f"pm2 {PM2_VERSION} on Node {node.stdout.strip().lstrip('v')}"]
    return ", ".join(versions)


if __name__ == "__main__":
    sys.exit(main())
