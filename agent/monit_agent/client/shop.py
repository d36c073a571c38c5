"""The apps of the scenes: a tea shop that has been open for some hours (`scenes`)."""

import math

from msgspec.structs import replace

from monit_agent.client.chatter import dice, import_crash
from monit_agent.client.replay import START
from monit_agent.client.replay_app import ReplayedApp, Vitals
from monit_agent.wire.messages import (
    AppRecord,
    Exit,
    InstanceRecord,
    Limits,
    Metric,
    Process,
    Sample,
    Status,
)

MIB = 1024 * 1024


def web(breathing: Vitals | None = None, limits: Limits | None = None) -> ReplayedApp:
    """The shop's front, three Python workers."""
    return app(
        "web",
        breathing or selling(vitals(1, heap=True, rps=38.0)),
        ["online"] * 3,
        script="/srv/shop/web.py",
        args=("--port", "8000"),
        interpreter="python3",
        version="2.4.1",
        namespace="shop",
        mode="cluster",
        port=8000,
        limits=limits or Limits(max_memory_bytes=512 * MIB),
    )


def api() -> ReplayedApp:
    """Stock and orders, two Node workers."""
    return app(
        "api",
        vitals(2, heap=True, busy=2.0, rps=55.0),
        ["online"] * 2,
        first_id=3,
        script="/srv/shop/api/server.js",
        interpreter="node",
        version="1.11.0",
        namespace="shop",
        mode="cluster",
        port=8100,
    )


def worker() -> ReplayedApp:
    """Mails and invoices; a master with a pool of three processes."""
    return app(
        "worker",
        vitals(3, pool=3),
        ["online"],
        first_id=5,
        script="/srv/shop/worker.py",
        interpreter="python3",
        namespace="back",
    )


def newsletter() -> ReplayedApp:
    """An app that died at once 16 times and was given up."""
    ends = tuple(Exit(code=1, at=START - 400 - 30 * back, ran_s=0.21) for back in range(9, -1, -1))
    given_up = app(
        "newsletter",
        vitals(4),
        ["errored"],
        first_id=6,
        script="/srv/shop/newsletter.py",
        interpreter="python3",
        namespace="back",
    )
    given_up.change(
        0,
        restarts=15,
        unstable_restarts=16,
        exits=ends,
        restart_times=tuple(end.at for end in ends),
        reason="died 16 times before it was online, last with code 1 after 0.2 s",
    )
    given_up.print(0, "err", import_crash(0, START - 400), START - 400)
    given_up.happened("errored", 0, "16 unstable exits in a row")
    return given_up


def search() -> ReplayedApp:
    """An app whose workers end early: its next start is some seconds away."""
    return app(
        "search",
        vitals(5),
        ["backoff"],
        first_id=7,
        script="/srv/shop/search/run.sh",
        interpreter="bash",
        namespace="shop",
    )


def app(
    name: str,
    breathing: Vitals,
    states: list[Status],
    *,
    first_id: int = 0,
    script: str = "/srv/shop/main.py",
    args: tuple[str, ...] = (),
    interpreter: str | None = "python3",
    version: str | None = None,
    namespace: str = "default",
    mode: str = "fork",
    port: int | None = None,
    limits: Limits | None = None,
) -> ReplayedApp:
    """Make an app that has been there for a good hour."""
    born = START - 7384.0 - 60 * (dice(first_id) % 90)
    record = AppRecord(
        name=name,
        namespace=namespace,
        version=version,
        mode=mode,
        script=script,
        args=args,
        argv=(*((interpreter,) if interpreter else ()), script, *args),
        interpreter=interpreter,
        cwd=script.rpartition("/")[0],
        user="shop",
        port=port,
        limits=limits or Limits(),
        instances=len(states),
        keeper_pid=4000 + 10 * first_id,
        created_at=born,
    )
    slots = [_slot(record, first_id, number, status) for number, status in enumerate(states)]
    made = ReplayedApp(record, slots, breathing, first_pid=5200 + 100 * first_id)
    made.happened("keeper_started", None, f"pid {record.keeper_pid}")
    for slot in slots:
        if slot.pid is not None:
            made.happened("spawned", slot.instance, f"pid {slot.pid}")
            made.happened("ready", slot.instance)
    return made


def _slot(record: AppRecord, first_id: int, number: int, status: Status) -> InstanceRecord:
    up = status == "online"
    return InstanceRecord(
        instance=number,
        id=first_id + number,
        status=status,
        wanted="stopped" if status == "stopped" else "running",
        ready=up,
        pid=4003 + 10 * first_id + number if up else None,
        started_at=record.created_at + 1 + number if up else None,
    )


def mostly_well(place: int, number: int) -> Status:
    """Give a state: most of a thousand instances are well."""
    throw = dice(place, number) % 40
    return "errored" if throw == 0 else "stopped" if throw == 1 else "online"


