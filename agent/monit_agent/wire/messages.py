"""What agents and clients say to each other. READ THIS FIRST; ``agent/PROTOCOL.md`` tells
how the messages travel.

All numbers carry their unit in the name: ``_s`` seconds, ``_ms`` milliseconds, ``_ns``
nanoseconds, ``_bytes``, ``_percent`` (of one core for CPU). Times called ``at`` are seconds
of the wall clock since 1970. Unknown is None, never 0.
"""

from typing import Literal

import msgspec

from monit_agent.wire.limits import PROTOCOL_VERSION

Status = Literal["starting", "online", "draining", "stopping", "stopped", "backoff", "errored"]
Wanted = Literal["running", "stopped"]
Stream = Literal["out", "err"]
HappeningKind = Literal[
    "keeper_started", "agent_started", "agent_exited", "adopted",
    "asked", "scaled", "flushed",
    "spawned", "ready", "exited", "left_behind", "backoff", "errored",
    "stopping", "killed", "stopped", "unready",
    "reload_started", "reload_step", "reload_done", "reload_failed",
    "port_taken", "log_lost", "log_resumed", "state_unsaved", "state_saved",
    "stuck", "unstuck", "unhealthy", "healthy",
]  # fmt: skip


class Record(msgspec.Struct, frozen=True):
    """Base of what is kept and sent; unknown fields of a newer agent are ignored."""


# ---------------------------------------------------------------- what is known of an app


class Exit(Record, frozen=True, kw_only=True):
    """How a worker ended. ``code`` and ``signal`` are None when nobody could see it: a worker
    that was adopted is not the keeper's child, so the kernel tells only that it is gone."""

    code: int | None = None
    signal: int | None = None
    at: float
    ran_s: float
    asked: bool = False
    """True when somebody asked for it (stop, restart, reload, scale, delete)."""


class Second(Record, frozen=True, kw_only=True):
    """The other worker of a slot, for the while of a replacement without a gap: an ``heir`` that
    starts and shall take over, or one that goes: ``quiescing`` takes no new connections,
    ``leaving`` was told to stop. Who goes is the old worker, or, started later than the slot's
    own, an heir that failed or was sent away."""

    pid: int | None = None
    role: Literal["heir", "quiescing", "leaving"]
    started_at: float | None = None
    ready: bool = False
    """An heir listens, and has only to live for ``min_uptime``."""


class InstanceRecord(Record, frozen=True, kw_only=True):
    """A slot of an app and the worker in it, as the keeper knows it."""

    instance: int
    id: int
    """Unique over all apps of a home, as pm2's ids are."""
    status: Status
    wanted: Wanted
    ready: bool
    pid: int | None = None
    started_at: float | None = None
    """When the present worker was started; None without one."""
    restarts: int = 0
    """How many times a worker of this slot was replaced, asked for or not (pm2's ↺)."""
    unstable_restarts: int = 0
    """Exits before the worker was online, in a row and within the restart window."""
    restart_times: tuple[float, ...] = ()
    """When workers ended unasked within the last hour, newest last, at most 200."""
    exits: tuple[Exit, ...] = ()
    """The last exits, newest last, at most 10."""
    next_start_at: float | None = None
    """In ``backoff``: when the next worker is started."""
    reason: str | None = None
    """Why it is ``errored``, or cannot be started, or is not ready yet."""
    adopted: bool = False
    """True when a keeper took the worker over from one that died."""
    second: Second | None = None


class Limits(Record, frozen=True, kw_only=True):
    """The part of the restart policy that a person wants to see."""

    autorestart: bool = True
    min_uptime_s: float = 1.0
    max_restarts: int = 16
    kill_timeout_s: float = 10.0
    listen_timeout_s: float = 30.0
    stop_signal: str = "SIGTERM"
    stop_exit_codes: tuple[int, ...] = ()
    max_memory_bytes: int | None = None
    cron: str | None = None


class Checks(Record, frozen=True, kw_only=True):
    """How the agent asks the workers whether they are ready and healthy; what is empty is not
    asked. URLs are those of ``wire/checkurl.py``."""

    ready_url: str = ""
    ready_command: tuple[str, ...] = ()
    health_url: str = ""
    health_command: tuple[str, ...] = ()
    health_interval_s: float = 10.0
    health_timeout_s: float = 3.0
    health_failures: int = 3
    health_grace_s: float = 5.0
    restart_stuck_s: float | None = None
    """A worker whose event loop is held up for so long is replaced."""


