"""What a user wants of an app: the spec that the command line makes and the keeper obeys.

Plain tuples and JSON, because the keeper may import nothing but the standard library and
reads this from a pipe and from ``state.json``. The environment of the workers is not part
of it: its values never reach a file.
"""

from monit_agent.supervise.typed import Any, NamedTuple, cast


class BadSpecError(ValueError):
    """A spec that came from outside does not have the shape of this version."""


NODES = ("node", "nodejs")
"""Programs that speak Node's cluster protocol."""


class Policy(NamedTuple):
    """When a worker is started again and how it is stopped (keys and defaults near pm2's)."""

    autorestart: bool = True
    min_uptime_s: float = 1.0
    """A worker that lived this long, and was ready if readiness is asked for, is online."""
    max_restarts: int = 16
    """Unstable exits within `restart_window_s` that make an instance ``errored``."""
    restart_window_s: float = 900.0
    """Longer than the whole backoff series takes (231 s with the defaults), so that a
    script that always dies at once does end."""
    backoff_first_s: float = 0.1
    backoff_cap_s: float = 30.0
    stable_after_s: float = 30.0
    """Online this long, the unstable count and the backoff begin anew."""
    stop_exit_codes: tuple[int, ...] = ()
    """Exit codes that mean: finished, do not start again."""
    kill_timeout_s: float = 10.0
    listen_timeout_s: float = 30.0
    """A worker that is waited for (`waits`) and not ready by then is stopped as unstable."""
    stop_signal: int = 15
    max_memory_bytes: int | None = None
    cron: str | None = None


class Checks(NamedTuple):
    """What the agent asks the workers from outside. An empty URL or command: no such check."""

    ready_url: str = ""
    """A worker is online only when this answers, see ``wire/checkurl.py``."""
    ready_command: tuple[str, ...] = ()
    """The same, with a command that ends with 0."""
    health_url: str = ""
    health_command: tuple[str, ...] = ()
    health_interval_s: float = 10.0
    health_timeout_s: float = 3.0
    """How long the answer to any check may take."""
    health_failures: int = 3
    """So many in a row, and the worker is replaced."""
    health_grace_s: float = 5.0
    """A worker is not checked before it has been online so long."""
    restart_stuck_s: float | None = None
    """A worker whose event loop is held up for so long is replaced."""


class Increment(NamedTuple):
    """A variable in which instance n finds ``start`` + n."""

    name: str
    start: int


class AppSpec(NamedTuple):
    """One app. Paths are absolute."""

    name: str
    script: str
    """What the user named, for people to read."""
    argv: tuple[str, ...]
    """What is executed; ``argv[0]`` is looked up in the workers' PATH."""
    cwd: str
    user: str
    args: tuple[str, ...] = ()
    interpreter: str | None = None
    namespace: str = "default"
    version: str | None = None
    mode: str = "fork"
    """``fork``: each worker sees to its own ports. ``cluster``: the workers share those that the
    keeper holds."""
    instances: int = 1
    port: int | None = None
    """Given to the workers as ``PORT``."""
    watching: bool = False
    wait_ready: bool = False
    """Online only after ``READY=1`` (sd_notify), not by surviving ``min_uptime``."""
    env_named: tuple[str, ...] = ()
    """Names of the variables that ``--env`` or a config set; `save` may write only these."""
    umask: int = 0o022
    created_at: float = 0.0
    policy: Policy = Policy()
    listen: tuple[str, ...] = ()
    """What the workers inherit as listening sockets: ``HOST:PORT``, ``:PORT``, ``unix:PATH``."""
    checks: Checks = Checks()
    increment: Increment | None = None


def is_checked(spec: AppSpec) -> bool:
    """Tell whether the agent checks if a worker is ready."""
    return bool(spec.checks.ready_url or spec.checks.ready_command)


def waits(spec: AppSpec) -> bool:
    """Tell whether a worker is online only when somebody says that it is ready."""
    return spec.wait_ready or is_checked(spec)


def has_channel(spec: AppSpec) -> bool:
    """Tell whether the workers are Node programs, which have a channel to the keeper.

    Over it they can be asked to finish, and say when they have, and when they are ready.
    """
    return _basename(spec.argv[0]) in NODES


def is_primary(spec: AppSpec) -> bool:
    """Tell whether the keeper is to the workers what the primary of a Node cluster is. Not where
    they inherit their sockets: a member of a cluster cannot use those."""
    return spec.mode == "cluster" and has_channel(spec) and not spec.listen


def shares_by_bind(spec: AppSpec) -> bool:
    """Tell whether the workers get shared ports when they bind a socket (Python programs)."""
    return spec.mode == "cluster" and not has_channel(spec)


def _basename(path: str) -> str:
    return path.rpartition("/")[2]


def to_json(spec: AppSpec) -> dict[str, Any]:
    """Give ``spec`` as JSON-able values."""
    plain = spec._asdict()
    plain["policy"] = spec.policy._asdict()
    plain["checks"] = spec.checks._asdict()
    plain["increment"] = spec.increment._asdict() if spec.increment else None
    return plain


def from_json(plain: Any) -> AppSpec:
    """Make a spec of `to_json`'s values; unknown keys are an error. Raises `BadSpecError`."""
    try:
        fields = {key: _tupled(value) for key, value in plain.items()}
        policy = {key: _tupled(value) for key, value in fields.pop("policy", {}).items()}
        checks = {key: _tupled(value) for key, value in fields.pop("checks", {}).items()}
        increment = fields.pop("increment", None)
        return AppSpec(
            **fields,
            policy=Policy(**policy),
            checks=Checks(**checks),
            increment=Increment(**increment) if increment else None,
        )
    except (AttributeError, TypeError) as error:
        raise BadSpecError(f"not a spec of this version: {error}") from error


def _tupled(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value
