"""The spec of an app: the command line makes it, the keeper carries it out.

Plain tuples and JSON, because the keeper may import nothing but the standard library and
reads this from a pipe and from ``state.json``. The environment of the workers is not part
of it: its values never reach a file.
"""

from monit_agent.typed import Any, NamedTuple, cast


class BadSpecError(ValueError):
    """The input is not a spec of this version."""


MODES = ("fork", "cluster")
NODES = ("node", "nodejs")
"""Programs that speak Node's cluster protocol."""


TYPES = ("service", "once")
"""Kinds of apps, see `AppSpec.type`."""

RESTARTS = ("always", "on-failure", "never")
"""When a worker that exits is restarted, see `RestartPolicy.restart`."""

LOG_PLACES = ("file", "journald", "stdout", "none")
"""Where what workers print can go, see `LogSettings.to`."""

NO_STDOUT = (
    "log.to = stdout: only monit run has a standard output to print to; write file, journald or "
    "none"
)

KILL_MODES = ("mixed", "group", "process")
"""Which processes of a worker are stopped, see `RestartPolicy.kill_mode`."""


class RestartPolicy(NamedTuple):
    """When a worker is restarted, how it is stopped and how it reloads itself (keys and defaults
    near pm2's)."""

    restart: str = "always"
    """``on-failure``: not after exit code 0. ``never``: not by itself."""
    min_uptime_s: float = 1.0
    """Uptime after which a worker counts as online, if it is ready where readiness is required."""
    max_restarts: int = 16
    """Failed starts within `restart_window_s` that make an instance ``errored``."""
    restart_window_s: float = 900.0
    """At least; `restart_rules.restart_window_s` is longer than the whole backoff series takes
    (231 s with the defaults), so that a script that always exits at once becomes ``errored``."""
    backoff_first_s: float = 0.1
    backoff_cap_s: float = 30.0
    restart_delay_s: float | None = None
    """Wait before each restart after an exit; after a failed start the longer wait counts."""
    stable_after_s: float = 30.0
    """Uptime after which failed starts and backoff are reset."""
    stop_exit_codes: tuple[int, ...] = ()
    """Exit codes that mean done: the worker is not restarted."""
    kill_timeout_s: float = 10.0
    listen_timeout_s: float = 30.0
    """A worker that must become ready (`awaits_ready`) and is not by then is stopped: a failed
    start."""
    stop_signal: int = 15
    kill_mode: str = "mixed"
    """Who gets the stop signal. ``mixed``: the main process; what it leaves behind gets it after
    its exit, parents before children. ``group``: the whole process group at once. ``process``: the
    main process only; what it leaves behind keeps running."""
    max_memory_bytes: int | None = None
    cron: str | None = None
    reload_command: tuple[str, ...] = ()
    """Lets the program reload itself, so that a reload replaces no worker; () for none."""
    reload_signal: int | None = None
    """A signal that does the same; None for none."""


class Checks(NamedTuple):
    """The checks that the agent makes. An empty URL or command: no such check."""

    ready_url: str = ""
    """A worker is online only when this answers, see ``wire/checkurl.py``."""
    ready_command: tuple[str, ...] = ()
    """The same, with a command that exits with 0."""
    health_url: str = ""
    health_command: tuple[str, ...] = ()
    health_interval_s: float = 10.0
    health_timeout_s: float = 3.0
    """How long the answer to any check may take."""
    health_failures: int = 3
    """Failures in a row after which the worker is replaced."""
    health_grace_s: float = 5.0
    """Uptime before the first health check."""
    restart_stuck_s: float | None = None
    """A worker whose event loop is blocked for this long is replaced."""


class LogSettings(NamedTuple):
    """Where what the workers print goes, and how long it is kept. A limit of 0: none."""

    to: str = "file"
    """``file``, ``journald``, ``none``, or ``stdout`` of `monit run`."""
    max_size_bytes: int = 20 * 1024 * 1024
    """Size at which the file of a stream is rotated."""
    max_files: int = 10
    """Rotated files of a stream that are kept."""
    max_age_s: float = 30 * 86400.0
    max_total_bytes: int = 200 * 1024 * 1024
    """What all log files of the app may take on the disk."""
    compress: bool = True
    """Whether all rotated files of a stream but the newest are compressed."""
    out: str = ""
    """Path of the file for standard output of instance 0; that of instance n has ``-n`` before its
    extension. "" for the app's own folder, ``none`` to keep nothing."""
    err: str = ""
    """The same for standard error. With the path of ``out`` both are one stream."""


