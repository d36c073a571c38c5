"""The environment of a worker."""

import os

from monit_agent.keeper.workers import probe_env, telemetry_env
from monit_agent.supervise.spec import AppSpec, runs_node
from monit_agent.wire.paths import AppPaths

Env = dict[bytes, bytes]

WORKER_VARIABLES = (
    b"MONIT_HOME", b"MONIT_APP", b"MONIT_INSTANCE", b"MONIT_PID", b"NODE_APP_INSTANCE",
    b"NOTIFY_SOCKET", b"MONIT_PROBE_SOCK", b"MONIT_PROBE_NODE_SOCK", b"MONIT_PROBE_REQUESTS",
    b"MONIT_SHARE", b"MONIT_SHARE_PORT", b"MONIT_CHANNEL", b"MONIT_ALONE",
    b"NODE_CHANNEL_FD", b"NODE_CHANNEL_SERIALIZATION_MODE", b"NODE_UNIQUE_ID",
    b"LISTEN_FDS", b"LISTEN_PID", b"LISTEN_FDNAMES", b"WATCHDOG_PID", b"WATCHDOG_USEC",
)  # fmt: skip
"""Variables that a keeper gives to a worker, or a unit to its main process: they never pass on to
another process."""


def env_from_json(plain: dict[str, str]) -> Env:
    """Return the environment that was sent as JSON; raise ValueError."""
    env = encoded(plain)
    if any(not name or b"=" in name for name in env):
        raise ValueError("a variable's name is empty or holds '='")
    if any(b"\0" in name or b"\0" in value for name, value in env.items()):
        raise ValueError("a variable holds a NUL byte")
    return without_worker_variables(env)


def encoded(plain: dict[str, str]) -> Env:
    """Return an environment of text as the bytes that the system takes."""
    return {_bytes(name): _bytes(value) for name, value in plain.items()}


def without_worker_variables(env: Env) -> Env:
    """Return ``env`` without the variables that a keeper adds for one worker."""
    kept = {name: value for name, value in env.items() if name not in WORKER_VARIABLES}
    kept = telemetry_env.remove_service(kept)
    return probe_env.remove_probe(kept)


def identifying_variables(paths: AppPaths) -> Env:
    """Return the variables by which the workers of this app are recognised."""
    return {b"MONIT_HOME": os.fsencode(_home_of(paths)), b"MONIT_APP": os.fsencode(paths.name)}


def _home_of(paths: AppPaths) -> str:
    return os.path.dirname(os.path.dirname(paths.folder))


def worker_environment(
    base: Env,
    paths: AppPaths,
    spec: AppSpec,
    instance: int,
    port_variables: Env,
    *,
    node_probe: bool = True,
    revision: str | None = None,
) -> Env:
    """Return the environment of a worker that runs the code of a ``revision``; ``MONIT_PID`` is
    added when its pid is known."""
    env = {
        b"PYTHONUNBUFFERED": b"1",  # else a killed Python loses its last lines
        b"SPT_NOENV": b"1",  # else setproctitle writes over the environment that /proc shows
        **base,
        **port_variables,
        **_instance_variables(paths, spec, instance),
    }
    telemetry_env.add_service(env, _home_of(paths), spec, instance, revision)
    return probe_env.add_probe(
        env,
        paths,
        spec.argv,
        node=node_probe,
        node_ports=runs_node(spec),
        other_user=bool(spec.worker_user or spec.worker_group),
    )


def command_environment(base: Env, paths: AppPaths, spec: AppSpec, instance: int) -> Env:
    """Return the environment of a command that is run for a worker: that of the worker without what
    only the worker can use, and without the probe."""
    return {**base, **_instance_variables(paths, spec, instance), b"MONIT_PROBE": b"0"}


def _instance_variables(paths: AppPaths, spec: AppSpec, instance: int) -> Env:
    number = b"%d" % instance
    env = {
        **identifying_variables(paths),
        b"MONIT_INSTANCE": number,
        b"NODE_APP_INSTANCE": number,
    }
    if spec.port is not None:
        env[b"PORT"] = b"%d" % spec.port
    if spec.increment is not None:
        name, start = spec.increment
        env[name.encode()] = b"%d" % (start + instance)
    if spec.instance_var:
        env[spec.instance_var.encode()] = number
    if spec.wait_ready:
        env[b"NOTIFY_SOCKET"] = os.fsencode(paths.notify)
    return env


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
