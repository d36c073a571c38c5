"""What programs get to know of apps: the records of ``client/api.py`` and ``monit bridge --json``.

``docs/api.md`` has them as tables, made from this file. Fields are added; none is removed or gets
another meaning while `API_VERSION` stays. Unknown is None, never 0.
"""

from typing import Any, Literal

from monit_agent.wire.messages import (
    AlertRecord,
    Exit,
    Health,
    Metric,
    MetricKind,
    Record,
    Stream,
    WatchState,
)

API_VERSION = 1


class TreeProcess(Record, frozen=True, kw_only=True):
    """A process below the worker, with figures of its own."""

    pid: int
    """The process."""
    ppid: int
    """Its parent."""
    name: str
    """Its title, or program and script; no other arguments."""
    started_at: float | None = None
    """When it was started."""
    cpu_percent: float | None = None
    """Of one core."""
    rss_bytes: int | None = None
    """Resident memory."""
    threads: int | None = None
    """Its threads."""
    fds: int | None = None
    """Open descriptors; null for another user's process."""
    probe: bool = False
    """Whether a probe reports from it; without one, what follows is unknown."""
    heap_used_bytes: int | None = None
    """Used part of its heaps."""
    loop_lag_p95_ms: float | None = None
    """Of its worst event loop."""
    loop_utilization: float | None = None
    """Busy part of that loop, 0 to 1."""


class Instance(Record, frozen=True, kw_only=True):
    """One instance of an app: an object of ``monit list --json``."""

    host: str = ""
    """Empty: this machine."""
    app: str
    """The name of the app."""
    instance: int | None = None
    """Its number; null for an app of which no instance is known."""
    id: int | None = None
    """Unique over all apps of a home."""
    namespace: str | None = None
    """The namespace of the app."""
    version: str | None = None
    """Of the app."""
    mode: str | None = None
    """``fork`` or ``cluster``."""
    type: str | None = None
    """``service``, or ``once`` for a job that runs to its end."""
    watching: bool | None = None
    """Whether it is restarted when its files change."""
    script: str | None = None
    """What is run."""
    interpreter: str | None = None
    """The program that runs the script; null for one that runs by itself."""
    cwd: str | None = None
    """The folder in which it runs."""
    origin_file: str | None = None
    """The config file that the app is from; null for one of the command line."""
    user: str | None = None
    """Who the worker runs as."""
    revision: str | None = None
    """The release that the worker runs: the file ``REVISION`` in its folder or above it, the commit
    of a git repository, or the name of a folder in ``releases/``."""
    status: str | None = None
    """``starting`` ``online`` ``draining`` ``stopping`` ``stopped`` ``backoff`` ``errored``."""
    desired: str | None = None
    """``running`` or ``stopped``."""
    wanted: str | None = None
    """The older name of `desired`."""
    ready: bool | None = None
    """Whether the worker can work: it accepts connections, or passed its check."""
    done: bool | None = None
    """The worker has exited with a code that means success, and is not restarted."""
    pid: int | None = None
    """Of the worker; null without one."""
    ppid: int | None = None
    """The parent of the worker."""
    started_at: float | None = None
    """When the worker was started."""
    uptime_s: float | None = None
    """How long the worker has been running."""
    restarts: int | None = None
    """How often a worker was replaced, requested or not."""
    failed_starts: int | None = None
    """Exits before the worker was online, in a row."""
    unstable_restarts: int | None = None
    """The older name of `failed_starts`."""
    last_exit: Exit | None = None
    """How the last worker exited."""
    cpu_percent: float | None = None
    """Of one core, over the process tree, as the figures that follow."""
    rss_bytes: int | None = None
    """Resident memory; a page that several processes share counts once."""
    threads: int | None = None
    """Threads of the process tree."""
    fds: int | None = None
    """Open descriptors of the process tree; null when one belongs to another user."""
    children: int | None = None
    """Processes below the worker."""
    processes: tuple[TreeProcess, ...] = ()
    """At most 64 of them."""
    heap_size_bytes: int | None = None
    """From here to `sched_delay_max_ms`, and HTTP: of the probe; null without one."""
    heap_used_bytes: int | None = None
    """Used part of the heaps."""
    heap_usage_percent: float | None = None
    """Used part of `heap_size_bytes`; close to 100 in many healthy programs."""
    heap_limit_bytes: int | None = None
    """What the heaps may grow to; Node only."""
    heap_limit_percent: float | None = None
    """Used part of the limit; Node only."""
    heap_src: str | None = None
    """``malloc``, ``v8``, or ``rss``."""
    gc_collections: int | None = None
    """Garbage collections since the processes started."""
    gc_ms: float | None = None
    """Time spent in them."""
    gc_max_ms: float | None = None
    """Longest pause lately."""
    loop_type: str | None = None
    """``asyncio`` ``uvloop`` ``trio`` ``node``."""
    loop_lag_p50_ms: float | None = None
    """How long events waited for the worst event loop lately: the median."""
    loop_lag_p95_ms: float | None = None
    """The 95th percentile of it."""
    loop_lag_p99_ms: float | None = None
    """The 99th percentile of it."""
    loop_lag_max_ms: float | None = None
    """The longest."""
    loop_utilization: float | None = None
    """0 to 1."""
    loop_blocks: int | None = None
    """How often the loop was blocked for 100 ms or longer."""
    loop_pid: int | None = None
    """Whose loop lags most."""
    tasks: int | None = None
    """Tasks of asyncio and trio."""
    handles: int | None = None
    """Active resources of Node."""
    sched_delay_p95_ms: float | None = None
    """How long a thread that could run waited for the interpreter and a CPU."""
    sched_delay_max_ms: float | None = None
    """The longest."""
    stuck_s: float | None = None
    """For how long a loop has been blocked at this moment."""
    http_rps: float | None = None
    """Requests per second."""
    http_errors_per_s: float | None = None
    """Of them, those with a status of 500 and above, or no answer."""
    http_p50_ms: float | None = None
    """Latency lately: the median."""
    http_p95_ms: float | None = None
    """The 95th percentile of it."""
    http_p99_ms: float | None = None
    """The 99th percentile of it."""
    http_max_ms: float | None = None
    """The longest."""
    http_in_flight: int | None = None
    """Requests that are not answered yet."""
    metrics: dict[str, Metric] = {}  # noqa: RUF012 (msgspec makes a new one each time)
    """The app's own, by name."""
    health: Health | None = None
    """The last result of the health check."""
    watch: WatchState | None = None
    """What ``--watch`` did."""
    alerts: tuple[AlertRecord, ...] = ()
    """Those that fire now."""
    age_s: float | None = None
    """Of the measured figures."""
    stale: bool = False
    """The agent does not answer; this is the last known state."""
    problems: tuple[str, ...] = ()
    """What keeper and agent cannot do, why, and the way out."""
    keeper_version: str | None = None
    """The version of monit of the app's keeper."""
    agent_version: str | None = None
    """That of its agent."""