class AlertOptions(NamedTuple):
    """What a user changed of the alerts, which the agent watches for."""

    rules: tuple[str, ...] = ()
    """``NAME=RULE``, see ``wire/alertrules.py``; ``NAME=off`` switches a default rule off."""
    grace_s: float = 60.0
    """How long after a start, a restart or a reload only those alerts fire that are about exits."""
    command: tuple[str, ...] = ()
    """Run for each notice, which it finds as JSON on standard input."""
    webhook: str = ""
    """URL to which each notice is sent; often a secret."""
    webhook_ca: str = ""
    """Path of a file with certificates (PEM) that are trusted too; "" or ``none`` for none."""
    on: tuple[str, ...] = ("alert",)
    """What notices are sent about: alerts, and events of some kinds."""


class Increment(NamedTuple):
    """A variable with the value ``start`` + n in instance n."""

    name: str
    start: int


class AppSpec(NamedTuple):
    """One app. Paths are absolute."""

    name: str
    script: str
    """What the user typed, for people to read."""
    argv: tuple[str, ...]
    """What is executed; ``argv[0]`` is looked up in the workers' PATH."""
    cwd: str
    user: str
    """Who started the app."""
    worker_user: str = ""
    """As whom the workers run, by name or number; "" for the keeper's own user."""
    worker_group: str = ""
    """Their group; "" for that of the user."""
    args: tuple[str, ...] = ()
    interpreter: str | None = None
    namespace: str = "default"
    version: str | None = None
    mode: str = "fork"
    """``fork``: each worker opens its own ports. ``cluster``: the workers share ports that the
    keeper holds."""
    instances: int = 1
    port: int | None = None
    """The workers get it as ``PORT``."""
    watch_paths: tuple[str, ...] = ()
    """Files and folders, absolute; a change of one of them restarts the app. () for none."""
    watch_ignore: tuple[str, ...] = ()
    """What is not watched, in the syntax of ``.gitignore``."""
    watch_delay_s: float = 0.5
    """How long nothing must have changed before a restart."""
    wait_ready: bool = False
    """Online only after ``READY=1`` (sd_notify), not after ``min_uptime``."""
    env_named: tuple[str, ...] = ()
    """Names of the variables that ``--env`` or a config set."""
    env_files: tuple[str, ...] = ()
    """Files of variables, read again before each start of a worker; the last one wins. One with
    ``?`` before its path may be missing."""
    inherit_env: bool = True
    """False: of what is inherited only what every program needs."""
    drop_env: tuple[str, ...] = ()
    """Names of variables that are not inherited; ``*`` at either end stands for anything."""
    umask: int = 0o022
    created_at: float = 0.0
    policy: RestartPolicy = RestartPolicy()
    listen: tuple[str, ...] = ()
    """Listening sockets that the workers inherit: ``HOST:PORT``, ``:PORT``, ``unix:PATH``."""
    checks: Checks = Checks()
    increment: Increment | None = None
    instance_var: str = ""
    """A variable in which each worker finds the number of its instance; "" for none but monit's."""
    timezone: str = ""
    """The ``TZ`` of the workers and of the schedule; "" for the one that they inherit."""
    log: LogSettings = LogSettings()
    alerts: AlertOptions = AlertOptions()
    chosen_mode: str = ""
    """What ``--mode`` says; "" where the mode follows from the program and its ports."""
    runtime: str = ""
    """What the command runs in the end, wrappers followed: ``python``, ``node``, ``node runner``
    (npm and the like), or "" for what is unknown."""
    type: str = "service"
    """``service``: it runs until it is stopped. ``once``: it does its work and exits with 0."""
    after: tuple[str, ...] = ()
    """What it starts after: ``APP=STATE``, see ``wire/order.py``."""
    origin_file: str | None = None
    """The config file that the app is from, absolute; None for one of the command line."""
    other: dict[str, Any] = {}  # noqa: RUF012  never changed in place
    """Keys of another version of monit, kept for it: by the key of the part that they are in, those
    of the spec itself by ""."""


def reloads_itself(spec: AppSpec) -> bool:
    """Return whether the program can reload itself."""
    return bool(spec.policy.reload_command) or spec.policy.reload_signal is not None


def is_good_exit(spec: AppSpec, code: int | None) -> bool:
    """Return whether a worker that exited with this code has done its work."""
    return code == 0 or code in spec.policy.stop_exit_codes


def is_restarted(policy: RestartPolicy, code: int | None) -> bool:
    """Return whether a worker that exited by itself is restarted; ``code`` is None for a signal."""
    if code in policy.stop_exit_codes:
        return False
    return policy.restart == "always" or (policy.restart == "on-failure" and code != 0)


SHARING_RUNTIMES = ("python", "node", "node runner")
"""Of what the workers take a socket from the keeper."""


def has_ready_check(spec: AppSpec) -> bool:
    """Return whether the agent checks if a worker is ready."""
    return bool(spec.checks.ready_url or spec.checks.ready_command)


