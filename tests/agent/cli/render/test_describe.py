"""What ``monit describe`` writes: every figure with its unit, what is unknown as unknown."""

from typing import Any

import pytest

from monit_agent.cli.render.describe import (
    BLOCKS_SHOWN,
    LABEL_WIDTH,
    METRICS_SHOWN,
    DescribeContext,
    InstanceDetails,
    app_lines,
    instance_lines,
    metric_text,
)
from monit_agent.cli.render.terminal import TerminalTraits
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import (
    ActionsPart,
    AppRecord,
    Blocked,
    Exit,
    Frame,
    HeapFigures,
    InstanceRecord,
    LogEnd,
    LoopFigures,
    Metric,
    Offer,
    Sample,
    TreeFigures,
)
from monit_agent.wire.paths import app_paths

NOW = 1_763_800_000.0
CONTEXT = DescribeContext(
    app_paths("/home", "web"),
    TerminalTraits(is_tty=False, width=0, colour=False, unicode=False),
    NOW,
)
NOTHING = InstanceDetails(None, "out", [])


def described(
    sample: Sample | None = None, details: InstanceDetails = NOTHING, **fields: Any
) -> dict[str, list[str]]:
    """Return the texts of an instance by label; those of further lines follow the label's own."""
    app = AppView(local_app("web"))
    known = {"status": "online", "desired": "running", "ready": True, "pid": 10, **fields}
    view = InstanceView(app.id, InstanceRecord(instance=0, id=3, **known))
    view.sample = sample
    app.instances[0] = view
    app.logs[0, "err"] = LogEnd(instance=0, stream="err", begin=0, end=9, lost_bytes=4096)
    found: dict[str, list[str]] = {}
    label = ""
    for line in instance_lines(app, view, details, CONTEXT):
        label = line[2 : LABEL_WIDTH + 2].strip() or label
        found.setdefault(label, []).append(line[LABEL_WIDTH + 2 :])
    return found


def sample(**parts: Any) -> Sample:
    return Sample(at=NOW - 1, pid=10, **parts)


def test_without_a_sample_nothing_is_invented() -> None:
    """No figure is 0 because it is unknown."""
    texts = described(pid=None, status="stopped")
    assert texts["pid"] == ["-"]
    assert texts["last exits"] == ["none"]
    assert not {"cpu", "memory", "heap", "event loop", "probe", "health"} & {*texts}


def test_what_an_earlier_worker_used_is_not_shown() -> None:
    """A sample is of one pid."""
    assert "cpu" not in described(sample(tree=TreeFigures(cpu_percent=4.0)), pid=11)


def test_a_worker_without_a_probe_says_so() -> None:
    """One line, in the place of heap, loop and requests."""
    texts = described(sample(tree=TreeFigures(rss_bytes=1024**2)))
    assert texts["probe"] == ["none reports from this worker"]
    assert texts["memory"] == ["1.0M, - not shared"]
    assert texts["processes"] == ["-"]
    assert "heap" not in texts


@pytest.mark.parametrize(
    ("heap", "text"),
    [
        ({"source": "rss", "size_bytes": 1024**2}, "1.0M resident, used part unknown"),
        ({"used_bytes": 512 * 1024, "size_bytes": 1024**2}, "512K used of 1.0M"),
        (
            {"used_bytes": 0, "size_bytes": 1024**2, "limit_bytes": 2**32, "limit_percent": 1.0},
            "0B used of 1.0M; limit 4.0G (1.0% used)",
        ),
    ],
)
def test_the_heap_says_what_is_known(heap: dict[str, Any], text: str) -> None:
    """The part in use, the size, and a limit where the runtime has one."""
    assert described(sample(heap=HeapFigures(**heap)))["heap"] == [text]


def test_a_loop_is_described_by_its_percentiles() -> None:
    """Without a loop, a thread's delay stands for it."""
    loop = LoopFigures(
        type="asyncio", utilization=0.125, lag_p50_ms=0.0, lag_p95_ms=1.2, lag_max_ms=1500.0
    )
    texts = described(sample(loop=loop))
    assert texts["event loop"] == ["asyncio, busy 12%"]
    assert texts["event loop lag"] == ["p50 0.0ms, p95 1.2ms, p99 -, max 1.5s"]
    without = described(sample(heap=HeapFigures()))
    assert (without["event loop"], without["thread delay p95"]) == (["none seen"], ["-"])


