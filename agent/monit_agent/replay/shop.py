"""The apps of the scenes: a tea shop that has been open for some hours (`scenes`)."""

import math

from msgspec.structs import replace

from monit_agent.replay.app import ReplayedApp, Vitals
from monit_agent.replay.chatter import dice, import_crash
from monit_agent.replay.commands import carry_out
from monit_agent.replay.source import START
from monit_agent.replay.workers import Plan, WorkerPlan
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.wire.messages import (
    HeapFigures,
    HttpFigures,
    InstanceRecord,
    LoopFigures,
    Metric,
    Process,
    Sample,
    Status,
    Stop,
    TreeFigures,
)
from monit_agent.wire.metrics import figure

MIB = 1024 * 1024


def web(breathing: Vitals | None = None, policy: RestartPolicy | None = None) -> ReplayedApp:
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
        policy=policy or RestartPolicy(max_memory_bytes=512 * MIB),
    )


def api(*, crashes_since_s: float | None = None) -> ReplayedApp:
    """Stock and orders, two Node workers; they exit every 2.5 s since so many seconds."""
    return _api(None if crashes_since_s is None else _crash_loop(crashes_since_s))


def _api(plan: Plan | None) -> ReplayedApp:
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
        plan=plan,
    )


def api_of_outage(begins_s: float, launches: int) -> ReplayedApp:
    """The API, of which one worker loses its database ``begins_s`` into the scene and exits, as
    do the next ``launches`` - 1 workers, before the database answers again."""

    def plan(instance: int, launch: int) -> WorkerPlan:
        loses = instance == 1 and launch < launches
        return WorkerPlan(
            listens_after_s=LISTENS_AFTER_S,
            exits_after_s=(1.6 if launch else age_s(3) + begins_s) if loses else None,
            last_words=(("err", DATABASE_LOST),),
        )

    return _api(plan)


DATABASE_LOST = (
    b"Error: connect ECONNREFUSED 10.8.0.3:5432\n"
    b"    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1607:16)\n"
    b"    at async Pool.connect (/srv/shop/api/node_modules/pg-pool/index.js:45:11)\n"
    b"    at async reserve (/srv/shop/api/stock.js:44:20)\n"
)


def _crash_loop(since_s: float) -> Plan:
    """Listen, lose the database, exit: again and again."""

    def plan(instance: int, launch: int) -> WorkerPlan:
        well_s = age_s(3) - since_s + instance
        return WorkerPlan(
            listens_after_s=LISTENS_AFTER_S,
            exits_after_s=2.5 if launch else well_s,
            last_words=(("err", b"Error: connect ECONNREFUSED 10.8.0.3:5432\n"),),
        )

    return plan


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
    """An app that exited at once 16 times; it is errored since some minutes."""
    return app(
        "newsletter",
        vitals(4),
        ["errored"],
        first_id=6,
        script="/srv/shop/newsletter.py",
        interpreter="python3",
        namespace="back",
        created_s_ago=640.0,
        plan=lambda instance, _launch: WorkerPlan(
            exits_after_s=0.21, last_words=(("err", import_crash(instance)),)
        ),
    )


def search() -> ReplayedApp:
    """An app whose workers exit at once: 6 failed starts, the next one is some seconds away."""
    return app(
        "search",
        vitals(5),
        ["backoff"],
        first_id=7,
        script="/srv/shop/search/run.sh",
        interpreter="bash",
        namespace="shop",
        created_s_ago=145.0,
        policy=RestartPolicy(backoff_first_s=16.0),
        plan=lambda _instance, _launch: WorkerPlan(
            exits_after_s=0.03,
            code=127,
            last_words=(("err", b"run.sh: line 7: elasticsearch: command not found\n"),),
        ),
    )


LISTENS_AFTER_S = 0.6


def age_s(first_id: int) -> float:
    """Return how long an app has been there: a good hour or more."""
    return 7384.0 + 60 * (dice(first_id) % 90)


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
    policy: RestartPolicy | None = None,
    plan: Plan | None = None,
    created_s_ago: float | None = None,
) -> ReplayedApp:
    """Return an app that has been there for a good hour, or since ``created_s_ago``.

    Without a ``plan``, each worker does what makes its instance have its state of ``states``.
    """
    spec = AppSpec(
        name=name,
        script=script,
        argv=(*((interpreter,) if interpreter else ()), script, *args),
        cwd=script.rpartition("/")[0],
        user="shop",
        args=args,
        interpreter=interpreter,
        namespace=namespace,
        version=version,
        mode=mode,
        instances=len(states),
        port=port,
        created_at=START - (age_s(first_id) if created_s_ago is None else created_s_ago),
        policy=policy or RestartPolicy(),
    )

    replayed = ReplayedApp(
        spec,
        breathing,
        plan or _plan_for_states(spec, states),
        first_id=first_id,
        keeper_pid=4000 + 10 * first_id,
        later_pid=5207 + 100 * first_id,
    )
    stopped = tuple(number for number, state in enumerate(states) if state == "stopped")
    if stopped:
        carry_out(replayed, Stop(instances=stopped))
    return replayed