class Increment(Record, frozen=True, kw_only=True):
    """A variable in which instance n finds ``start`` + n."""

    name: str
    start: int


class AppRecord(Record, frozen=True, kw_only=True):
    """What an app is: its spec and the process that keeps it."""

    name: str
    namespace: str = "default"
    version: str | None = None
    """From the nearest package.json or pyproject.toml; None when there is none."""
    mode: str = "fork"
    script: str
    """What the user named: a path, a module, a command."""
    args: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    """What is executed."""
    interpreter: str | None = None
    cwd: str
    user: str
    port: int | None = None
    watching: bool = False
    wait_ready: bool = False
    limits: Limits = Limits()
    instances: int = 1
    """How many slots the app has."""
    keeper_pid: int | None = None
    created_at: float
    checks: Checks = Checks()
    increment: Increment | None = None
    listen: tuple[str, ...] = ()
    """What the workers inherit as listening sockets: ``HOST:PORT``, ``:PORT``, ``unix:PATH``."""


class Sample(Record, frozen=True, kw_only=True):
    """One second of one instance: sums over its process tree, except where said otherwise."""

    at: float
    pid: int | None = None
    cpu_percent: float | None = None
    rss_bytes: int | None = None
    threads: int | None = None
    fds: int | None = None
    children: int | None = None
    ppid: int | None = None
    heap_size_bytes: int | None = None
    heap_used_bytes: int | None = None
    heap_usage_percent: float | None = None
    heap_src: str | None = None
    """Where the heap's numbers come from: ``malloc`` (the allocators of a Python process),
    ``v8``, or ``rss`` (no more can be had: the size is the resident memory); None: no probe."""
    gc_collections: int | None = None
    gc_ms: float | None = None
    """Collections and time spent in them since the worker's processes started."""
    gc_max_ms: float | None = None
    """Longest pause within the window of `limits.PROBE_WINDOW_S`, as all of the following."""
    tasks: int | None = None
    handles: int | None = None
    sched_delay_p95_ms: float | None = None
    sched_delay_max_ms: float | None = None
    """How long a thread that could run had to wait for the interpreter and a CPU; the worst
    process of the tree."""
    loop_type: str | None = None
    """``asyncio`` ``uvloop`` ``trio`` ``node``; None when no event loop was seen."""
    loop_blocks: int | None = None
    """How often a loop was held up for 100 ms or longer since the processes started."""
    loop_lag_p50_ms: float | None = None
    """Lag: how long something that became due had to wait; the worst loop of the tree."""
    loop_lag_p95_ms: float | None = None
    loop_lag_p99_ms: float | None = None
    loop_lag_max_ms: float | None = None
    loop_utilization: float | None = None
    metrics: dict[str, "Metric"] = {}
    http_rps: float | None = None
    """HTTP requests answered per second; None where no server that is known was seen in the
    worker's processes. As all of ``http_``, sums over these, and over the window."""
    http_errors_per_s: float | None = None
    """Of these, those with a status of 500 and above, or broken off by an exception."""
    http_p50_ms: float | None = None
    """Latency, from the request's headers to the end of its response; None without a request."""
    http_p95_ms: float | None = None
    http_p99_ms: float | None = None
    http_max_ms: float | None = None
    http_in_flight: int | None = None
    """Requests that wait for the end of their response at this moment."""
    stuck_s: float | None = None
    """For how long an event loop of the tree has been held up at this moment; None when none runs,
    as far as is known. A process that is halted (SIGSTOP) counts from its last report on."""
    health: "Health | None" = None
    """What the health check says; None where there is none."""
    processes: tuple["Process", ...] = ()
    """The processes below the worker, those with the largest share of the tree's CPU or memory
    first, at most `limits.PROCESSES`; ``children`` counts them all. Not kept in the history."""
    loop_pid: int | None = None
    """Whose loop is the worst, when the tree has several processes."""


class Health(Record, frozen=True, kw_only=True):
    """What the health check of one worker says."""

    ok: bool | None = None
    """Of the last check; None before the first."""
    failures: int = 0
    """In a row, up to now."""
    at: float | None = None
    """When the last check ended."""
    text: str = ""
    """What came of it: ``status 200``, ``no answer within 3 s``, ``exit code 1: no disk``."""


