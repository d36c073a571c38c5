"""What a worker finds in its environment."""

import os

from monit_agent.keep import probes, procfs
from monit_agent.supervise.spec import AppSpec, has_channel
from monit_agent.wire.places import AppPlaces

Env = dict[bytes, bytes]


def from_json(plain: dict[str, str]) -> Env:
    """Give the environment that came as JSON; ValueError for what cannot be one."""
    env = {_bytes(name): _bytes(value) for name, value in plain.items()}
    if any(not name or b"=" in name for name in env):
        raise ValueError("a variable's name is empty or holds '='")
    if any(b"\0" in name or b"\0" in value for name, value in env.items()):
        raise ValueError("a variable holds a NUL byte")
    return without_ours(env)


def without_ours(env: Env) -> Env:
    """Give ``env`` without what a keeper gave to one worker."""
    kept = {name: value for name, value in env.items() if name not in procfs.OURS}
    return probes.taken_out(kept)


def marks(places: AppPlaces) -> Env:
    """Give the variables that tell the workers of this app from all other processes."""
    home = os.path.dirname(os.path.dirname(places.folder))
    return {b"MONIT_HOME": os.fsencode(home), b"MONIT_APP": os.fsencode(places.name)}


def for_worker(base: Env, places: AppPlaces, spec: AppSpec, instance: int, outfit: Env) -> Env:
    """Give the environment of a worker; ``MONIT_PID`` is added when its pid is known."""
    number = b"%d" % instance
    env = {
        b"PYTHONUNBUFFERED": b"1",  # or a killed Python's last lines never leave it
        **base,
        **marks(places),
        b"MONIT_INSTANCE": number,
        b"NODE_APP_INSTANCE": number,
        **outfit,
    }
    if spec.port is not None:
        env[b"PORT"] = b"%d" % spec.port
    if spec.increment is not None:
        name, start = spec.increment
        env[name.encode()] = b"%d" % (start + instance)
    if spec.wait_ready:
        env[b"NOTIFY_SOCKET"] = os.fsencode(places.notify)
    return probes.put_in(env, places, node_ports=has_channel(spec))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
