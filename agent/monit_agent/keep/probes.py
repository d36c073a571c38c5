"""How the probe comes into workers: by their environment.

The probe's files lie in the home, in a folder named after their contents, and not where monit
is installed: there every interpreter version can keep their bytecode (5 to 12 ms of each start),
and an upgrade of monit does not take them away from programs that run.
"""

import binascii
import os

from monit_agent.keep.journal import note
from monit_agent.wire.places import AppPlaces

Env = dict[bytes, bytes]

_SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "probe")
_FILES = (
    "inject/sitecustomize.py", "inject/_monit_probe.py", "inject/_monit_http.py",
    "inject/_monit_http_uvicorn.py", "inject/_monit_http_loops.py",
    "inject/_monit_http_threads.py", "inject/_monit_port.py", "inject/_monit_leave.py",
    "inject/monit_probe.py", "inject/_monit_ask.py", "inject/_monit_prometheus.py",
    "node/monit_probe.cjs", "node/monit_port.cjs", "node/monit_http.cjs", "node/monit_metrics.cjs",
    "node/monit_pm2.cjs", "node/monit_prometheus.cjs", "node/monit_blocks.cjs",
    "node/monit_watch.cjs", "node/monit_budget.cjs",
)  # fmt: skip
_MARK = b"/cache/probe-"
_REQUIRE = b" --require="


def put_in(env: Env, places: AppPlaces, *, node_ports: bool = False) -> Env:
    """Give ``env`` with what brings the probe into Python and Node; as it is when its files cannot
    be put into the home. Where the user switched the probe off (``MONIT_PROBE=0``), a Python
    program can only import `monit_probe`, which then does nothing."""
    probed = env.get(b"MONIT_PROBE") != b"0"
    folder = _installed(os.path.dirname(os.path.dirname(places.folder)))
    if folder is None:
        return env
    inject = os.fsencode(os.path.join(folder, "inject"))
    env = {**env, b"PYTHONPATH": b":".join(filter(None, (inject, env.get(b"PYTHONPATH"))))}
    node = [name for name, on in (("monit_probe", probed), ("monit_port", node_ports)) if on]
    preloads = (os.fsencode(os.path.join(folder, "node", f"{name}.cjs")) for name in node)
    if node:
        env[b"NODE_OPTIONS"] = b"".join((env.get(b"NODE_OPTIONS", b""), *map(_required, preloads)))
    if probed:
        env[b"MONIT_PROBE_SOCK"] = os.fsencode(places.probe)
        env[b"MONIT_PROBE_NODE_SOCK"] = os.fsencode(places.node_probe)
        env[b"MONIT_PROBE_ASK"] = os.fsencode(places.ask)
    return env


def taken_out(env: Env) -> Env:
    """Give ``env`` as it was before `put_in`, whichever home and version of monit did it."""
    env = {**env}
    for name, separator in ((b"PYTHONPATH", b":"), (b"NODE_OPTIONS", _REQUIRE)):
        value = env.get(name)
        if value is None or _MARK not in value:
            continue
        rest = separator.join(part for part in value.split(separator) if _MARK not in part)
        if rest:
            env[name] = rest
        else:
            del env[name]
    return env


def _required(preload: bytes) -> bytes:
    escaped = preload.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'%s"%s"' % (_REQUIRE, escaped)


def _installed(home: str) -> str | None:
    """Give the folder with the probe's files; None when they cannot be put there."""
    if ":" in home:
        note(f"workers start without the probe: PYTHONPATH cannot hold {home!r}, because of ':'")
        return None
    try:
        contents = {name: _read(os.path.join(_SOURCE, name)) for name in _FILES}
        crc = binascii.crc32(b"".join(contents.values()))
        folder = os.path.join(home, "cache", f"probe-{crc:08x}")
        for name, content in contents.items():
            target = os.path.join(folder, name)
            if not os.path.exists(target):
                _write(target, content)
    except OSError as error:
        note(f"workers start without the probe: {error}")
        return None
    return folder


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    half = f"{path}.{os.getpid()}"
    with open(half, "wb") as file:
        file.write(content)
    os.replace(half, path)  # keepers of several apps may do this at once
