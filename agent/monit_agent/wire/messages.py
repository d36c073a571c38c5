"""The messages between agents, keepers and clients. READ THIS FIRST; ``agent/PROTOCOL.md``
describes how they are sent.

All numbers carry their unit in the name: ``_s`` seconds, ``_ms`` milliseconds, ``_ns``
nanoseconds, ``_bytes``, ``_percent`` (of one core for CPU). Times called ``at`` are seconds
of the wall clock since 1970. Unknown is None, never 0.
"""

from typing import Literal

import msgspec

from monit_agent.wire.limits import PROTOCOL_VERSION

Status = Literal["starting", "online", "draining", "stopping", "stopped", "backoff", "errored"]
DesiredState = Literal["running", "stopped"]
Stream = Literal["out", "err"]
LogLevel = Literal["error", "warn", "info", "debug"]
EventKind = Literal[
    "keeper_started", "agent_started", "agent_exited", "agent_moved", "adopted",
    "upgraded", "upgrade_failed",
    "requested", "scaled", "changed", "change_undone", "flushed", "logs_reopened",
    "spawned", "ready", "exited", "left_behind", "took_over", "backoff", "errored",
    "stopping", "killed", "stopped", "unready",
    "reload_started", "reload_step", "reloading", "reloaded", "reload_done", "reload_failed",
    "port_taken", "log_lost", "log_resumed", "log_dropped", "log_truncated",
    "state_unsaved", "state_saved", "probe_off",
    "folder_rebuilt", "clock_changed",
    "stuck", "unstuck", "unhealthy", "healthy", "crashed",
    "env_read", "env_problem", "watch_slowed", "watch_failed", "watch_resumed",
    "alert_fired", "alert_cleared", "alert_flapping", "hook_failed", "hook_works",
]  # fmt: skip


class Record(msgspec.Struct, frozen=True):
    """Base of what is kept and sent; unknown fields of a newer agent are ignored."""


# ---------------------------------------------------------------- what is known of an app


class Exit(Record, frozen=True, kw_only=True):
    """How a worker exited. ``code`` and ``signal`` are None when they are unknown: an adopted
    worker is not the keeper's child, so the kernel reports only that it has exited."""

    code: int | None = None
    """Exit code; None after a signal, or where it is unknown."""
    signal: int | None = None
    """Number of the signal that ended it; None after an exit, or where it is unknown."""
    at: float
    """When it exited."""
    ran_s: float
    """How long it had run."""
    requested: bool = False
    """True when it was requested (stop, restart, reload, scale, delete)."""


class Replacement(Record, frozen=True, kw_only=True):
    """The other worker of a slot during a reload. It is ``incoming``: it starts and will take over;
    or outgoing: ``draining`` accepts no new connections, ``stopping`` was sent the stop signal.
    Outgoing is the old worker or, if it started later than the slot's own worker, an incoming
    one that failed or was cancelled."""

    pid: int | None = None
    """None until its process exists."""
    role: Literal["incoming", "draining", "stopping"]
    """What happens to it, see above."""
    started_at: float | None = None
    """When its process started."""
    ready: bool = False
    """An incoming worker listens, and has only to survive ``min_uptime``."""


class InstanceRecord(Record, frozen=True, kw_only=True):
    """A slot of an app and the worker in it, as the keeper knows it."""

    instance: int
    """Number of the slot, from 0."""
    id: int
    """Unique over all apps of a home, as pm2's ids are."""
    status: Status
    """What the slot does now."""
    desired: DesiredState
    """What it should do: run, or stay stopped."""
    ready: bool
    """Whether its worker is online."""
    pid: int | None = None
    """Of the worker's main process; None without a worker."""
    started_at: float | None = None
    """When the present worker was started; None without one."""
    restarts: int = 0
    """How many times a worker of this slot was replaced, requested or not (pm2's ↺)."""
    failed_starts: int = 0
    """Exits before the worker was online, in a row and within the restart window."""
    restart_times: tuple[float, ...] = ()
    """When workers exited without a request within the last hour, newest last, at most 200."""
    earlier_restarts: tuple[tuple[float, int], ...] = ()
    """Those of the last hour before `restart_times`: the time of the last of a group, how many."""
    exits: tuple[Exit, ...] = ()
    """The last exits, newest last, at most 10."""
    next_start_at: float | None = None
    """In ``backoff``: when the next worker is started."""
    reason: str | None = None
    """Why it is ``errored``, or cannot be started, or is not ready yet."""
    adopted: bool = False
    """True when a keeper took the worker over from one that died."""
    replacement: Replacement | None = None
    """The other worker during a reload; None without one."""
    done: bool = False
    """Its worker has exited with a code that means success, and is not restarted."""
    reloading: bool = False
    """Its worker reloads itself: the reload command runs, or the signal was just sent."""


class RestartPolicy(Record, frozen=True, kw_only=True):
    """The part of the restart policy that a person wants to see."""

    autorestart: bool = True
    """False where ``restart`` is ``never``."""
    restart: Literal["always", "on-failure", "never"] = "always"
    """When a worker that exits is restarted; ``on-failure`` means not after exit code 0."""
    min_uptime_s: float = 1.0
    """Uptime after which a worker without a port or a check counts as online."""
    max_restarts: int = 16
    """Failed starts in a row after which the instance is ``errored``."""
    backoff_first_s: float = 0.1
    """Wait after a failed start; it doubles up to `backoff_cap_s`."""
    backoff_cap_s: float = 30.0
    """Longest wait after a failed start."""
    restart_delay_s: float | None = None
    """Wait before a worker that exited is restarted; None where it is restarted at once."""
    kill_timeout_s: float = 10.0
    """Time between the stop signal and SIGKILL."""
    listen_timeout_s: float = 30.0
    """Time in which a worker must become ready, where that is required."""
    stop_signal: str = "SIGTERM"
    """Name of the signal that asks a worker to stop."""
    kill_mode: Literal["mixed", "group", "process"] = "mixed"
    """Which processes get the stop signal: the main process and then what it leaves behind, the
    whole process group at once, or only the main process."""
    stop_exit_codes: tuple[int, ...] = ()
    """Exit codes after which a worker is not restarted."""
    max_memory_bytes: int | None = None
    """Memory beyond which a worker is restarted; None for no limit."""
    cron: str | None = None
    """Schedule of restarts, five fields; None for none."""
    reload_command: tuple[str, ...] = ()
    """Run by a reload for each worker, which reloads itself then; empty for none."""
    reload_signal: str | None = None
    """Name of the signal that a reload sends to each worker, which reloads itself then; None for
    none."""

    @property
    def reloads_itself(self) -> bool:
        """Return whether the program can reload itself."""
        return bool(self.reload_command) or self.reload_signal is not None