class Process(Record, frozen=True, kw_only=True, array_like=True):
    """A process that a worker, or one of its children, started; an array on the wire, as there
    may be hundreds of them each second. Its figures are its own, without its children's."""

    pid: int
    ppid: int
    name: str
    """Short and printable: its title, or program and script. No other arguments, because those
    may hold secrets."""
    started_at: float | None = None
    cpu_percent: float | None = None
    rss_bytes: int | None = None
    threads: int | None = None
    fds: int | None = None
    probe: bool = False
    """Whether a probe reports from it; without one, what follows is unknown."""
    heap_used_bytes: int | None = None
    loop_lag_p95_ms: float | None = None
    """Of its worst loop."""
    loop_utilization: float | None = None


MetricKind = Literal["gauge", "counter", "histogram", "text"]

Aggregate = Literal["avg", "sum", "max", "min"]


class Metric(Record, frozen=True, kw_only=True):
    """One of the app's own metrics, over all processes of an instance. ``value`` is a gauge's
    value now, a counter's count since those processes started, a histogram's mean over the
    window of `limits.PROBE_WINDOW_S`; None when it is not known, as a histogram's without any
    observation within the window."""

    value: float | None
    unit: str = ""
    kind: MetricKind = "gauge"
    text: str | None = None
    """Of the kind ``text``, which has no value."""
    rate: float | None = None
    """Per second over the window: a counter's growth, a histogram's observations."""
    p50: float | None = None
    """A histogram's percentiles over the window."""
    p95: float | None = None
    p99: float | None = None
    agg: Aggregate = "avg"
    """How the gauges of several processes, or instances, combine; all else adds up."""


class Frame(Record, frozen=True, kw_only=True):
    """One level of a stack."""

    file: str
    line: int
    function: str


BlockKind = Literal["culprit", "saturated", "gil", "gc"]


class Blocked(Record, frozen=True, kw_only=True):
    """Where event loops of an instance were held up for 100 ms or longer, equal stacks folded.

    ``culprit``: one callback; ``saturated``: many short ones; ``gil``: another thread, whose
    stack it is, kept the interpreter; ``gc``: the garbage collector.
    """

    kind: BlockKind
    stack: tuple[Frame, ...]
    """Innermost first."""
    culprit: int = 0
    """Which frame to name: the innermost of the app's own code, else the innermost."""
    count: int
    total_ms: float
    max_ms: float
    first_at: float
    last_at: float
    going_on_ms: float | None = None
    """How long it has lasted, when it goes on at this moment; not counted yet above."""


class Happening(Record, frozen=True, kw_only=True):
    """One line of the Events pane."""

    seq: int
    """Counted by the keeper from 1, without gaps while it lives."""
    at: float
    kind: HappeningKind
    instance: int | None = None
    text: str = ""
    by: str | None = None
    """Who asked, as ``user:pid`` of the client; None when nobody did."""


class Roll(Record, frozen=True, kw_only=True):
    """A rolling reload, under way until it has ``failed`` and nobody is ``current`` any more;
    one that succeeded is None."""

    waiting: tuple[int, ...] = ()
    """Not begun; when it has failed: not replaced."""
    current: tuple[int, ...] = ()
    """Being replaced now, at most ``parallel``."""
    done: tuple[int, ...] = ()
    failed: str | None = None
    """Why nobody else is begun."""
    parallel: int = 1
    broken: tuple[tuple[int, str], ...] = ()
    """Instances whose new worker did not come up, each with why."""
    cancelled: bool = False
    """Somebody put an end to it; ``failed`` says who."""

    @property
    def under_way(self) -> bool:
        """True as long as something of it goes on."""
        return self.failed is None or bool(self.current)


class LogEnd(Record, frozen=True, kw_only=True):
    """How far a stream reaches: logical offsets, see ``wire/timeindex.py``."""

    instance: int
    stream: Stream
    begin: int
    end: int
    lost_bytes: int = 0
    """Bytes that could not be written (full disk) since the keeper started."""


# ------------------------------------------------------------ events


class AppChanged(Record, frozen=True, kw_only=True, tag="app"):
    """The app itself changed: spec, number of slots, keeper, or a reload under way."""

    app: AppRecord
    roll: Roll | None = None


class InstanceChanged(Record, frozen=True, kw_only=True, tag="instance"):
    """One slot changed; the record is whole, not a difference."""

    instance: InstanceRecord


class InstanceGone(Record, frozen=True, kw_only=True, tag="gone"):
    """The slot was scaled away."""

    instance: int


class Happened(Record, frozen=True, kw_only=True, tag="happened"):
    """Something worth a line happened."""

    happening: Happening


class Bye(Record, frozen=True, kw_only=True, tag="bye"):
    """The app was deleted; its agent leaves now."""