def awaits_ready(spec: AppSpec) -> bool:
    """Return whether a worker is online only when it or a check reports that it is ready."""
    return spec.wait_ready or has_ready_check(spec)


def port_of(spec: AppSpec, instance: int) -> int | None:
    """Return the port that an instance was given, None without one."""
    if spec.increment is not None and spec.increment.name == "PORT":
        return spec.increment.start + instance
    return spec.port


def has_port(spec: AppSpec) -> bool:
    """Return whether a worker is online only when it accepts connections."""
    return bool(spec.listen) or port_of(spec, 0) is not None


def has_node_channel(spec: AppSpec) -> bool:
    """Return whether the workers are Node programs, which have a channel to the keeper.

    Over it the keeper can disconnect them, and they report when that is done and when they are
    ready.
    """
    return spec.runtime == "node" or _basename(spec.argv[0]) in NODES


def runs_node(spec: AppSpec) -> bool:
    """Return whether the workers are Node programs, or wrappers that run one."""
    return spec.runtime == "node runner" or has_node_channel(spec)


def is_node_primary(spec: AppSpec) -> bool:
    """Return whether the keeper is the primary of a Node cluster of the workers. Not where they
    inherit their sockets: a member of a cluster cannot use those."""
    return spec.mode == "cluster" and has_node_channel(spec) and not spec.listen


def shares_on_bind(spec: AppSpec) -> bool:
    """Return whether the workers request shared ports when they bind a socket: Python programs,
    and Node programs that a wrapper runs."""
    return spec.mode == "cluster" and not has_node_channel(spec)


def for_size(spec: AppSpec, size: int) -> AppSpec:
    """Return the spec for so many instances: several of a program that can share its ports do,
    unless the user chose otherwise."""
    own = spec.chosen_mode or spec.increment or spec.runtime not in SHARING_RUNTIMES
    return spec if size < 2 or own else spec._replace(mode="cluster")


def would_open_one_port(spec: AppSpec, size: int) -> bool:
    """Return whether so many instances would each open the same port."""
    alone = size < 2 or spec.port is None or spec.increment is not None or spec.chosen_mode
    return not alone and for_size(spec, size).mode == "fork"


def _basename(path: str) -> str:
    return path.rpartition("/")[2]


_PARTS = {
    "policy": RestartPolicy,
    "checks": Checks,
    "log": LogSettings,
    "alerts": AlertOptions,
    "increment": Increment,
}


def spec_to_json(spec: AppSpec) -> dict[str, Any]:
    """Return ``spec`` as JSON-able values."""
    plain = spec._asdict()
    other = plain.pop("other")
    plain["policy"] = {
        **spec.policy._asdict(),
        "autorestart": spec.policy.restart != "never",
    }
    plain["watching"] = bool(spec.watch_paths)
    plain["checks"] = spec.checks._asdict()
    plain["log"] = spec.log._asdict()
    plain["alerts"] = spec.alerts._asdict()
    plain["increment"] = spec.increment._asdict() if spec.increment else None
    for name in _PARTS:
        if plain[name] is not None:
            plain[name].update(other.get(name, {}))
    return {**plain, **other.get("", {})}


def spec_from_json(plain: Any) -> AppSpec:
    """Make a spec of `spec_to_json`'s values. Keys of another version are kept in ``other``. Raise
    `BadSpecError`."""
    try:
        other: dict[str, Any] = {}
        fields = _known_fields(AppSpec, "", _without_old_keys(plain), other)
        for name, kind in _PARTS.items():
            if fields.get(name) is not None:
                fields[name] = kind(**_known_fields(kind, name, fields[name], other))
        return AppSpec(**fields)._replace(other=other)
    except (AttributeError, TypeError) as error:
        raise BadSpecError(f"not a spec of this version: {error}") from error


def _without_old_keys(plain: Any) -> Any:
    """Return ``plain`` with today's keys for those of versions before ``restart`` and
    ``watch_paths``. They are still written, and what such a version changed wins."""
    plain = {**plain}
    watching = plain.pop("watching", None)
    if watching is not None and watching != bool(plain.get("watch_paths")):
        plain["watch_paths"] = [plain.get("cwd")] if watching else []
    policy = {**plain.get("policy", {})}
    again = policy.pop("autorestart", None)
    if again is not None and again != (policy.get("restart", "always") != "never"):
        policy["restart"] = "always" if again else "never"
    return {**plain, "policy": policy}


def _known_fields(kind: Any, name: str, plain: Any, other: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that ``kind`` has; put the others into ``other`` under ``name``."""
    fields = {key: _tupled(value) for key, value in plain.items() if key in kind._fields}
    unknown = {key: value for key, value in plain.items() if key not in kind._fields}
    if unknown:
        other[name] = unknown
    return fields


def _tupled(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value