class Checks(Record, frozen=True, kw_only=True):
    """How the agent checks whether workers are ready and healthy; an empty one is not checked. URLs
    are those of ``wire/checkurl.py``."""

    ready_url: str = ""
    """A worker is online only when this answers."""
    ready_command: tuple[str, ...] = ()
    """A worker is online only when this exits with 0."""
    health_url: str = ""
    """A worker is replaced when this does not answer."""
    health_command: tuple[str, ...] = ()
    """A worker is replaced when this does not exit with 0."""
    health_interval_s: float = 10.0
    """Time between two health checks."""
    health_timeout_s: float = 3.0
    """How long the answer to any check may take."""
    health_failures: int = 3
    """Failed health checks in a row after which a worker is replaced."""
    health_grace_s: float = 5.0
    """Uptime before the first health check."""
    restart_stuck_s: float | None = None
    """A worker whose event loop is blocked for this long is replaced."""


class LogSettings(Record, frozen=True, kw_only=True):
    """Where what the workers print goes, and how long it is kept; a limit of 0 means none."""

    to: Literal["file", "journald", "stdout", "none"] = "file"
    """``stdout`` is that of ``monit run``; ``journald`` and ``none`` have no log files."""
    max_size_bytes: int = 20 * 1024 * 1024
    """At this size the file of a stream is rotated."""
    max_files: int = 10
    """Rotated files of a stream that are kept."""
    max_age_s: float = 30 * 86400.0
    """Age at which a rotated file is removed."""
    max_total_bytes: int = 200 * 1024 * 1024
    """What all log files of the app may take on the disk."""
    compress: bool = True
    """Whether rotated files are compressed."""
    out: str = ""
    """Path of the file for standard output of instance 0; that of instance n has ``-n`` before its
    extension. "" for the app's own folder, ``none`` to keep nothing."""
    err: str = ""
    """The same for standard error. With the path of ``out`` both are one stream."""


class AlertSettings(Record, frozen=True, kw_only=True):
    """What a user changed of the alerts."""

    rules: tuple[str, ...] = ()
    """``NAME=RULE``, as ``wire/alertrules.py`` reads them. A rule replaces the default one of the
    same name; ``NAME=off`` switches that off."""
    grace_s: float = 60.0
    """How long after a start, a restart or a reload only those alerts fire that are about exits."""
    command: tuple[str, ...] = ()
    """Run for each notice, which it finds as JSON on standard input. Empty: no such hook."""
    webhook: str = ""
    """URL to which each notice is sent as JSON. An agent sends clients ``https://HOST/…`` only."""
    webhook_ca: str = ""
    """Path of a file with certificates (PEM) that are trusted too; "" or ``none`` for none."""
    on: tuple[str, ...] = ("alert",)
    """What notices are sent about: alerts, and events of some kinds."""


class HookRecord(Record, frozen=True, kw_only=True):
    """A hook, and how it does."""

    hook: str
    """``command`` or ``webhook``."""
    target: str
    """The program, or ``https://HOST/…``."""
    sent: int = 0
    """Notices that it took."""
    failed: int = 0
    """Notices that it did not take."""
    dropped: int = 0
    """Notices that found no room: the queue has at most `limits.NOTICES`. All three count since
    the agent started."""
    waiting: int = 0
    """Notices that wait for it."""
    at: float | None = None
    """Of the last attempt."""
    problem: str | None = None
    """Why the last notice was not delivered; None when it was, or there was none."""


class HookResult(Record, frozen=True, kw_only=True):
    """What came of a trial notice."""

    hook: str
    """``command`` or ``webhook``."""
    target: str
    """What was called; of a URL only the host."""
    ok: bool
    """Whether it took the notice."""
    text: str
    """``exit code 0``, ``status 204``, ``no answer within 5 s``."""
    took_s: float = 0.0
    """How long it took."""


class AlertMute(Record, frozen=True, kw_only=True):
    """That nothing is sent about a rule, or about any, for some time."""

    rule: str | None = None
    """Name of the rule; None for all rules."""
    until: float
    """Wall seconds."""
    by: str | None = None
    """Who requested it, as in `EventRecord`."""


class AlertRecord(Record, frozen=True, kw_only=True):
    """An alert that fires now."""

    rule: str
    """Name of the rule."""
    instance: int | None = None
    """None: it is about the app, or the machine."""
    since: float
    """When it began to fire, in wall seconds."""
    ends: bool = False
    """Its value is back already; it is cleared when that lasts."""
    value: float | None = None
    """The last one beyond the threshold; None where there is no value."""
    threshold: float | None = None
    """The value with which the rule compares; None where it compares with none."""
    metric: str = ""
    """What the value is: a name of ``wire/alertrules.py``."""
    text: str = ""
    """What is wrong, for people: ``event loop lag p99 312 ms, above 250 ms for 1m``."""
    announced: bool = True
    """False where no event and no notice came of it; ``silent`` says why."""
    silent: str = ""
    """``muted``, ``flapping``, or ``cooling down``: it fired not long ago, too."""


class Increment(Record, frozen=True, kw_only=True):
    """A variable in which instance n finds ``start`` + n."""

    name: str
    """Name of the variable."""
    start: int
    """Its value in instance 0."""


class EnvFile(Record, frozen=True, kw_only=True):
    """A file of variables, as it was read last."""

    path: str
    """Where it is."""
    names: tuple[str, ...] = ()
    """The variables that it sets."""
    problem: str | None = None
    """Why it cannot be read; the values that were read before are used."""


class EnvironmentRecord(Record, frozen=True, kw_only=True):
    """The names of the variables that workers get, by source, and no values. What is named wins
    over files, a later file over an earlier one, and files over what is inherited."""

    named: tuple[str, ...] = ()
    """Set by ``--env`` and other options."""
    files: tuple[EnvFile, ...] = ()
    """The env files, in the order in which they are read."""
    inherited: tuple[str, ...] = ()
    """From the shell that started the app, or of the last ``--update-env``."""
    timezone: str | None = None
    """The value of ``TZ``; None when it is not set."""


class WatchState(Record, frozen=True, kw_only=True):
    """What ``--watch`` did and does, since the agent started."""

    restarts: int = 0
    """How many it has caused."""
    last_at: float | None = None
    """Of the last restart."""
    last_cause: str = ""
    """The files that caused it, or that wait for `slowed_until`."""
    slowed_until: float | None = None
    """After many restarts in a short time: no other one before this time."""
    problem: str | None = None
    """Why no change can be noticed at present."""


