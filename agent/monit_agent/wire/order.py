"""The order in which apps start: what each one comes after. Pure.

As text a dependency is ``db=ready``: the app's name, and how far it must be.
"""

from collections.abc import Iterable, Mapping, Sequence

from monit_agent.typed import Any, NamedTuple

STATES = ("started", "ready", "done")
"""A worker of it exists; all its instances are online; it has finished its work."""

USUAL = "ready"


class Dependency(NamedTuple):
    """What an app comes after."""

    app: str
    state: str = USUAL


class InstanceState(NamedTuple):
    """How far an instance of an app is: fields of `InstanceRecord`."""

    status: str
    desired: str
    has_worker: bool
    ready: bool
    done: bool
    reason: str | None


NOT_RUNNING = "which is not running"

After = Mapping[str, Sequence[Dependency]]
"""By the name of an app, what it comes after."""


def dependency_text(dependency: Dependency) -> str:
    """Return what `read_dependency` reads."""
    return f"{dependency.app}={dependency.state}"


def read_dependency(text: str) -> Dependency:
    """Return what `dependency_text` writes; raise ValueError. Without a state it is ``ready``."""
    app, equals, state = text.partition("=")
    if not app or (equals and state not in STATES):
        raise ValueError(f"{text!r} is not APP=STATE with one of {', '.join(STATES)}")
    return Dependency(app, state if equals else USUAL)


def read_dependencies(texts: Iterable[str]) -> tuple[Dependency, ...]:
    """Return the dependencies that can be read; those of a newer version are left out."""
    found: list[Dependency] = []
    for text in texts:
        try:
            found.append(read_dependency(text))
        except ValueError:
            continue
    return tuple(found)


def find_cycle(after: After) -> tuple[str, ...]:
    """Return the apps of a cycle, the first one again at its end; () when there is none."""
    finished: set[str] = set()
    for first in after:
        path: list[str] = []
        cycle = _search(first, after, path, finished)
        if cycle:
            return cycle
    return ()


def _search(app: str, after: After, path: list[str], finished: set[str]) -> tuple[str, ...]:
    if app in path:
        return (*path[path.index(app) :], app)
    if app in finished:
        return ()
    path.append(app)
    for dependency in after.get(app, ()):
        cycle = _search(dependency.app, after, path, finished)
        if cycle:
            return cycle
    path.pop()
    finished.add(app)
    return ()


def start_layers(names: Iterable[str], after: After) -> list[list[str]]:
    """Return the apps in layers: each comes after those of earlier layers only. Those in a cycle,
    which no file can have, are in the last one."""
    left = sorted(set(names))
    layers: list[list[str]] = []
    while left:
        waits = {name for name in left if any(each.app in left for each in after.get(name, ()))}
        layer = [name for name in left if name not in waits] or left
        layers.append(layer)
        left = [name for name in left if name not in layer]
    return layers


def with_dependencies(names: Iterable[str], after: After) -> list[str]:
    """Return the apps and all that they come after, without those that are in no map."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting += [each.app for each in after.get(name, ())]
    return list(found)


def read_instance(record: Mapping[str, Any]) -> InstanceState:
    """Return how far the instance of a keeper's record (`InstanceRecord` as JSON) is."""
    return InstanceState(
        status=record["status"],
        desired=record["desired"],
        has_worker=record["pid"] is not None,
        ready=record["ready"],
        done=record.get("done", False),
        reason=record["reason"],
    )


def unmet(instances: Iterable[InstanceState], state: str) -> str | None:
    """Return "" when an app with these instances is as far as another one needs it (a dependency's
    ``state``), why it will not be, or None while it may still be."""
    active = [each for each in instances if each.desired == "running" or each.done]
    if not active:
        return NOT_RUNNING
    if all(_is_met(each, state) for each in active):
        return ""
    failed = [each for each in active if each.status == "errored"]
    if failed:
        return f"which failed: {failed[0].reason or 'see monit describe'}"
    if all(each.status == "stopped" and not each.done for each in active):
        return "which has exited without success"
    return None


def _is_met(instance: InstanceState, state: str) -> bool:
    if state == "done" or instance.done:
        return instance.done
    if state == "started":
        return instance.has_worker
    return instance.status == "online" and instance.ready


def dependents(after: After) -> dict[str, set[str]]:
    """Return, by the name of an app, the apps that come after it."""
    found: dict[str, set[str]] = {}
    for name, dependencies in after.items():
        for each in dependencies:
            found.setdefault(each.app, set()).add(name)
    return found
