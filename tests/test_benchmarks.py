"""The benchmarks' own tools: what they say can be trusted, and they clean up. Nothing is timed."""

import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import psutil
import pytest

from support.waiting import wait_until

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

ECHO = """
import os, tty
tty.setcbreak(0)
size = os.get_terminal_size()
print(f"READY {size.columns}x{size.lines}", flush=True)
while True:
    key = os.read(0, 16)
    print("pressed", key.decode().upper(), flush=True)
"""


@pytest.fixture(name="tools")
def _tools(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """Return the modules of the benchmarks that are tested here, for this test only."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("blocked", "common", "growth", "plot", "run")
    tools = {name: importlib.import_module(name) for name in names}
    for name in (*names, "list_wall"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tools


def test_meter_sees_the_screen_and_times_keys():
    """The meter gives the program a terminal of the right size, waits for texts, presses keys."""
    done = subprocess.run(
        [
            *(sys.executable, str(BENCHMARKS / "ttymeter.py"), "--size", "50x12", "--dump"),
            *("--seconds", "4", "--settle", "1", "--until", "READY 50x12", "--keys", "j,k"),
            *("--", sys.executable, "-c", ECHO),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["first_paint_s"] <= seen["until_s"] < 4
    assert seen["pss_mb"] > 1
    assert seen["bytes_per_s"] > 0
    assert seen["screen"][0] == "READY 50x12"
    assert {"pressed J", "pressed K"} <= set(seen["screen"])
    assert seen["key_ms"]
    assert all(0 <= each < 3000 for each in seen["key_ms"])


def test_ratio_is_taken_round_by_round(tools: dict[str, ModuleType]):
    """A round in which the whole machine was slow does not change the ratio."""
    figure = tools["common"].Figure
    assert figure("x", "ms", {"monit": [1, 100, 1], "pm2": [2, 200, 2]}).ratio() == 0.5
    assert figure("x", "ms", {"monit": [1, 3], "pm2": [4]}).ratio() == 0.5
    assert figure("x", "ms", {"monit": [1]}).ratio() is None


def test_rounds_alternate(tools: dict[str, ModuleType]):
    """Each is measured once a round, and not always in the same order."""
    order: list[str] = []
    measured = {
        name: lambda name=name: float(len(order.append(name) or order)) for name in ("a", "b")
    }
    samples = tools["common"].alternate(3, measured)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert samples == {"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 6.0]}


def test_report_is_a_table_with_spread_and_ratio(tools: dict[str, ModuleType]):
    """The page has one row a figure: median, least to most, and the ratio."""
    figure = tools["common"].Figure("list", "ms", {"monit": [80.0, 90.0, 100.0], "pm2": [180.0]})
    page = tools["run"].report([figure], 0.1)
    assert "| list | ms |  | 90.0 (80.0 to 100) | 180 | 0.50 |" in page


def test_other_managers_get_columns_of_their_own(tools: dict[str, ModuleType]):
    """What pm2 and the others were measured in has a table behind that of pm2 alone."""
    figure = tools["common"].Figure
    with_others = figure("stop", "ms", {"monit": [10.0], "pm2": [20.0], "circus": [30.0]})
    page = tools["run"].report([with_others, figure("list", "ms", {"monit": [1.0]})], 0.1)
    assert "| what | unit | straight | monit | pm2 | ratio |" in page
    assert "| what | unit | monit | pm2 | circus | ratio |" in page
    assert "| stop | ms | 10.0 | 20.0 | 30.0 | 0.50 |" in page
    assert "| list | ms |  | 1.00 |  |  |" in page


def test_true_wait_follows_from_when_the_loop_stood_still(tools: dict[str, ModuleType]):
    """150 ms of every 550: 3 in 11 have to wait, evenly up to 150 ms, so 1 in 20 above 122.5."""
    blocks = [(550.0 * turn, 550.0 * turn + 150.0) for turn in range(20)]
    assert abs(tools["blocked"].waits_p95(blocks) - 122.5) <= 1.0
    with pytest.raises(tools["common"].BenchmarkError):
        tools["blocked"].waits_p95(blocks[:2])


def test_growth_is_the_exponent_of_the_number(tools: dict[str, ModuleType]):
    """What is proportional grows with exponent 1, what stays as it is with 0; what was measured at
    one size only says nothing."""
    exponent = tools["growth"].exponent
    assert round(exponent([(1, 3.0), (10, 30.0), (100, 300.0)]), 6) == 1
    assert round(exponent([(1, 3.0), (10, 3.0), (100, 3.0)]), 6) == 0
    assert round(exponent([(1, 0.0), (10, 2.0), (1000, 200.0)]), 6) == 1
    assert exponent([(10, 5.0)]) is None


def test_a_plot_shows_who_was_measured_where(tools: dict[str, ModuleType]):
    """On logarithmic axes a tenfold value is as far away as the tenfold size, and who was not
    measured has no line."""
    plot = tools["plot"]
    lines = {"monit": [(1.0, 1.0), (10.0, 10.0), (100.0, 100.0)], "pm2": [(1.0, 100.0)]}
    panels = [plot.Panel("list", "ms", "apps & more", lines), plot.Panel("cpu", "%", "apps", {})]
    page = ET.fromstring(plot.log_log_page(panels, columns=2))
    texts = [element.text for element in page.iter() if element.text and element.text.strip()]
    assert {"list, ms", "apps & more", "monit", "pm2", "not measured"} <= set(texts)
    curves = [element for element in page.iter() if element.tag.endswith("polyline")]
    places = [tuple(map(float, pair.split(","))) for pair in curves[0].attrib["points"].split()]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(places)]
    assert len(curves) == 2
    assert steps[0] == pytest.approx(steps[1], abs=0.2)
    assert steps[0][0] > 0 > steps[0][1]


def test_unknown_benchmark_is_refused():
    """A wrong name says which there are, and nothing is measured."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "run.py"), "speed"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "respawn" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_benchmark_leaves_nothing(number: signal.Signals, tmp_path: Path):
    """Ctrl-C and SIGTERM in the middle: what was started is killed, temporary homes are removed."""
    script = (
        "import subprocess, sys, time\n"
        f"sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "import common\n"
        "common.end_on_signals()\n"
        "with common.temporary_home('MONIT_HOME') as home:\n"
        "    env = common.clean_environment(MONIT_HOME=home)\n"
        "    sleeper = subprocess.Popen(['sleep', '300'], env=env, start_new_session=True)\n"
        f"    with open({str(tmp_path / 'told')!r}, 'w') as file:\n"
        "        print(sleeper.pid, home, file=file)\n"
        "    time.sleep(300)\n"
    )
    benchmark = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    told = tmp_path / "told"
    pid, home = wait_until(
        lambda: told.exists() and told.read_text().split(), what="the benchmark runs"
    )
    benchmark.send_signal(number)
    benchmark.wait(timeout=30)
    assert not psutil.pid_exists(int(pid))
    assert not os.path.exists(home)