class AppRecord(Record, frozen=True, kw_only=True):
    """What an app is: its spec and the process that keeps it."""

    name: str
    """Name of the app."""
    namespace: str = "default"
    """Group that it belongs to."""
    version: str | None = None
    """From the nearest package.json or pyproject.toml; None when there is none."""
    mode: str = "fork"
    """``cluster``: the workers share ports that the keeper holds. ``fork``: each opens its own.
    ``reuseport``: each opens the same port itself, with SO_REUSEPORT."""
    script: str
    """What the user named: a path, a module, a command."""
    args: tuple[str, ...] = ()
    """Arguments of the script."""
    argv: tuple[str, ...] = ()
    """What is executed."""
    interpreter: str | None = None
    """Program that runs the script; None where it runs itself."""
    cwd: str
    """Working directory of the workers."""
    user: str
    """Who started the app."""
    worker_user: str = ""
    """As whom the workers run, if that was chosen."""
    worker_group: str = ""
    """Their group, if that was chosen."""
    port: int | None = None
    """Port of the app, ``PORT`` of the workers; None without one."""
    watching: bool = False
    """Whether changed files restart it."""
    wait_ready: bool = False
    """Whether a worker is online only after it reports ``READY=1``."""
    policy: RestartPolicy = RestartPolicy()
    """When workers are restarted, and how they are stopped."""
    instances: int = 1
    """How many slots the app has."""
    keeper_pid: int | None = None
    """None while there is no keeper."""
    created_at: float
    """When the app was started the first time."""
    checks: Checks = Checks()
    """How it is checked whether workers are ready and healthy."""
    log: LogSettings = LogSettings()
    """Where output goes, and how long it is kept."""
    increment: Increment | None = None
    """A variable that is one higher in each instance; None for none."""
    listen: tuple[str, ...] = ()
    """What the workers inherit as listening sockets: ``HOST:PORT``, ``:PORT``, ``unix:PATH``."""
    watch_ignore: tuple[str, ...] = ()
    """Patterns of files that ``--watch`` ignores."""
    watch_paths: tuple[str, ...] = ()
    """Files and folders that are watched; the whole working directory with ``--watch``."""
    watch_delay_s: float = 0.5
    """How long nothing must have changed before a restart."""
    instance_var: str = ""
    """A variable in which each worker finds its number, beside ``MONIT_INSTANCE``."""
    timezone: str = ""
    """Time zone that was chosen for the workers and the schedule; empty where they inherit it."""
    watch: WatchState | None = None
    """From the agent; None while no files are watched."""
    problems: tuple[str, ...] = ()
    """What keeps the app's keeper from doing all of its work, each with the reason: it cannot
    write, has no room for a process, is stopped, or is gone and no new one starts."""
    chosen_mode: str = ""
    """What ``--mode`` says; empty where monit chose the mode."""
    type: str = "service"
    """``service``: it runs until it is stopped. ``once``: it does its work and exits with 0."""
    inherit_env: bool = True
    """False: of what is inherited the workers get only what every program needs."""
    drop_env: tuple[str, ...] = ()
    """Names of variables that are not inherited; ``*`` at either end stands for anything."""
    after: tuple[str, ...] = ()
    """What it starts after: ``APP=STATE``, where STATE is ``started``, ``ready`` or ``done``."""
    origin_file: str | None = None
    """The config file that the app is from; None for one that was started without."""
    cron_next_at: float | None = None
    """From the agent: when the schedule restarts the app next."""
    cron_zone: str | None = None
    """From the agent: the time zone of the schedule, which is the app's own."""
    environment: EnvironmentRecord | None = None
    """Which variables the workers get; None until the keeper has told it."""
    alerts: AlertSettings = AlertSettings()
    """What a user changed of the alerts."""
    keeper_version: str | None = None
    """Of monit: its keeper may be of another version than its agent, and both of another one than
    the client."""