Event = AppChanged | InstanceChanged | InstanceGone | Happened | Bye


class Header(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Second frame of every PUB message."""

    v: int = PROTOCOL_VERSION
    epoch: int
    """When the agent started (ns): another epoch means sequence numbers began anew."""
    seq: int
    """Per topic, from 1: a hole means that messages were dropped on the way."""
    at_ns: int
    offset: int | None = None
    """Log messages: logical offset of the payload's first byte."""
    times: tuple[tuple[int, int], ...] = ()
    """Log messages: (logical offset, wall ns) pairs that date the payload's bytes; the
    first is at or before ``offset``."""


# ------------------------------------------------------------ requests


class Snapshot(Record, frozen=True, kw_only=True, tag="snapshot"):
    """Everything about the app now. Answer: `AppSnapshot`."""


class Start(Record, frozen=True, kw_only=True, tag="start"):
    """Start these stopped or errored instances (None: all). Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None


class Stop(Record, frozen=True, kw_only=True, tag="stop"):
    """Stop these instances; they stay listed. Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None


class Restart(Record, frozen=True, kw_only=True, tag="restart"):
    """Stop and start these instances, all at once. ``env`` replaces the environment that
    workers get. Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None
    env: dict[str, str] | None = None


class Reload(Record, frozen=True, kw_only=True, tag="reload"):
    """Replace these instances, ``parallel`` at a time; each is ready before another one begins.
    The first failure ends it. Answer: `Accepted`, with those of them that run."""

    instances: tuple[int, ...] | None = None
    env: dict[str, str] | None = None
    parallel: int = 1


class CancelReload(Record, frozen=True, kw_only=True, tag="cancel_reload"):
    """End the reload under way: new workers that are not ready go, no more are begun, what is done
    stays done. Answer: `Accepted`, with those whose new worker goes."""


class Scale(Record, frozen=True, kw_only=True, tag="scale"):
    """Make the app have ``count`` slots: new ones start, the highest numbers stop and go.
    Answer: `Accepted`."""

    count: int


class Delete(Record, frozen=True, kw_only=True, tag="delete"):
    """Stop everything, forget the app, keep its log files. Answer: `Accepted`, then `Bye`."""


class Reset(Record, frozen=True, kw_only=True, tag="reset"):
    """Set restart counters and exits of these instances to zero. Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None


class SendSignal(Record, frozen=True, kw_only=True, tag="signal"):
    """Send a signal (``HUP``, ``SIGHUP`` or a number as text) to the workers, or to their
    whole process groups. Answer: `Accepted`."""

    signal: str
    instances: tuple[int, ...] | None = None
    group: bool = False


class Flush(Record, frozen=True, kw_only=True, tag="flush"):
    """Empty the log files of these instances; offsets go on. Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None


class LogRange(Record, frozen=True, kw_only=True, tag="log_range"):
    """Bytes of a stream from logical offset ``start``, at most ``max_bytes``. Answer: `LogPart`."""

    instance: int
    stream: Stream
    start: int
    max_bytes: int = 65536


class LogTail(Record, frozen=True, kw_only=True, tag="log_tail"):
    """The last ``lines`` lines before logical offset ``before`` (None: the end); an unfinished
    one there counts, as it does for ``tail``. The data reaches up to ``before`` and holds at
    most ``LOG_RANGE_BYTES``, cut at the front. Answer: `LogPart`."""

    instance: int
    stream: Stream
    lines: int = 100
    before: int | None = None


class LogSince(Record, frozen=True, kw_only=True, tag="log_since"):
    """The offset of the first line printed at or after ``at`` (wall seconds).
    Answer: `LogPart` with no data."""

    instance: int
    stream: Stream
    at: float


class MetricsRange(Record, frozen=True, kw_only=True, tag="metrics_range"):
    """The samples of one instance of the last ``seconds``. Answer: `MetricsPart`."""

    instance: int
    seconds: int = 300


class Usage(Record, frozen=True, kw_only=True, tag="usage"):
    """Memory that only this instance's tree has (USS), too dear to sample each second.
    Answer: `UsagePart`."""

    instance: int


class BlockedTable(Record, frozen=True, kw_only=True, tag="blocked_table"):
    """Where this instance's event loops were held up. Answer: `BlockedPart`."""

    instance: int


class Actions(Record, frozen=True, kw_only=True, tag="actions"):
    """What can be triggered in this instance (None: in any). Answer: `ActionsPart`."""

    instance: int | None = None


class Trigger(Record, frozen=True, kw_only=True, tag="trigger"):
    """Run an action in every process of this instance (None: of all) that offers it. Answer:
    `TriggerPart`, when all have answered or the time is over."""

    instance: int | None = None
    action: str
    args: tuple[str, ...] = ()
    timeout_s: float = 10.0


Request = (
    Snapshot | Start | Stop | Restart | Reload | CancelReload | Scale | Delete | Reset
    | SendSignal | Flush | LogRange | LogTail | LogSince | MetricsRange | Usage | BlockedTable
    | Actions | Trigger
)  # fmt: skip


# --------------------------------------------------------------------------- answers


class AppSnapshot(Record, frozen=True, kw_only=True, tag="app_snapshot"):
    """Everything at one moment; events with a higher ``event_seq`` come after it."""

    epoch: int
    event_seq: int
    agent_pid: int
    agent_version: str
    app: AppRecord
    roll: Roll | None = None
    instances: tuple[InstanceRecord, ...]
    samples: dict[int, Sample] = {}
    """Newest sample by instance."""
    logs: tuple[LogEnd, ...] = ()
    happenings: tuple[Happening, ...] = ()
    """Oldest first."""
    keeper_alive: bool = True


class Accepted(Record, frozen=True, kw_only=True, tag="accepted"):
    """The keeper took the command; events tell how it goes. ``instances`` are those that it
    concerns, which may be fewer than asked for: a running one is not started again."""

    instances: tuple[int, ...] = ()


class LogPart(Record, frozen=True, kw_only=True, tag="log_part"):
    """Bytes of a stream. ``begin`` and ``end`` are the stream's, as in `LogEnd`."""

    instance: int
    stream: Stream
    offset: int
    data: bytes = b""
    times: tuple[tuple[int, int], ...] = ()
    begin: int
    end: int


class OwnHistory(Record, frozen=True, kw_only=True):
    """The past of one of the app's own metrics: what `metrics.drawn` gave, None for unknown."""

    kind: MetricKind = "gauge"
    unit: str = ""
    values: tuple[float | None, ...] = ()


class MetricsPart(Record, frozen=True, kw_only=True, tag="metrics_part"):
    """Samples, oldest first, without `Sample.metrics`; of those ``own`` has the past by name, with
    a value for each of the samples."""

    instance: int
    samples: tuple[Sample, ...] = ()
    own: dict[str, OwnHistory] = {}


class UsagePart(Record, frozen=True, kw_only=True, tag="usage_part"):
    """USS of an instance's tree; None where the kernel does not tell."""

    instance: int
    uss_bytes: int | None = None


class BlockedPart(Record, frozen=True, kw_only=True, tag="blocked_part"):
    """What was seen since the agent started, longest total first, at most `limits.BLOCKS`."""

    instance: int
    blocks: tuple[Blocked, ...] = ()
    lost: int = 0
    """Blocks that found no room in the table."""
    probes: int = 0
    """Processes of the instance from which a probe reports now; 0: nothing can be known."""
    faults: tuple[str, ...] = ()
    """Errors inside those probes, the last of each."""


class Offer(Record, frozen=True, kw_only=True):
    """An action, and how many processes offer it."""

    name: str
    help: str = ""
    processes: int = 1


class ActionsPart(Record, frozen=True, kw_only=True, tag="actions_part"):
    """What can be triggered, by name."""

    offers: tuple[Offer, ...] = ()
    lost_metrics: int = 0
    """Metrics of these instances that found no room (`limits.METRICS`)."""


class ActionResult(Record, frozen=True, kw_only=True):
    """What one process answered: JSON of what the action gave, or the text of what went wrong."""

    instance: int
    pid: int
    ok: bool
    value: str = ""


class TriggerPart(Record, frozen=True, kw_only=True, tag="trigger_part"):
    """One result for each process that was asked, by instance and pid; without any, nobody offers
    the action, and ``offers`` says what there is."""

    results: tuple[ActionResult, ...] = ()
    offers: tuple[Offer, ...] = ()


ErrorKind = Literal["bad_request", "no_such_instance", "refused", "keeper_gone", "failed"]


class Refused(Record, frozen=True, kw_only=True, tag="refused"):
    """The request was not carried out; ``message`` says why and what to do."""

    kind: ErrorKind
    message: str


Answer = (
    AppSnapshot | Accepted | LogPart | MetricsPart | UsagePart | BlockedPart | ActionsPart
    | TriggerPart | Refused
)  # fmt: skip
