"""The short way of `monit list` shows what the long way shows."""

import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from monit_agent import __version__
from monit_agent.cli.render.columns import instance_table, rows_of_app, with_processes
from monit_agent.cli.render.listing import objects_of
from monit_agent.cli.render.terminal import TerminalTraits
from monit_agent.client import fold
from monit_agent.client.listing import ANSWER, REQUEST, NoListingError, app_of_listing
from monit_agent.client.text.manager import manager_problems
from monit_agent.client.view import AppView
from monit_agent.wire import codec
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import (
    AlertRecord,
    AppRecord,
    AppSnapshot,
    CollectorFigures,
    Exit,
    Health,
    HeapFigures,
    HookRecord,
    HttpFigures,
    InstanceRecord,
    Listing,
    ListingPart,
    LoopFigures,
    Metric,
    Process,
    Sample,
    SchedulingFigures,
    TreeFigures,
    WatchState,
)
from monit_agent.wire.metrics import PROCESS_FIELDS

NOW = 1_000.0
TERMINAL = TerminalTraits(is_tty=True, width=200, colour=True, unicode=True)
PIPE = TerminalTraits(is_tty=False, width=80, colour=False, unicode=True)

APP = AppRecord(
    name="web", version="1.2", script="/srv/\udcff.py", interpreter="python3", cwd="/srv",
    user="shop", watching=True, created_at=1.0, problems=("it cannot write",),
    watch=WatchState(restarts=3, last_at=990.0, last_cause="app.py"), keeper_version=__version__,
)  # fmt: skip
SAMPLE = Sample(
    at=999.0, pid=11, ppid=1, user="www", tree=TreeFigures(cpu_percent=12.5, rss_bytes=9_000_000,
    threads=3, fds=8, children=2), heap=HeapFigures(size_bytes=5, used_bytes=4, source="malloc"),
    collector=CollectorFigures(collections=3, total_ms=1.5),
    scheduling=SchedulingFigures(delay_p95_ms=0.5), loop=LoopFigures(type="asyncio", pid=11,
    lag_p95_ms=4.5), http=HttpFigures(requests_per_s=3.5), stuck_s=0.5,
    metrics={"orders": Metric(value=3.0, kind="counter", rate=0.5), "type": Metric(value=None)},
    health=Health(ok=False, failures=2, at=998.0, text="status 500"),
    processes=(
        Process(pid=12, ppid=11, name="child", probe=True), Process(pid=13, ppid=12, name="x")
    ),
)  # fmt: skip
BUSY = InstanceRecord(
    instance=0, id=4, status="online", desired="running", ready=True, pid=11, started_at=900.0,
    restarts=4, restart_times=(950.0, 960.0, 970.0), earlier_restarts=((940.0, 2),),
    exits=(Exit(code=3, at=960.0, ran_s=2.0), Exit(signal=9, at=970.0, ran_s=1.0)),
)  # fmt: skip
STOPPED = InstanceRecord(instance=1, id=5, status="stopped", desired="stopped", ready=False)
SNAPSHOT = AppSnapshot(
    epoch=7, event_seq=3, agent_pid=9, agent_version=__version__, app=APP,
    instances=(STOPPED, BUSY), samples={0: SAMPLE, 1: Sample(at=999.0)}, keeper_alive=False,
    alerts=(AlertRecord(rule="loop-lag", instance=0, since=990.0, value=1.0, threshold=0.5),),
    hooks=(HookRecord(hook="command", target="mail", problem="exit code 1"),),
)  # fmt: skip


def answer_of(snapshot: AppSnapshot) -> bytes:
    """Return what an agent sends."""
    return codec.encode(ListingPart(json=codec.record_json(snapshot)))


def long_way(snapshot: AppSnapshot) -> AppView:
    """Return the app as it is known with the types of messages."""
    app = AppView(local_app(snapshot.app.name))
    received = codec.decode(msgspec.msgpack.Decoder(AppSnapshot), codec.encode(snapshot))
    fold.apply_snapshot(app, received, 0.0)
    return app


@pytest.mark.parametrize(
    "snapshot",
    [SNAPSHOT, msgspec.structs.replace(SNAPSHOT, instances=(), samples={}, keeper_alive=True)],
    ids=["all fields", "no instances"],
)
def test_both_ways_show_the_same(snapshot: AppSnapshot) -> None:
    """Table, columns, JSON and problems are the same, whatever fields have values."""
    short, long = app_of_listing("web", answer_of(snapshot)), long_way(snapshot)

    assert objects_of(rows_of_app(short), NOW) == objects_of(rows_of_app(long), NOW)
    for screen in (TERMINAL, PIPE):
        tables = [
            instance_table(with_processes(rows_of_app(app)), screen, NOW) for app in (short, long)
        ]
        assert tables[0] == tables[1]
    assert manager_problems(short) == manager_problems(long)


@pytest.mark.parametrize("size", [0, 255, 256, 65_535, 65_536])
def test_the_bytes_are_those_of_the_codec(size: int) -> None:
    """Request and answer are written and read without msgspec, and are what it writes."""
    raw = codec.encode(ListingPart(json=b" " * size))

    assert codec.encode(Listing()) == REQUEST
    assert raw.startswith(ANSWER)
    assert raw.endswith(b" " * size)
    assert Process.__struct_fields__ == PROCESS_FIELDS


def test_a_long_answer_is_read() -> None:
    """Its length is written in more bytes then."""
    long = {str(number): Metric(value=1.0, text="x" * 100) for number in range(1_000)}
    sample = msgspec.structs.replace(SAMPLE, metrics=long)
    snapshot = msgspec.structs.replace(SNAPSHOT, samples={0: sample})

    (_, view) = min(app_of_listing("web", answer_of(snapshot)).instances.items())

    assert view.sample is not None
    assert len(view.sample.metrics) == 1_000


def test_another_version_is_not_read() -> None:
    """It may mean something else by the same names: the long way knows what to do."""
    other = msgspec.structs.replace(SNAPSHOT, agent_version="99.0")

    with pytest.raises(NoListingError):
        app_of_listing("web", answer_of(other))
    with pytest.raises(NoListingError):
        app_of_listing("web", codec.encode(SNAPSHOT))


MANY = """
import resource, sys
from monit_agent.client.listing import NoListingError, request_apps
from types import SimpleNamespace
resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
try:
    request_apps([SimpleNamespace(name=f"a{n}", ctl=sys.argv[1]) for n in range(50)])
except NoListingError as error:
    print(error)
"""


def test_more_apps_than_descriptors_take_the_long_way(tmp_path: Path) -> None:
    """It says what is wrong; this one has no traceback."""
    path = str(tmp_path / "ctl")
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(path)
        agent.listen(100)
        words = [sys.executable, "-c", MANY, path]
        done = subprocess.run(words, capture_output=True, text=True)
    assert "Too many open files" in done.stdout, done.stderr
