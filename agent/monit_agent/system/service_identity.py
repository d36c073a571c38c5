"""What OpenTelemetry calls a service: the same names in an app's own telemetry and in monit's.

The id of an instance is of machine, home, app and slot, so it outlives every restart.
"""

import os

from monit_agent.typed import Any

_NAMESPACE = bytes.fromhex("4d63009a8d0f11eeaad74c796ed8e320")
"""Of ``service.instance.id`` in OpenTelemetry's conventions, for ids that are made of names."""


def service_instance_id(home: str, app: str, instance: int) -> str:
    """Return the UUID (version 5) of one slot of an app."""
    parts = (_machine(), os.path.realpath(home), app, str(instance))
    name = "\0".join(parts).encode("utf-8", "surrogateescape")
    raw = bytearray(_sha1(_NAMESPACE + name)[:16])
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _machine() -> str:
    """Return the id of the machine; its name where there is none, as in a container."""
    try:
        with open("/etc/machine-id", "rb") as file:
            return file.read(64).decode().strip() or os.uname().nodename
    except (OSError, ValueError):
        return os.uname().nodename


def _sha1(raw: bytes) -> bytes:
    module: Any
    try:  # 0.1 MB in a keeper, where `hashlib` and `uuid` take several
        module = __import__("_sha1")
    except ImportError:  # a Python that was built without it
        module = __import__("hashlib")
    return module.sha1(raw).digest()