def blocked(count: int, **fields: Any) -> Blocked:
    frames = (Frame(function="read", file="/lib/io.py", line=1),
              Frame(function="bake", file="/srv/app.py", line=7))  # fmt: skip
    known = {"kind": "callback", "stack": frames, "blocking_frame": 1, **fields}
    return Blocked(count=count, total_ms=2500.0, max_ms=200.0, first_at=NOW, last_at=NOW, **known)


def test_blocks_name_the_line_and_are_bounded() -> None:
    """The rest is counted; an unknown frame is no error."""
    shown = described(
        sample(loop=LoopFigures(type="asyncio")),
        NOTHING._replace(blocks=(
            blocked(1, kind="gc", going_on_ms=1200.0), blocked(17, blocking_frame=9),
            *[blocked(2)] * (BLOCKS_SHOWN + 1),
        )),
    )["blocked at"]  # fmt: skip
    assert shown[0] == ("bake app.py:7 (gc): 1 time, 2.5s total, longest 200ms, now for 1.2s")
    assert shown[1].startswith("unknown: 17 times, ")
    assert shown[BLOCKS_SHOWN:] == ["and 3 more places; see --json"]


def test_own_metrics_actions_and_faults_are_listed() -> None:
    """Bounded as well, and what found no room in the agent is counted."""
    metrics = {f"m{n}": Metric(value=1.0, kind="gauge") for n in range(METRICS_SHOWN + 2)}
    actions = ActionsPart(
        offers=(Offer(name="gc", help="Collect."), Offer(name="x")), lost_metrics=1
    )
    texts = described(
        sample(metrics=metrics), NOTHING._replace(actions=actions, faults=("hook: KeyError",))
    )
    assert texts["metrics"][0] == "m0  1"
    assert texts["metrics"][-2:] == ["and 2 more; see --json", "and 1 metric over the limit"]
    assert texts["actions"] == ["gc  Collect.", "x"]
    assert texts["probe errors"] == ["hook: KeyError"]


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (Metric(value=None, kind="text", text="night shift"), "night shift"),
        (Metric(value=None, kind="text"), "-"),
        (Metric(kind="gauge", value=12.0, unit="jobs"), "12 jobs"),
        (Metric(kind="gauge", value=None), "-"),
        (Metric(kind="counter", value=17.0, unit="orders", rate=0.4), "17 orders, 0.4/s"),
        (Metric(kind="histogram", value=3.0, p95=8.0, unit="ms", rate=12.0),
         "mean 3 ms, p95 8 ms, 12/s"),
        (Metric(value=None, kind="histogram", rate=0.0), "0/s"),
    ],
)  # fmt: skip
def test_a_metric_is_written_by_its_kind(metric: Metric, text: str) -> None:
    """Percentiles that are unknown are left out."""
    assert metric_text(metric) == text


def test_exits_and_lost_output_have_their_labels() -> None:
    """The newest exit first; bytes that found no room on the disk stand at their log."""
    exits = (
        Exit(code=3, at=NOW - 60, ran_s=1.5),
        Exit(signal=9, at=NOW - 5, ran_s=7380.0, requested=True),
    )
    texts = described(exits=exits)
    newest, oldest = texts["last exits"]
    assert newest.endswith("(5s ago)  killed by SIGKILL after 2h03m (requested)")
    assert oldest.endswith("(1m00s ago)  exit code 3 after 1.5s")
    assert texts["out log"] == ["/home/apps/web/logs/0.out.log"]
    assert texts["err log"] == ["/home/apps/web/logs/0.err.log  (4.0K lost; is the disk full?)"]


def test_an_app_that_is_silent_says_why() -> None:
    """Also when nothing else is known of it."""
    app = AppView(local_app("web"))
    app.link, app.problem = "gone", "neither keeper nor agent runs"
    assert app_lines(app, CONTEXT) == ["web  stale: neither keeper nor agent runs"]


def test_foreign_text_of_an_app_is_made_safe() -> None:
    """A script name with control characters reaches no terminal."""
    app = AppView(local_app("web"))
    app.record = AppRecord(
        name="web",
        script="/srv/\x1b]0;x\x07.py",
        argv=("python", "/srv/\x1b[2J.py"),
        cwd="/srv",
        user="me\n",
        created_at=NOW,
    )
    lines = app_lines(app, CONTEXT)
    assert not any("\x1b" in line or "\n" in line for line in lines)
    assert any("started by" in line and "me^J" in line for line in lines)