def _plan_for_states(spec: AppSpec, states: list[Status]) -> Plan:
    """Return the plan whose workers make each instance have its state."""

    def plan(instance: int, _launch: int) -> WorkerPlan:
        if instance < len(states) and states[instance] == "errored":
            missing = f"cannot execute {spec.script}: No such file or directory"
            return WorkerPlan(cannot_start=missing)
        return WorkerPlan(listens_after_s=LISTENS_AFTER_S if spec.port is not None else None)

    return plan


def mostly_well(place: int, number: int) -> Status:
    """Return a state: most of a thousand instances are well."""
    throw = dice(place, number) % 40
    return "errored" if throw == 0 else "stopped" if throw == 1 else "online"


def vitals(
    seed: int, *, heap: bool = False, busy: float = 1.0, rps: float = 0.0, pool: int = 0
) -> Vitals:
    """Return vitals that vary over minutes; ``heap`` adds what a probe would report, ``rps``
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
            ppid=4000,
            user="shop",
            tree=TreeFigures(
                cpu_percent=round(max(0.1, cpu), 1),
                rss_bytes=int(rss),
                threads=4 + seed,
                fds=21 + dice(seed, record.instance, int(at) // 5) % 9,
                children=pool,
            ),
            processes=_pool(record, at, int(rss), cpu, pool),
        )
        inner = with_heap(plain, spike) if heap else plain
        return with_http(inner, rps * (1 + 0.3 * wave), spike) if rps else inner

    return breathe


def with_http(inner: Sample, rps: float, spike: float) -> Sample:
    """Add what a probe reports of HTTP requests; a ``spike`` (ms) makes them slow."""
    usual = 3.0 + (inner.tree.cpu_percent or 0.0) * 0.2
    http = HttpFigures(
        requests_per_s=round(max(1.0, rps), 1),
        errors_per_s=0.2 if spike else 0.0,
        p50_ms=round(usual, 1),
        p95_ms=round(usual * 3 + 2 * spike, 1),
        p99_ms=round(usual * 5 + 5 * spike, 1),
        max_ms=round(usual * 8 + 7 * spike, 1),
        in_flight=int(rps * usual / 1000 + spike / 5),
    )
    return replace(inner, http=http)


def _pool(
    record: InstanceRecord, at: float, rss: int, cpu: float, count: int
) -> tuple[Process, ...]:
    """Return processes that share most of a tree's CPU and memory unevenly."""
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


def with_heap(plain: Sample, spike: float) -> Sample:
    """Add what a probe reports of heap and event loop; a ``spike`` (ms) blocks the loop."""
    size = int((plain.tree.rss_bytes or 0) * 0.7)
    used = int(size * (0.55 + plain.at % 40 * 0.009))
    cpu = plain.tree.cpu_percent or 0.0
    lag = 0.6 + cpu * 0.11
    return replace(
        plain,
        heap=HeapFigures(
            size_bytes=size, used_bytes=used, usage_percent=round(100 * used / size, 1)
        ),
        loop=LoopFigures(
            lag_p50_ms=round(lag * 0.4, 2),
            lag_p95_ms=round(lag * 2 + spike, 2),
            lag_p99_ms=round(lag * 3 + spike * 2, 2),
            lag_max_ms=round(lag * 4 + spike * 4, 2),
            utilization=round(min(1.0, cpu / 60), 3),
        ),
    )


def selling(breathe: Vitals) -> Vitals:
    """Add what the shop's front counts of its own: orders, baskets, and how checkouts went."""

    def sell(record: InstanceRecord, at: float) -> Sample:
        plain = breathe(record, at)
        wave = math.sin(at / 47 + record.instance) + 0.5 * math.sin(at / 13)
        rate = 0.8 + 0.3 * wave + dice(record.instance, int(at) // 5) % 10 / 20
        slow = 1 + (figure(plain, "loop_lag_p95_ms") or 0.0) / 40
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
    cpu = (calm.tree.cpu_percent or 0.0) + 40
    busy = replace(
        calm,
        tree=replace(calm.tree, cpu_percent=cpu, rss_bytes=rss, children=0),
        http=None,
    )
    return with_http(with_heap(busy, 180.0), figure(calm, "http_rps") or 0.0, 180.0)
