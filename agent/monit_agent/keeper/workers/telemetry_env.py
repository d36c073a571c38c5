"""``OTEL_RESOURCE_ATTRIBUTES`` of a worker: which service it is, where the user has not said it.

The names that were added are kept in `ADDED`: another keeper, or an app that is started from within
this one, must not take them for the user's.
"""

import os

from monit_agent.supervise.spec import AppSpec
from monit_agent.system.files.revision import revision_of
from monit_agent.system.service_identity import service_instance_id
from monit_agent.system.users import RunAs, acting_as

ATTRIBUTES = b"OTEL_RESOURCE_ATTRIBUTES"
ADDED = b"MONIT_OTEL_ADDED"

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:@+")


def revision_for_worker(spec: AppSpec, user: RunAs | None) -> str | None:
    """Return the revision of the code that a worker runs. ``user`` is the worker's where that is
    another one than the keeper's, who learns of no file that only root can read."""
    try:
        with acting_as(user):
            return revision_of(spec.cwd, as_owner=user is None)
    except OSError:  # root without the right to change its groups
        return None


def add_service(
    env: dict[bytes, bytes], home: str, spec: AppSpec, instance: int, revision: str | None
) -> None:
    """Add the attributes of the service to those in ``env``, which stay as they are."""
    facts = {
        "service.name": spec.name,
        "service.namespace": spec.namespace,
        "service.instance.id": service_instance_id(home, spec.name, instance),
        "service.version": spec.version or revision,
        "vcs.ref.head.revision": revision,
    }
    before = env.get(ATTRIBUTES, b"").strip().rstrip(b",")
    known = {_name_of(part) for part in before.split(b",")}
    if b"OTEL_SERVICE_NAME" in env:
        known.add(b"service.name")
    new = {
        name.encode(): _encoded(value)
        for name, value in facts.items()
        if value and name.encode() not in known
    }
    if new:
        parts = [before] if before else []
        parts += [name + b"=" + value for name, value in new.items()]
        env[ATTRIBUTES] = b",".join(parts)
        env[ADDED] = b",".join(new)


def remove_service(env: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return ``env`` without what `add_service` has added."""
    added = set(env.get(ADDED, b"").split(b","))
    if ADDED not in env:
        return env
    rest = {name: value for name, value in env.items() if name != ADDED}
    parts = [part for part in rest.pop(ATTRIBUTES, b"").split(b",") if part]
    left = [part for part in parts if _name_of(part) not in added]
    if left:
        rest[ATTRIBUTES] = b",".join(left)
    return rest


def _name_of(part: bytes) -> bytes:
    return part.partition(b"=")[0].strip()


def _encoded(text: str) -> bytes:
    """Return a value as the W3C's baggage writes it: other characters as ``%2C``."""
    raw = os.fsencode(text)
    return b"".join(b"%c" % byte if byte in _PLAIN else b"%%%02X" % byte for byte in raw)