class AppEvent(Record, frozen=True, kw_only=True):
    """An entry of the event log: an object of ``monit events --json``."""

    host: str
    """The machine; empty for this one."""
    app: str
    """The name of the app."""
    instance: int | None
    """Null: the app."""
    at: float
    """When it was."""
    kind: str
    """What it was: ``spawned``, ``ready``, ``exited``, ``requested`` and others."""
    text: str
    """Details for a person."""
    by: str | None
    """Who requested it; null when nobody did."""
    seq: int
    """Counted by the keeper from 1."""


ChangeType = Literal["instance_changed", "instance_removed", "event_added", "app_deleted", "listed"]


class WatchedChange(Record, frozen=True, kw_only=True):
    """What `watch` sends: first every instance, then `listed`, then what changes. States are sent,
    not every step to them: a reader that is slow gets the newest one."""

    type: ChangeType
    """What has changed."""
    host: str = ""
    """The machine; empty for this one."""
    app: str = ""
    """Empty for `listed`."""
    instance: int | None = None
    """The number of the instance; null for what concerns the app."""
    state: Instance | None = None
    """Of `instance_changed`."""
    event: AppEvent | None = None
    """Of `event_added`."""
    dropped: int = 0
    """Events before this one that a slow reader missed; ``monit events`` has them."""


class PrintedLine(Record, frozen=True, kw_only=True):
    """A line that an app printed: what `logs` sends. (host, app, instance, stream, offset) is its
    address, which restarts, rotation and flushing do not change."""

    type: Literal["log"] = "log"
    """Always this."""
    host: str
    """The machine; empty for this one."""
    app: str
    """The name of the app."""
    instance: int
    """The number of the instance."""
    stream: Stream
    """``out`` is standard output, ``err`` standard error."""
    offset: int
    """Of its first byte, counted in bytes from the stream's beginning for ever."""
    at: float | None
    """When it was read from the app."""
    level: str | None
    """``error`` ``warn`` ``info`` ``debug``; null where the line names none."""
    line: str
    """Without the newline; a byte that is not UTF-8 is U+FFFD."""
    ended: bool = True
    """False for a piece of a line of more than a megabyte, or one without a newline so far."""


