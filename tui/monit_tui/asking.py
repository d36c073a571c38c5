"""What a key that changes apps will ask of which agents, and in which words it is confirmed. Pure.

Requests name instances, never rows. What must hit one certain worker (kill) also remembers its
pid, and is dropped when another worker has taken the slot meanwhile.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from monit_agent.client.view import AppView, Fleet, Identity
from monit_agent.wire.messages import (
    CancelReload,
    Reload,
    Request,
    Restart,
    Scale,
    SendSignal,
    Start,
    Stop,
)
from monit_tui.rows import RowKey

Verb = Literal["restart", "reload", "stop", "start", "kill"]

STARTABLE = frozenset({"stopped", "errored", "backoff"})

NAMES_SHOWN = 6
"""Targets that a dialog names one by one."""


class Asking(NamedTuple):
    """What to do when the user says yes."""

    title: str
    """``Restart 3 instances?``"""
    targets: tuple[str, ...]
    """Their names, at most `NAMES_SHOWN` and a count of the rest."""
    effect: str
    """What will happen, in a sentence."""
    yes: str
    """The word on the button."""
    requests: tuple[tuple[str, Request], ...]
    """(app, request) in the order in which they are sent."""
    confirm: bool = True
    typed: str | None = None
    """What has to be typed before yes can be chosen."""
    pids: tuple[tuple[Identity, int], ...] = ()
    """Workers that are meant, and no others that came after them."""


class Explained(NamedTuple):
    """Why there is nothing to do, and which key is meant instead."""

    text: str


def ask(verb: Verb, keys: tuple[RowKey, ...], fleet: Fleet) -> Asking | Explained:
    """Say what ``verb`` means for these rows."""
    chosen = _instances(keys, fleet)
    if verb == "reload":
        chosen = {app: tuple(fleet.apps[app].instances) for app in chosen}
    if not any(chosen.values()):
        return Explained("There is nothing on this row to act on.")
    lost = next((fleet.apps[app] for app in chosen if fleet.apps[app].link == "gone"), None)
    if lost is not None:
        return Explained(lost.problem or f"{lost.name} is not running; monit start {lost.name}")
    if verb == "start":
        return _start(chosen, fleet)
    if verb == "kill":
        return _kill(keys, chosen, fleet)
    return _whole(keys, _plain(verb, chosen, fleet))


def scale(app: AppView, count: int) -> Asking | Explained:
    """Say what scaling ``app`` to ``count`` instances means; only scaling down is confirmed."""
    now = len(app.instances)
    request = ((app.name, Scale(count=count)),)
    if count == now:
        return Explained(f"{app.name} has {now} instances already.")
    if count > now:
        return Asking(f"Scale {app.name} up to {count}?", (), "", "Scale", request, confirm=False)
    going = tuple(f"{app.name}/{number}" for number in sorted(app.instances)[count:])
    effect = "Stopped and taken off the list. Log files stay."
    return Asking(f"Scale {app.name} down to {count}?", _named(going), effect, "Scale", request)


def can_undo(app: AppView | None) -> bool:
    """Tell whether something goes on in the app that `undo` would call off."""
    return app is not None and app.roll is not None and app.roll.under_way


def undo(app: AppView) -> Asking | Explained:
    """Say what calls off what goes on in ``app``; not confirmed, for nothing is lost by it."""
    if not can_undo(app):
        return Explained(f"There is nothing to undo: no reload of {app.name} is under way.")
    request = ((app.name, CancelReload()),)
    return Asking(f"Cancel the reload of {app.name}?", (), "", "Cancel", request, confirm=False)


def replaced_since(asking: Asking, fleet: Fleet) -> tuple[str, ...]:
    """Name the workers of ``asking`` that are not the same any more."""
    gone: list[str] = []
    for identity, pid in asking.pids:
        view = fleet.instance(identity)
        if view is None or view.record.pid != pid:
            gone.append(f"{identity.app}/{identity.instance} (pid {pid})")
    return tuple(gone)


Chosen = dict[str, tuple[int, ...]]


def _instances(keys: tuple[RowKey, ...], fleet: Fleet) -> Chosen:
    chosen: dict[str, set[int]] = {}
    for app, instance, _ in keys:
        view = fleet.apps.get(app)
        if view is None:
            continue
        numbers = set(view.instances) if instance is None else {instance} & set(view.instances)
        chosen.setdefault(app, set()).update(numbers)
    return {app: tuple(sorted(numbers)) for app, numbers in chosen.items()}


_WORDS: dict[Verb, tuple[str, str]] = {
    "restart": (
        "Restart",
        "Stops and starts again at once: what is being done is cut off. R reloads one by one.",
    ),
    "reload": (
        "Reload",
        "One worker after another is replaced; each is ready before the next one goes.",
    ),
    "stop": ("Stop", "Stops and stays on the list; s starts again."),
}


def _plain(verb: Verb, chosen: Chosen, fleet: Fleet) -> Asking | Explained:
    word, effect = _WORDS[verb]
    if verb == "stop":
        chosen = _only(chosen, fleet, lambda status: status != "stopped")
        if not chosen:
            return Explained("Stopped already; s starts.")
    names = _names(chosen, fleet)
    kind: dict[str, type[Restart | Reload | Stop]] = {
        "restart": Restart, "reload": Reload, "stop": Stop,
    }  # fmt: skip
    requests = tuple((app, kind[verb](instances=numbers)) for app, numbers in chosen.items())
    running = any(
        fleet.apps[app].instances[number].record.pid is not None
        for app, numbers in chosen.items() for number in numbers
    )  # fmt: skip
    return Asking(
        f"{word} {_counted(names)}?", _named(names), effect, word, requests,
        confirm=verb != "restart" or running,
    )  # fmt: skip


def _whole(keys: tuple[RowKey, ...], asking: Asking | Explained) -> Asking | Explained:
    """Say that the instance is meant, where the cursor stands on one of its processes."""
    inside = next((key.pid for key in keys if key.pid is not None), None)
    if inside is None or isinstance(asking, Explained):
        return asking
    return asking._replace(effect=f"Process {inside} is a part of it. {asking.effect}")


def _start(chosen: Chosen, fleet: Fleet) -> Asking | Explained:
    idle = _only(chosen, fleet, STARTABLE.__contains__)
    if not idle:
        return Explained("Running already: x stops, r restarts, R reloads.")
    names = _names(idle, fleet)
    requests = tuple((app, Start(instances=numbers)) for app, numbers in idle.items())
    return Asking(f"Start {_counted(names)}?", _named(names), "", "Start", requests, confirm=False)


def _kill(keys: tuple[RowKey, ...], chosen: Chosen, fleet: Fleet) -> Asking | Explained:
    inside = next((key.pid for key in keys if key.pid is not None), None)
    if inside is not None:
        return Explained(f"Only whole instances are killed here. This process: kill -9 {inside}")
    pids = tuple(
        (Identity(app, number), pid)
        for app, numbers in chosen.items()
        for number in numbers
        if (pid := fleet.apps[app].instances[number].record.pid) is not None
    )
    if not pids:
        return Explained("Nothing runs there that could be killed.")
    alive: dict[str, list[int]] = {}
    for who, _ in pids:
        alive.setdefault(who.app, []).append(who.instance)
    names = tuple(f"{who.app}/{who.instance} (pid {pid})" for who, pid in pids)
    requests = tuple(
        (app, SendSignal(signal="SIGKILL", instances=tuple(numbers), group=True))
        for app, numbers in alive.items()
    )
    whole = next((key.app for key in keys if key.instance is None), None)
    return Asking(
        f"Kill {_counted(names)} with SIGKILL?", _named(names),
        "Dies at once, with no chance to finish or clean up; autorestart brings it back.",
        "Kill", requests, typed=whole, pids=pids,
    )  # fmt: skip


def _only(chosen: Chosen, fleet: Fleet, wanted: Callable[[str], bool]) -> Chosen:
    kept = {
        app: tuple(n for n in numbers if wanted(fleet.apps[app].instances[n].record.status))
        for app, numbers in chosen.items()
    }
    return {app: numbers for app, numbers in kept.items() if numbers}


def _names(chosen: Chosen, fleet: Fleet) -> tuple[str, ...]:
    return tuple(
        app if len(fleet.apps[app].instances) == 1 else f"{app}/{number}"
        for app, numbers in chosen.items()
        for number in numbers
    )


def _counted(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} instances"


def _named(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) <= NAMES_SHOWN:
        return names
    return (*names[: NAMES_SHOWN - 1], f"and {len(names) - NAMES_SHOWN + 1} more")