def vitals(
    seed: int, *, heap: bool = False, busy: float = 1.0, rps: float = 0.0, pool: int = 0
) -> Vitals:
    """Give vitals that breathe over minutes; ``heap`` adds what a probe would report, ``rps``
    (about so many a second) what it would of HTTP requests, and the worker has ``pool`` processes
    below it."""

    def breathe(record: InstanceRecord, at: float) -> Sample:
        phase = seed * 1.7 + record.instance * 0.9
        wave = math.sin(at / 47 + phase) + 0.6 * math.sin(at / 11 + 2 * phase)
        spike = 30.0 if dice(seed, record.instance, int(at) // 3) % 53 == 0 else 0.0
        cpu = busy * (4.0 + 1.8 * wave + dice(seed, record.instance, int(at)) % 100 / 90) + spike
        rss = (68 + 9 * seed + 6 * math.sin(at / 300 + phase) + at % 40 * 0.2) * MIB
        plain = Sample(
            at=at,
            pid=record.pid,
            cpu_percent=round(max(0.1, cpu), 1),
            rss_bytes=int(rss),
            threads=4 + seed,
            fds=21 + dice(seed, record.instance, int(at) // 5) % 9,
            children=pool,
            ppid=4000,
            processes=_pool(record, at, int(rss), cpu, pool),
        )
        inner = _with_heap(plain, spike) if heap else plain
        return _with_http(inner, rps * (1 + 0.3 * wave), spike) if rps else inner

    return breathe


def _with_http(inner: Sample, rps: float, spike: float) -> Sample:
    usual = 3.0 + (inner.cpu_percent or 0.0) * 0.2
    return replace(
        inner,
        http_rps=round(max(1.0, rps), 1),
        http_errors_per_s=0.2 if spike else 0.0,
        http_p50_ms=round(usual, 1),
        http_p95_ms=round(usual * 3 + 2 * spike, 1),
        http_p99_ms=round(usual * 5 + 5 * spike, 1),
        http_max_ms=round(usual * 8 + 7 * spike, 1),
        http_in_flight=int(rps * usual / 1000 + spike / 5),
    )


def _pool(
    record: InstanceRecord, at: float, rss: int, cpu: float, count: int
) -> tuple[Process, ...]:
    """Give processes that share most of a tree's CPU and memory unevenly."""
    pid = record.pid or 0
    work = [1 + dice(pid, number, int(at) // 4) % 9 for number in range(count)]
    return tuple(
        Process(
            pid=pid + 11 + 3 * number,
            ppid=pid,
            name="python3 worker.py",
            started_at=(record.started_at or at) + 0.4,
            cpu_percent=round(max(0.1, 0.9 * cpu * share / sum(work)), 1),
            rss_bytes=rss // (count + 2) + 2 * MIB * number,
            threads=2,
            fds=9 + number,
        )
        for number, share in enumerate(work)
    )


def _with_heap(plain: Sample, spike: float) -> Sample:
    size = int((plain.rss_bytes or 0) * 0.7)
    used = int(size * (0.55 + plain.at % 40 * 0.009))
    lag = 0.6 + (plain.cpu_percent or 0.0) * 0.11
    return Sample(
        at=plain.at,
        pid=plain.pid,
        cpu_percent=plain.cpu_percent,
        rss_bytes=plain.rss_bytes,
        threads=plain.threads,
        fds=plain.fds,
        children=plain.children,
        ppid=plain.ppid,
        heap_size_bytes=size,
        heap_used_bytes=used,
        heap_usage_percent=round(100 * used / size, 1),
        loop_lag_p50_ms=round(lag * 0.4, 2),
        loop_lag_p95_ms=round(lag * 2 + spike, 2),
        loop_lag_p99_ms=round(lag * 3 + spike * 2, 2),
        loop_lag_max_ms=round(lag * 4 + spike * 4, 2),
        loop_utilization=round(min(1.0, (plain.cpu_percent or 0.0) / 60), 3),
    )


def selling(breathe: Vitals) -> Vitals:
    """Add what the shop's front counts of its own: orders, baskets, and how checkouts went."""

    def sell(record: InstanceRecord, at: float) -> Sample:
        plain = breathe(record, at)
        wave = math.sin(at / 47 + record.instance) + 0.5 * math.sin(at / 13)
        rate = 0.8 + 0.3 * wave + dice(record.instance, int(at) // 5) % 10 / 20
        slow = 1 + (plain.loop_lag_p95_ms or 0.0) / 40
        checkout = Metric(
            kind="histogram", unit="ms", rate=round(rate, 2), value=round(41 * slow, 1),
            p50=round(36 * slow, 1), p95=round(88 * slow, 1), p99=round(140 * slow, 1),
        )  # fmt: skip
        orders = 0.8 * (at - (record.started_at or at))
        return replace(plain, metrics={
            "orders": Metric(value=int(orders), kind="counter", rate=round(rate, 2)),
            "open baskets": Metric(value=round(14 + 5 * wave), unit="baskets", agg="sum"),
            "checkout": checkout,
            "catalogue": Metric(value=None, kind="text", text="2026-03 spring"),
        })  # fmt: skip

    return sell


def swollen(record: InstanceRecord, at: float) -> Sample:
    """Memory that has grown to just under the limit of 256 MiB; the loop is slow with it."""
    calm = vitals(1, rps=20.0)(record, at)
    ran_s = max(0.0, at - (record.started_at or at))
    rss = int(min(60 + ran_s / 30, 247 + math.sin(at / 9)) * MIB)
    busy = Sample(
        at=at,
        pid=record.pid,
        cpu_percent=(calm.cpu_percent or 0.0) + 40,
        rss_bytes=rss,
        threads=calm.threads,
        fds=calm.fds,
        children=0,
        ppid=calm.ppid,
    )
    return _with_http(_with_heap(busy, 180.0), calm.http_rps or 0.0, 180.0)