class LostBytes(Record, frozen=True, kw_only=True):
    """Bytes that are not there any more: rotated away, or emptied by ``monit flush``."""

    type: Literal["log_lost"] = "log_lost"
    """Always this."""
    host: str
    """The machine; empty for this one."""
    app: str
    """The name of the app."""
    instance: int
    """The number of the instance."""
    stream: Stream
    """``out`` is standard output, ``err`` standard error."""
    offset: int
    """Where they began."""
    bytes: int
    """How many there were."""


class InstanceFailure(Record, frozen=True, kw_only=True):
    """An instance that did not get to the requested state."""

    instance: int
    """The number of the instance."""
    why: str
    """The reason, for a person."""


class CommandReport(Record, frozen=True, kw_only=True):
    """How far a command is in one app. Sent when that changes; the last ones are in the answer."""

    type: Literal["progress"] = "progress"
    """Always this."""
    host: str
    """The machine; empty for this one."""
    app: str
    """The name of the app."""
    waiting: tuple[int, ...] = ()
    """Instances that are not there yet; -1 stands for the app as a whole."""
    done: tuple[int, ...] = ()
    """Instances that are in the requested state."""
    failed: tuple[InstanceFailure, ...] = ()
    """Instances that are not, and why."""
    skipped: tuple[int, ...] = ()
    """Instances that a reload or restart left alone because they are stopped."""
    error: str | None = None
    """Why the whole command failed."""


class ActionOutcome(Record, frozen=True, kw_only=True):
    """What one process answered to `trigger`."""

    host: str
    """The machine; empty for this one."""
    app: str
    """The name of the app."""
    instance: int
    """The number of the instance."""
    pid: int
    """Of the process."""
    ok: bool
    """Whether the action did its work."""
    value: Any = None
    """What it returned; null where it failed."""
    error: str | None = None
    """Why it failed."""


class HistoryPoint(Record, frozen=True, kw_only=True):
    """A step of a `HistorySeries` with at least one sample."""

    at: float
    """When the step begins."""
    low: float
    """Lowest value in the step."""
    high: float
    """Highest value."""
    mean: float
    """Their mean."""
    samples: int
    """How many there are: the weight of this step in a mean of several steps."""


class HistorySeries(Record, frozen=True, kw_only=True):
    """The past of one metric: what `history` sends."""

    type: Literal["history"] = "history"
    """Always this."""
    host: str
    """The machine; empty for this one."""
    app: str
    """The name of the app."""
    instance: int | None
    """The number of the instance; null for the app as a whole, whose percentiles are over what all
    of its instances did."""
    metric: str
    """Name of the metric."""
    own: bool
    """Whether it is one of the app's own metrics."""
    kind: MetricKind
    """The points of a counter are its growth per second, those of a histogram its 95th
    percentile."""
    unit: str
    """Of an own metric; the others have theirs in the name."""
    step_s: int
    """Seconds from one step to the next."""
    points: tuple[HistoryPoint, ...]
    """Oldest first; steps without a sample are left out."""


class CrashOutput(Record, frozen=True, kw_only=True):
    """One of the last lines of a worker that exited."""

    stream: Stream
    """``out`` is standard output, ``err`` standard error."""
    offset: int
    """Its address, as in `PrintedLine`."""
    at: float | None
    """When it was printed."""
    line: str
    """Its first 1,000 characters."""


class CrashRecord(Record, frozen=True, kw_only=True):
    """What led to an exit that nobody requested: what `crashes` sends. ``monit describe
    --crash`` shows the same."""

    type: Literal["crash"] = "crash"
    """Always this."""
    host: str
    """The machine; empty for this one."""
    app: str
    """The name of the app."""
    instance: int
    """The number of the instance."""
    exit: Exit
    """How the worker exited."""
    pid: int | None
    """Of the worker; null where it is unknown."""
    reason: str
    """The line among the last ones that names an error best; empty where there is none."""
    hint: str
    """What the kernel knows: out of memory, a fault, where a core file is."""
    lines: tuple[CrashOutput, ...]
    """The last lines of both streams, by time, at most 50."""
    at: tuple[float, ...]
    """When the samples of the last minute were taken, oldest first."""
    figures: dict[str, tuple[int | float | None, ...]]
    """For each of them the values, by the names of figures of `Instance`."""
    before: tuple[AppEvent, ...]
    """What changed in the ten minutes before, oldest first."""


Item = WatchedChange | PrintedLine | LostBytes | CommandReport | HistorySeries | CrashRecord
"""What a request sends before its answer."""