class Figures(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of the parts of a `Sample`; what is unknown is left out of the message."""


class TreeFigures(Figures, frozen=True, kw_only=True):
    """What the kernel counts, as sums over the worker and all processes below it."""

    cpu_percent: float | None = None
    """Since the last sample, or since the start; None until a worker that was not started within
    the last second was read twice."""
    rss_bytes: int | None = None
    """Resident memory; pages that several processes of the tree share count once."""
    threads: int | None = None
    """Threads of all processes."""
    fds: int | None = None
    """None when a process of the tree belongs to another user."""
    children: int | None = None
    """Processes below the worker."""


class HeapFigures(Figures, frozen=True, kw_only=True):
    """Sums over the processes with a probe; a sum with an unknown part is unknown."""

    size_bytes: int | None = None
    """What the heap takes of the memory."""
    used_bytes: int | None = None
    """What of it is in use."""
    usage_percent: float | None = None
    """Used part of the size. A healthy heap is often close to 100, because it grows and shrinks
    with what is used: ``limit_percent`` tells how near its end is."""
    limit_bytes: int | None = None
    """What the heaps may grow to; None where there is no limit (Python)."""
    limit_percent: float | None = None
    """Used part of the limit, of the process that is nearest to its own."""
    source: str | None = None
    """``malloc`` (the allocators of a Python process), ``v8``, or ``rss`` (no more can be had: the
    size is the resident memory)."""


class CollectorFigures(Figures, frozen=True, kw_only=True):
    """The garbage collectors of the processes with a probe."""

    collections: int | None = None
    """Since the worker's processes started."""
    total_ms: float | None = None
    """Time spent in them since then."""
    max_ms: float | None = None
    """Longest pause within the window of `limits.PROBE_WINDOW_S`."""


class SchedulingFigures(Figures, frozen=True, kw_only=True):
    """How long a thread that could run had to wait for the interpreter and a CPU, within the
    window; the worst process of the tree."""

    delay_p95_ms: float | None = None
    """95 % of the waits were shorter."""
    delay_max_ms: float | None = None
    """The longest wait."""


class LoopFigures(Figures, frozen=True, kw_only=True):
    """The event loops of a tree. Lag is how long something that became due had to wait; lag and
    utilization are those of the worst loop, within the window."""

    type: str | None = None
    """``asyncio`` ``uvloop`` ``trio`` ``node``."""
    lag_p50_ms: float | None = None
    """Half of the lags were shorter."""
    lag_p95_ms: float | None = None
    """95 % of the lags were shorter."""
    lag_p99_ms: float | None = None
    """99 % of the lags were shorter."""
    lag_max_ms: float | None = None
    """The longest lag."""
    utilization: float | None = None
    """0 to 1, over the last second."""
    blocks: int | None = None
    """How often a loop was blocked for 100 ms or longer since the processes started."""
    tasks: int | None = None
    """Tasks that are not done."""
    handles: int | None = None
    """Tasks of asyncio and trio, active resources of Node; sums."""
    pid: int | None = None
    """Whose loop is the worst, when the tree has several processes."""


class HttpFigures(Figures, frozen=True, kw_only=True):
    """HTTP requests of all servers in a tree, within the window."""

    requests_per_s: float | None = None
    """Requests that were answered."""
    errors_per_s: float | None = None
    """Of these, those with a status of 500 and above, or failures off by an exception."""
    p50_ms: float | None = None
    """Latency, from the request's headers to the end of its response; None without a request."""
    p95_ms: float | None = None
    """95 % of the requests took less."""
    p99_ms: float | None = None
    """99 % of the requests took less."""
    max_ms: float | None = None
    """The slowest request."""
    in_flight: int | None = None
    """Requests that wait for the end of their response at this moment."""


class Sample(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One second of one instance. Parts from ``heap`` on are known from probes inside the
    worker's processes; each is None where no probe reports, or no probe knows of such a thing.
    ``wire/metrics.py`` has a flat name for each figure."""

    at: float
    """When it was taken: when the process tree was read, which in a very large one is less often
    than once a second."""
    pid: int | None = None
    """The worker; None when there is none."""
    ppid: int | None = None
    """Parent of the worker's main process."""
    user: str | None = None
    """Who the worker runs as: its effective user, or the one to whom a worker of root has left
    the work (``sudo``, ``gunicorn --user``)."""
    revision: str | None = None
    """Which release of the app the worker runs: the file ``REVISION`` of its folder, the commit of
    a git repository, or the name of a folder in ``releases/``, as of its start."""
    tree: TreeFigures = TreeFigures()
    """What the kernel counts."""
    heap: HeapFigures | None = None
    """Memory that the programs manage."""
    collector: CollectorFigures | None = None
    """Garbage collection."""
    scheduling: SchedulingFigures | None = None
    """How long threads wait for a CPU."""
    loop: LoopFigures | None = None
    """The event loops."""
    http: HttpFigures | None = None
    """The HTTP requests."""
    metrics: dict[str, "Metric"] = {}
    """The app's own metrics by name."""
    stuck_s: float | None = None
    """For how long an event loop of the tree has been blocked at this moment; None when none runs,
    as far as is known. A process that is halted (SIGSTOP) counts from its last report on."""
    health: "Health | None" = None
    """The result of the health check; None where there is none."""
    processes: tuple["Process", ...] = ()
    """The processes below the worker, those with the largest share of the tree's CPU or memory
    first, at most `limits.PROCESSES`; ``tree.children`` counts them all. Not kept in the
    history."""


class Health(Record, frozen=True, kw_only=True):
    """The result of the health check of one worker."""

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
    """Its pid."""
    ppid: int
    """That of its parent."""
    name: str
    """Short and printable: its title, or program and script. No other arguments, because those
    may hold secrets."""
    started_at: float | None = None
    """When it started."""
    cpu_percent: float | None = None
    """CPU use since the last sample; 100 is one core."""
    rss_bytes: int | None = None
    """Memory in use."""
    threads: int | None = None
    """Its threads."""
    fds: int | None = None
    """Its open descriptors."""
    probe: bool = False
    """Whether a probe reports from it; without one, what follows is unknown."""
    heap_used_bytes: int | None = None
    """Heap in use, from its probe."""
    loop_lag_p95_ms: float | None = None
    """Of its worst loop."""
    loop_utilization: float | None = None
    """Share of the time in which its event loop works, 0 to 1."""


MetricKind = Literal["gauge", "counter", "histogram", "text"]

Aggregate = Literal["avg", "sum", "max", "min"]


class Metric(Record, frozen=True, kw_only=True):
    """One of the app's own metrics, over all processes of an instance. ``value`` is a gauge's
    value now, a counter's count since those processes started, a histogram's mean over the
    window of `limits.PROBE_WINDOW_S`; None when it is not known, as a histogram's without any
    observation within the window."""

    value: float | None
    """A gauge's value, or as above."""
    unit: str = ""
    """As the app names it; empty without one."""
    kind: MetricKind = "gauge"
    """Gauge, counter or histogram."""
    text: str | None = None
    """Of the kind ``text``, which has no value."""
    rate: float | None = None
    """Per second over the window: a counter's growth, a histogram's observations."""
    p50: float | None = None
    """A histogram's percentiles over the window."""
    p95: float | None = None
    """Of a histogram: 95 % of the values were smaller."""
    p99: float | None = None
    """Of a histogram: 99 % of the values were smaller."""
    agg: Aggregate = "avg"
    """How the gauges of several processes, or instances, combine; all else adds up."""


class Frame(Record, frozen=True, kw_only=True):
    """One level of a stack."""

    file: str
    """Path of the source file."""
    line: int
    """Line in it."""
    function: str
    """Name of the function."""


BlockKind = Literal["callback", "saturated", "gil", "gc"]


class Blocked(Record, frozen=True, kw_only=True):
    """Where event loops of an instance were blocked for 100 ms or longer, equal stacks merged.

    ``callback``: one callback; ``saturated``: many short ones; ``gil``: another thread, whose
    stack it is, kept the interpreter; ``gc``: the garbage collector.
    """

    kind: BlockKind
    """What blocked the loop."""
    stack: tuple[Frame, ...]
    """Innermost first."""
    blocking_frame: int = 0
    """Which frame to name: the innermost of the app's own code, else the innermost."""
    count: int
    """How often."""
    total_ms: float
    """All of them together."""
    max_ms: float
    """The longest."""
    first_at: float
    """When it began the first time."""
    last_at: float
    """When it began the last time."""
    going_on_ms: float | None = None
    """How long it has lasted, if it lasts at this moment; not counted above yet."""


class EventRecord(Record, frozen=True, kw_only=True):
    """One line of the timeline."""

    seq: int
    """Counted by the keeper from 1, without gaps while it lives."""
    at: float
    """When it happened."""
    kind: str
    """An `EventKind`; one that is not among them is of another version."""
    instance: int | None = None
    """Of which instance; None for the app as a whole."""
    text: str = ""
    """What happened, for people."""
    by: str | None = None
    """Who requested it: ``user:pid`` of the client, and in parentheses the user of the login
    session if it is another one, the command and the terminal. None when no client did."""


class Rollout(Record, frozen=True, kw_only=True):
    """A reload, in progress until it has ``failed`` and no instance is ``current``; one that
    succeeded is None. Its instances are replaced, or reload themselves."""

    waiting: tuple[int, ...] = ()
    """Not begun; when it has failed: not reloaded."""
    current: tuple[int, ...] = ()
    """Being reloaded now, at most ``parallel``."""
    done: tuple[int, ...] = ()
    """Instances that were reloaded."""
    failed: str | None = None
    """Why no other instance is begun."""
    parallel: int = 1
    """How many are reloaded at a time."""
    failures: tuple[tuple[int, str], ...] = ()
    """Instances whose new worker did not come up, or which did not reload themselves, each with
    why."""
    cancelled: bool = False
    """It was cancelled; ``failed`` says by whom."""
    output: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """The last lines of reload commands that failed, by instance."""

    @property
    def under_way(self) -> bool:
        """Return whether any part of it is in progress."""
        return self.failed is None or bool(self.current)


class LogEnd(Record, frozen=True, kw_only=True):
    """How far a stream reaches: logical offsets, see ``wire/timeindex.py``."""

    instance: int
    """Of which instance."""
    stream: Stream
    """``out`` or ``err``."""
    begin: int
    """Offset of the first byte that is kept."""
    end: int
    """Offset after the last byte."""
    lost_bytes: int = 0
    """Bytes that could not be written (full disk) since the keeper started."""
    dropped_bytes: int = 0
    """Bytes that were removed before their time since the keeper started: because the disk was
    nearly full, or by another program."""
    file_begin: int = 0
    """Offset of the first byte in the file that grows; what is before it is in rotated files."""
    rotated: int = 0
    """How many rotated files there are."""
    rotated_bytes: int = 0
    """What they take on the disk."""


# ------------------------------------------------------------ events


class AppChanged(Record, frozen=True, kw_only=True, tag="app_changed"):
    """The app itself changed: spec, number of slots, keeper, or a reload under way."""

    app: AppRecord
    """The app as it is now."""
    rollout: Rollout | None = None
    """A reload that is in progress or has failed; None without one."""


class InstanceChanged(Record, frozen=True, kw_only=True, tag="instance_changed"):
    """One slot changed; the record is whole, not a difference."""

    instance: InstanceRecord
    """The slot as it is now."""


class InstanceRemoved(Record, frozen=True, kw_only=True, tag="instance_removed"):
    """The slot was scaled away."""

    instance: int
    """Number of the slot."""


class EventAdded(Record, frozen=True, kw_only=True, tag="event_added"):
    """Something worth a line happened."""

    event: EventRecord
    """What happened."""


class AlertsChanged(Record, frozen=True, kw_only=True, tag="alerts_changed"):
    """Other alerts fire, or are muted, than before. Sent when that changes, not with each value."""

    alerts: tuple[AlertRecord, ...] = ()
    """At most `limits.ALERTS`, the longest first."""
    mutes: tuple[AlertMute, ...] = ()
    """What is muted."""
    hooks: tuple[HookRecord, ...] = ()
    """The hooks, and how they do."""


class AppDeleted(Record, frozen=True, kw_only=True, tag="app_deleted"):
    """The app was deleted; its agent leaves now."""


Update = (
    AppChanged | InstanceChanged | InstanceRemoved | EventAdded | AlertsChanged | AppDeleted
)  # fmt: skip


class Header(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Second frame of every PUB message."""

    v: int = PROTOCOL_VERSION
    """Version of the protocol."""
    epoch: int
    """When the agent started (ns): with another epoch, sequence numbers start again."""
    seq: int
    """Per topic, from 1: a hole means that messages were dropped on the way."""
    at_ns: int
    """When the message was sent, in nanoseconds since 1970."""
    offset: int | None = None
    """Log messages: logical offset of the payload's first byte."""
    times: tuple[tuple[int, int], ...] = ()
    """Log messages: (logical offset, wall ns) pairs that date the payload's bytes; the
    first is at or before ``offset``."""


# ------------------------------------------------------------ requests


class RequestRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of requests. An unknown field is refused: ``instance`` for ``instances`` must not
    restart every instance."""


class Snapshot(RequestRecord, frozen=True, kw_only=True, tag="snapshot"):
    """Everything about the app now. Answer: `AppSnapshot`."""


class Listing(RequestRecord, frozen=True, kw_only=True, tag="listing"):
    """What `monit list` shows of the app, for clients without msgpack. Answer: `ListingPart`."""


class Start(RequestRecord, frozen=True, kw_only=True, tag="start"):
    """Start these stopped or errored instances (None: all). Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None
    """Which; None for all."""


class Stop(RequestRecord, frozen=True, kw_only=True, tag="stop"):
    """Stop these instances; they stay listed. Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None
    """Which; None for all."""


class Restart(RequestRecord, frozen=True, kw_only=True, tag="restart"):
    """Stop and start these instances, all at once. ``env`` replaces the environment that
    workers get. Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None
    """Which; None for all."""
    env: dict[str, str] | None = None
    """What workers inherit from now on; None leaves it."""


class Reload(RequestRecord, frozen=True, kw_only=True, tag="reload"):
    """Replace these instances, ``parallel`` at a time; each is ready before another one begins.
    The worker of an app with a reload command or signal reloads itself instead, if it is online
    and no variable or setting has changed that only a new one would see: an event ``reloaded``.
    The first failure ends it. Answer: `Accepted`, with those of them that run."""

    instances: tuple[int, ...] | None = None
    """Which; None for all."""
    env: dict[str, str] | None = None
    """What workers inherit from now on; None leaves it."""
    parallel: int = 1
    """How many at a time, from 1 on."""


class CancelReload(RequestRecord, frozen=True, kw_only=True, tag="cancel_reload"):
    """End the reload under way: new workers that are not ready go, no more are begun, what is done
    stays done. Answer: `Accepted`, with those whose new worker goes."""


class Scale(RequestRecord, frozen=True, kw_only=True, tag="scale"):
    """Make the app have ``count`` slots: new ones start, the highest numbers stop and go.
    Answer: `Accepted`."""

    count: int
    """Number of slots, from 1 on."""


class Delete(RequestRecord, frozen=True, kw_only=True, tag="delete"):
    """Stop everything, forget the app, keep its log files. Answer: `Accepted`; the update
    `app_deleted` follows when everything has stopped."""


class Reset(RequestRecord, frozen=True, kw_only=True, tag="reset"):
    """Set restart counters and exits of these instances to zero. Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None
    """Which; None for all."""


class SendSignal(RequestRecord, frozen=True, kw_only=True, tag="signal"):
    """Send a signal (``HUP``, ``SIGHUP`` or a number as text) to the workers, or to their
    whole process groups. Answer: `Accepted`."""

    signal: str
    """Name or number."""
    instances: tuple[int, ...] | None = None
    """Which; None for all."""
    group: bool = False
    """Whether the whole process group gets it."""


class Flush(RequestRecord, frozen=True, kw_only=True, tag="flush"):
    """Empty the log files of these instances; offsets go on. Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None
    """Which; None for all."""


class ReopenLogs(RequestRecord, frozen=True, kw_only=True, tag="reopen_logs"):
    """Begin new log files where somebody moved the present ones away; after the answer nothing is
    written to those any more. Answer: `Accepted`."""

    instances: tuple[int, ...] | None = None
    """Which; None for all."""


class LogRange(RequestRecord, frozen=True, kw_only=True, tag="log_range"):
    """Bytes of a stream from logical offset ``start``, at most ``max_bytes``. Answer: `LogPart`."""

    instance: int
    """Of which instance."""
    stream: Stream
    """``out`` or ``err``."""
    start: int
    """Offset of the first byte."""
    max_bytes: int = 65536
    """How many bytes at most."""


class LogTail(RequestRecord, frozen=True, kw_only=True, tag="log_tail"):
    """The last ``lines`` lines before logical offset ``before`` (None: the end); an unfinished
    one there counts, as it does for ``tail``. The data reaches up to ``before`` and holds at
    most ``LOG_RANGE_BYTES``, cut at the front. Answer: `LogPart`."""

    instance: int
    """Of which instance."""
    stream: Stream
    """``out`` or ``err``."""
    lines: int = 100
    """How many lines at most."""
    before: int | None = None
    """Offset after the last byte; None for the end of the stream."""


class LogSince(RequestRecord, frozen=True, kw_only=True, tag="log_since"):
    """The offset of the first line printed at or after ``at`` (wall seconds).
    Answer: `LogPart` with no data."""

    instance: int
    """Of which instance."""
    stream: Stream
    """``out`` or ``err``."""
    at: float
    """The time of the line."""


class LogSearch(RequestRecord, frozen=True, kw_only=True, tag="log_search"):
    """The lines of a stream that match, in a bounded piece of it. Ask again with the ``position``
    of the answer to search on, or stop asking to cancel. Answer: `SearchPart`."""

    instance: int
    """Of which instance."""
    stream: Stream
    """``out`` or ``err``."""
    pattern: str = ""
    """A regular expression in Python's syntax, at most `limits.SEARCH_PATTERN` characters; "" for
    every line. It is tried on each line alone, without colours."""
    ignore_case: bool = False
    """Whether capitals and small letters are the same."""
    level: LogLevel | None = None
    """Only lines of this level or worse, with the lines of their stacks. A line that names no level
    counts as info."""
    backward: bool = True
    """From the newest line to the oldest."""
    position: int | None = None
    """Offset up to which, or from which, to search on; None begins at an end of the range."""
    since: float | None = None
    """Only lines printed from then on; None for no limit."""
    until: float | None = None
    """Only lines printed from ``since`` on and before ``until`` (wall seconds)."""
    stop: int | None = None
    """Only lines before this offset."""
    limit: int = 100
    """Matches after which the piece ends, at most `limits.SEARCH_LINES`; 0 only counts them."""
    before: int = 0
    """Lines of context before each match."""
    after: int = 0
    """Lines of context, each at most `limits.SEARCH_CONTEXT`."""


class MetricsRange(RequestRecord, frozen=True, kw_only=True, tag="metrics_range"):
    """The samples of one instance of the last ``seconds``. Answer: `MetricsPart`."""

    instance: int
    """Of which instance."""
    seconds: int = 300
    """How far back."""


class HistoryRange(RequestRecord, frozen=True, kw_only=True, tag="history_range"):
    """Steps of one instance, or of the app as a whole (None), from ``since`` on and before
    ``until`` (wall seconds). Answer: `HistoryPart`."""

    instance: int | None
    """Which instance; None for the app as a whole."""
    since: float
    """Begin of the first step."""
    until: float | None = None
    """None: now."""
    step_s: int | None = None
    """Length of a step; None, and what makes more than `limits.HISTORY_STEPS` of them: the shortest
    that makes fewer."""
    names: tuple[str, ...] = ()
    """Figures of ``wire/metrics.py`` and own metrics by name; empty: all."""


class EventsRange(RequestRecord, frozen=True, kw_only=True, tag="events_range"):
    """The events of the app from ``since`` on and before ``until`` (wall seconds), the newest
    ``limit`` of them. Answer: `EventsPart`."""

    since: float
    """Events from then on."""
    until: float | None = None
    """None: now."""
    limit: int = 1000
    """How many at most."""


class MuteAlerts(RequestRecord, frozen=True, kw_only=True, tag="mute_alerts"):
    """Announce nothing of a rule (None: of any) for ``seconds``; 0 ends that, and
    without a rule every mute. What fires still is announced afterwards. Answer: `Accepted`."""

    rule: str | None = None
    """Name of the rule; None for all rules."""
    seconds: float
    """For how long; 0 ends it."""


class Crashes(RequestRecord, frozen=True, kw_only=True, tag="crashes"):
    """The newest crash reports of this instance (None: of all), at most `limits.CRASHES`. Answer:
    `CrashesPart`."""

    instance: int | None = None
    """Of which instance; None for all."""
    limit: int = 1
    """How many at most, of each instance."""


class TestAlert(RequestRecord, frozen=True, kw_only=True, tag="test_alert"):
    """Send a trial notice through every hook. Answer: `AlertTestPart`, when all have ended."""


class Usage(RequestRecord, frozen=True, kw_only=True, tag="usage"):
    """Memory that only this instance's tree has (USS), too dear to sample each second.
    Answer: `UsagePart`."""

    instance: int
    """Of which instance."""


class BlockedTable(RequestRecord, frozen=True, kw_only=True, tag="blocked_table"):
    """Where this instance's event loops were blocked. Answer: `BlockedPart`."""

    instance: int
    """Of which instance."""


class Totals(RequestRecord, frozen=True, kw_only=True, tag="totals"):
    """The app's counters, which outlive workers, keepers and agents, and what is measured now.
    Answer: `TotalsPart`."""


class Actions(RequestRecord, frozen=True, kw_only=True, tag="actions"):
    """What can be triggered in this instance (None: in any). Answer: `ActionsPart`."""

    instance: int | None = None
    """In which instance; None for any."""


class Trigger(RequestRecord, frozen=True, kw_only=True, tag="trigger"):
    """Run an action in every process of this instance (None: of all) that offers it. Answer:
    `TriggerPart`, when all have answered or the time is over."""

    instance: int | None = None
    """In which instance; None for all."""
    action: str
    """Name of the action."""
    args: tuple[str, ...] = ()
    """What it gets."""
    timeout_s: float = 10.0
    """How long the answers are waited for."""


ProfileKind = Literal["cpu", "memory"]
ProfileTool = Literal["auto", "probe", "py-spy"]


class MakeProfile(RequestRecord, frozen=True, kw_only=True, tag="profile"):
    """Profile one process of this instance. Answer: `ProfilePart`, after ``seconds``."""

    instance: int
    """Of which instance."""
    kind: ProfileKind = "cpu"
    """Where time is spent, or what grows in memory."""
    seconds: float = 10.0
    """At most `limits.PROFILE_S`."""
    pid: int | None = None
    """The process; None: the one with a probe that uses most CPU."""
    tool: ProfileTool = "auto"
    """``auto`` uses py-spy where the agent finds it and may use it, else the probe."""


Request = (
    Snapshot | Listing | Start | Stop | Restart | Reload | CancelReload | Scale | Delete | Reset
    | SendSignal | Flush | ReopenLogs | LogRange | LogTail | LogSince | LogSearch | MetricsRange
    | HistoryRange | EventsRange | MuteAlerts | TestAlert | Crashes | Usage | BlockedTable | Totals
    | Actions | Trigger | MakeProfile
)  # fmt: skip


# --------------------------------------------------------------------------- answers


class AppSnapshot(Record, frozen=True, kw_only=True, tag="app_snapshot"):
    """Everything at one moment; events with a higher ``event_seq`` come after it."""

    epoch: int
    """That of the agent, see the headers."""
    event_seq: int
    """Number of the last event that is in it."""
    agent_pid: int
    """Of the agent."""
    agent_version: str
    """Version of monit of the agent."""
    app: AppRecord
    """The app."""
    rollout: Rollout | None = None
    """A reload that is in progress or has failed; None without one."""
    instances: tuple[InstanceRecord, ...]
    """Its slots."""
    samples: dict[int, Sample] = {}
    """Newest sample by instance."""
    app_sample: Sample | None = None
    """The figures of the app as a whole, as ``app_metrics.<app>`` publishes them; None when fewer
    than two of its instances have a probe."""
    logs: tuple[LogEnd, ...] = ()
    """How far its streams reach."""
    events: tuple[EventRecord, ...] = ()
    """Oldest first."""
    keeper_alive: bool = True
    """Whether its keeper is there."""
    alerts: tuple[AlertRecord, ...] = ()
    """Those that fire now, as in `AlertsChanged`."""
    mutes: tuple[AlertMute, ...] = ()
    """What is muted."""
    hooks: tuple[HookRecord, ...] = ()
    """The hooks, and how they do."""


class ListingPart(Record, frozen=True, kw_only=True, tag="listing_part"):
    """An `AppSnapshot` without its events and logs, as JSON."""

    json: bytes
    """An `AppSnapshot` as JSON."""


class Accepted(Record, frozen=True, kw_only=True, tag="accepted"):
    """The keeper accepted the command; updates report its progress. ``instances`` are those that it
    concerns, maybe fewer than requested: a running one is not started again."""

    instances: tuple[int, ...] = ()
    """Which are concerned."""


class LogPart(Record, frozen=True, kw_only=True, tag="log_part"):
    """Bytes of a stream. ``begin`` and ``end`` are the stream's, as in `LogEnd`."""

    instance: int
    """Of which instance."""
    stream: Stream
    """``out`` or ``err``."""
    offset: int
    """Of the first byte of ``data``."""
    data: bytes = b""
    """The bytes as they were printed."""
    times: tuple[tuple[int, int], ...] = ()
    """Pairs of offset and time (nanoseconds since 1970): from this byte on, printed then."""
    begin: int
    """Offset of the first byte of the stream that is kept."""
    end: int
    """Offset after its last byte."""


class FoundLine(Record, frozen=True, array_like=True):
    """A line that a search found, or one of its context."""

    offset: int
    """Of its first byte."""
    at_ns: int
    """When it was printed, of the wall clock; 0 when unknown."""
    data: bytes
    """Without its newline; of a line of more than 1 MiB, a part."""
    matches: bool = True
    """False: it is shown for the context only."""
    ended: bool = True
    """Whether a newline follows."""


class SearchPart(Record, frozen=True, kw_only=True, tag="search_part"):
    """What one piece of a search found. Lines of context may be in more than one answer; a line is
    known by its offset."""

    instance: int
    """Of which instance."""
    stream: Stream
    """``out`` or ``err``."""
    lines: tuple[FoundLine, ...] = ()
    """Ascending, at most 2 MiB."""
    matches: int = 0
    """Of this piece; the sum over all pieces is exact."""
    position: int
    """Where the next piece begins."""
    done: bool = False
    """Nothing is left to search."""
    scanned: int = 0
    """Bytes of the log that this piece searched."""
    unclear: int = 0
    """Lines that are given up, because the expression takes too long for them."""
    begin: int
    """Offset of the first byte of the stream that is kept."""
    end: int
    """Offset after its last byte."""


class OwnHistory(Record, frozen=True, kw_only=True):
    """The past of one of the app's own metrics: what `metrics.drawn` returned, None for unknown."""

    kind: MetricKind = "gauge"
    """Gauge, counter or histogram."""
    unit: str = ""
    """As the app names it; empty without one."""
    values: tuple[float | None, ...] = ()
    """One for each time; None where it is unknown."""


class MetricsPart(Record, frozen=True, kw_only=True, tag="metrics_part"):
    """The past of one instance in columns: the times of its samples, oldest first, and a value for
    each of these times."""

    instance: int
    """Of which instance."""
    at: tuple[float, ...] = ()
    """Times of the samples, oldest first."""
    figures: dict[str, tuple[int | float | None, ...]] = {}
    """By the names of ``wire/metrics.py``; one that was unknown all the time has no column."""
    own: dict[str, OwnHistory] = {}
    """The app's own metrics by name."""


class HistoryColumn(Record, frozen=True, kw_only=True):
    """What is known of one metric in each step of a `HistoryPart`; None for a step without a
    sample."""

    name: str
    """Name of the metric."""
    own: bool = False
    """Whether it is one of the app's own metrics."""
    kind: MetricKind = "gauge"
    """Gauge, counter or histogram."""
    unit: str = ""
    """Of an own metric; the others have theirs in the name."""
    low: tuple[float | None, ...] = ()
    """Lowest value of each step."""
    high: tuple[float | None, ...] = ()
    """Highest value of each step."""
    mean: tuple[float | None, ...] = ()
    """Mean of each step."""
    samples: tuple[int, ...] = ()
    """How many samples each step has, which are its weight in a mean of several steps."""


class HistoryPart(Record, frozen=True, kw_only=True, tag="history_part"):
    """The past of one instance, or of the app as a whole (None), in steps of equal length, oldest
    first. A step begins at a multiple of ``step_s``; the first may begin before what was asked
    for. Of an app as a whole, that is known of the time when two or more of its instances had a
    probe."""

    instance: int | None
    """Which instance; None for the app as a whole."""
    step_s: int
    """Length of a step."""
    begin: float
    """Wall time at which the first step begins."""
    steps: int
    """How many there are."""
    columns: tuple[HistoryColumn, ...] = ()
    """By name; a metric of which nothing is known has no column."""


class EventsPart(Record, frozen=True, kw_only=True, tag="events_part"):
    """Events, oldest first."""

    events: tuple[EventRecord, ...] = ()
    """The events."""


class CrashLine(Record, frozen=True, array_like=True):
    """One of the last lines of a worker that exited, as text: its first 1,000 characters, with
    bytes that are not UTF-8 written in hexadecimal."""

    stream: Stream
    """``out`` or ``err``."""
    offset: int
    """Its address in the log."""
    at_ns: int
    """When it was printed, in nanoseconds since 1970."""
    text: str
    """What was printed."""


class CrashReport(Record, frozen=True, kw_only=True):
    """What led to an exit that was not requested."""

    instance: int
    """Of which instance."""
    exit: Exit
    """How it exited."""
    pid: int | None = None
    """Of the worker; None where it is unknown."""
    reason: str = ""
    """The line among the last ones that names an error best; text of the worker."""
    hint: str = ""
    """What the kernel knows about it: out of memory, a fault, where a core file is."""
    lines: tuple[CrashLine, ...] = ()
    """The last ones of both streams, by time, at most `limits.CRASH_LINES`."""
    at: tuple[float, ...] = ()
    """When the samples of the last minute were taken, oldest first."""
    figures: dict[str, tuple[int | float | None, ...]] = {}
    """For each of them the values, by the names of ``wire/metrics.py``."""
    before: tuple[EventRecord, ...] = ()
    """What changed in the ten minutes before, oldest first."""


class CrashesPart(Record, frozen=True, kw_only=True, tag="crashes_part"):
    """Crash reports, newest first."""

    reports: tuple[CrashReport, ...] = ()
    """The reports."""


class AlertTestPart(Record, frozen=True, kw_only=True, tag="alert_test_part"):
    """What each hook did with the trial notice; empty: no hook is named."""

    results: tuple[HookResult, ...] = ()
    """One for each hook."""


class UsagePart(Record, frozen=True, kw_only=True, tag="usage_part"):
    """USS of an instance's tree; None where the kernel does not report it."""

    instance: int
    """Of which instance."""
    uss_bytes: int | None = None
    """Memory that only its processes have."""


class BlockedPart(Record, frozen=True, kw_only=True, tag="blocked_part"):
    """What was seen since the agent started, longest total first, at most `limits.BLOCKS`."""

    instance: int
    """Of which instance."""
    blocks: tuple[Blocked, ...] = ()
    """Where its loops were blocked."""
    lost: int = 0
    """Blocks that found no room in the table."""
    probes: int = 0
    """Processes of the instance from which a probe reports now; 0: nothing can be known."""
    faults: tuple[str, ...] = ()
    """Errors inside those probes, the last of each."""


class OwnTotal(Record, frozen=True, kw_only=True):
    """The total of one of the app's own counters or histograms."""

    kind: MetricKind
    """Counter or histogram."""
    unit: str = ""
    """As the app names it; empty without one."""
    value: float = 0.0
    """A counter's count, or the sum of what a histogram observed."""
    count: float = 0.0
    """Observations of a histogram."""


class ExitTotal(Record, frozen=True, array_like=True):
    """How many workers exited in one way."""

    code: int | None
    """Exit code; None after a signal, or where it is unknown."""
    signal: int | None
    """Number of the signal; None without one."""
    requested: bool
    """Whether somebody requested the exit."""
    count: int
    """How many workers."""


class InstanceTotals(Record, frozen=True, kw_only=True):
    """What the workers of one slot did together. Only `Reset` and the removal of the slot set a
    counter back. None: nothing has reported it. The last second of a worker may be missing."""

    cpu_s: float = 0.0
    """CPU time of the workers and all processes below them."""
    restarts: int = 0
    """As in `InstanceRecord`: `Reset` sets it to 0."""
    exit_restarts: int = 0
    """Those of them that nobody requested."""
    exits: tuple[ExitTotal, ...] = ()
    """How its workers exited."""
    gc_s: float | None = None
    """Time in the garbage collector; None without a probe."""
    gc_collections: int | None = None
    """Collections; None without a probe."""
    loop_blocks: int | None = None
    """How often an event loop was blocked for 100 ms or longer."""
    http_requests: int | None = None
    """Requests that were answered; None without a probe."""
    http_errors: int | None = None
    """Requests that were answered with a status of 500 and above, or not at all."""
    http_durations: tuple[int, ...] = ()
    """Requests by duration: how many took up to each of `limits.HTTP_BOUNDS_S`, but longer than the
    bound before; the last is of those above all bounds."""
    http_s: float = 0.0
    """Their durations together, to 1.6 %."""
    log_lost_bytes: int = 0
    """Printed bytes that could not be written, or were removed before their time."""
    own: dict[str, OwnTotal] = {}
    """The app's own counters and histograms by name, at most `limits.METRICS`."""
    own_dropped: int = 0
    """Own metrics that are not counted, because there are more."""
    service_instance_id: str | None = None
    """What the workers have as ``service.instance.id`` of OpenTelemetry, unless the user set
    another one: the same after every restart."""


class TotalsPart(Record, frozen=True, kw_only=True, tag="totals_part"):
    """Counters of the app, and the state and the newest sample of each instance at one moment."""

    app: AppRecord
    """The app."""
    agent_version: str
    """Version of monit of the agent."""
    keeper_alive: bool = True
    """Whether the keeper is there."""
    instances: tuple[InstanceRecord, ...]
    """Its slots."""
    samples: dict[int, Sample] = {}
    """By instance, without their ``processes``."""
    totals: dict[int, InstanceTotals] = {}
    """What their workers did, by the number of the slot."""
    publish_dropped: int = 0
    """Messages that slow subscribers had no room for."""


class Offer(Record, frozen=True, kw_only=True):
    """An action, and how many processes offer it."""

    name: str
    """Name of the action."""
    help: str = ""
    """What it does, in the words of the app."""
    processes: int = 1
    """How many processes offer it."""


class ActionsPart(Record, frozen=True, kw_only=True, tag="actions_part"):
    """What can be triggered, by name."""

    offers: tuple[Offer, ...] = ()
    """The actions."""
    lost_metrics: int = 0
    """Metrics of these instances that found no room (`limits.METRICS`)."""


class ActionResult(Record, frozen=True, kw_only=True):
    """What one process answered: JSON of what the action gave, or the text of what went wrong."""

    instance: int
    """Of which instance."""
    pid: int
    """Of the process."""
    ok: bool
    """Whether the action did its work."""
    value: str = ""
    """JSON, or what went wrong."""


class TriggerPart(Record, frozen=True, kw_only=True, tag="trigger_part"):
    """One result for each process that got the request, by instance and pid. Without results, no
    process offers the action; ``offers`` lists what is offered."""

    results: tuple[ActionResult, ...] = ()
    """One for each process."""
    offers: tuple[Offer, ...] = ()
    """What can be triggered instead, where nothing offers the action."""


ErrorKind = Literal[
    "bad_request", "unsupported", "no_such_instance", "refused", "keeper_gone", "failed"
]


class Refused(Record, frozen=True, kw_only=True, tag="refused"):
    """The request was not carried out; ``message`` says why and what to do."""

    kind: str
    """An `ErrorKind`; one that is not among them is of another version."""
    message: str
    """Why, and what to do."""


ProfileForm = Literal["stacks", "growth", "cpuprofile", "heapprofile", "collapsed"]


class ProfilePart(Record, frozen=True, kw_only=True, tag="profile_part"):
    """A profile of one process.

    ``data`` depends on ``form``. ``stacks`` and ``growth`` are JSON of the Python probe
    (``probe/README.md``), ``cpuprofile`` and ``heapprofile`` what V8 makes, ``collapsed`` the lines
    ``outer;inner 12`` of py-spy.
    """

    instance: int
    """Of which instance."""
    pid: int
    """Of the process."""
    kind: ProfileKind
    """Where time is spent, or what grows in memory."""
    form: ProfileForm
    """How ``data`` is written."""
    seconds: float
    """How long it lasted."""
    data: bytes = b""
    """At most `limits.PROFILE_BYTES`."""
    note: str = ""
    """Why it was not made by the tool that was to be preferred; of a profile of py-spy
    (``collapsed``), why it is shorter than requested."""


Answer = (
    AppSnapshot | ListingPart | Accepted | LogPart | SearchPart | MetricsPart | HistoryPart
    | EventsPart | AlertTestPart | CrashesPart | UsagePart | BlockedPart | TotalsPart | ActionsPart
    | TriggerPart | ProfilePart | Refused
)  # fmt: skip
