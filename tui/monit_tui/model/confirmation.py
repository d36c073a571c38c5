"""What a key that changes apps will do: its requests and the text of its confirmation. Pure.

Requests name instances, never rows. An action remembers how its instances were when the question
was asked, a kill also their pids, so that it is asked again when that has changed.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from monit_agent.client.view import AppView, Fleet
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.messages import (
    Reload,
    Request,
    Restart,
    Scale,
    SendSignal,
    Start,
    Stop,
)
from monit_tui.model.processes.rows import RowKey

Verb = Literal["restart", "reload", "stop", "start", "kill"]

ASKED: tuple[str, ...] = ("restart", "reload", "stop", "kill", "scale")
"""Actions that ask for confirmation, unless the user has switched that off."""

STARTABLE = frozenset({"stopped", "errored", "backoff"})

NAMES_SHOWN = 6
"""Most lines of targets in a dialog."""

CHANGES_SHOWN = 3
"""Most instances that are named as changed since the question."""


class PlannedAction(NamedTuple):
    """What to do when the user confirms."""

    title: str
    """``Restart 3 instances?``"""
    targets: tuple[str, ...]
    """Their names, at most `NAMES_SHOWN` and a count of the rest."""
    effect: str
    """What will be done, in a sentence."""
    yes: str
    """The label of the button."""
    requests: tuple[tuple[AppId, Request], ...]
    """(app, request) in the order in which they are sent."""
    confirm: bool = True
    typed: str | None = None
    """What must be typed before yes can be chosen."""
    before: tuple[tuple[InstanceId, str], ...] = ()
    """How each instance is when this is planned: ``running``, ``stopped``, ``errored``, or for a
    kill its pid."""
    changed: str = ""
    """What changed since the question was asked the first time."""
    done: str = ""
    """What a notice says once an agent has accepted its request; "" names the request."""


class NotPossible(NamedTuple):
    """Why there is nothing to do, and which key to press instead."""

    text: str


def plan_action(verb: Verb, keys: tuple[RowKey, ...], fleet: Fleet) -> PlannedAction | NotPossible:
    """Return what ``verb`` does to these rows."""
    chosen = _instances(keys, fleet)
    if verb == "reload":
        chosen = {app: tuple(fleet.apps[app].instances) for app in chosen}
    if not any(chosen.values()):
        return NotPossible(_no_instances(keys, fleet))
    lost = next((fleet.apps[app] for app in chosen if fleet.apps[app].link == "gone"), None)
    if lost is not None:
        return NotPossible(
            lost.problem or f"{lost.name} is not running; run `monit start {lost.name}`"
        )
    if verb == "start":
        return _start(chosen, fleet)
    if verb == "kill":
        return _kill(keys, chosen, fleet)
    planned = _whole(keys, _plain(verb, chosen, fleet))
    if isinstance(planned, NotPossible):
        return planned
    return planned._replace(before=_standing(chosen, fleet))


def plan_scale(app: AppView, count: int) -> PlannedAction | NotPossible:
    """Return what scaling ``app`` to ``count`` instances does; only scaling down is confirmed."""
    now = len(app.instances)
    request = ((app.id, Scale(count=count)),)
    if count == now:
        return NotPossible(f"{app.name} already has {_instances_text(now)}.")
    if count > now:
        return PlannedAction(
            f"Scale {app.name} up to {count}?", (), "", "Scale", request, confirm=False
        )
    going = tuple(f"{app.name}/{number}" for number in sorted(app.instances)[count:])
    effect = "These instances are stopped and removed. Their log files stay."
    chosen = {app.id: tuple(sorted(app.instances))}
    return PlannedAction(
        f"Scale {app.name} down to {count}?", _named(going), effect, "Scale", request,
        before=tuple((app.id.instance(number), "there") for number in chosen[app.id]),
    )  # fmt: skip


def changes_since(asked: PlannedAction, now: PlannedAction) -> str:
    """Return in a sentence what changed for the instances of a question; "" when nothing did."""
    before, after = dict(asked.before), dict(now.before)
    texts = [
        f"{who} is {after[who]} now" if who in after else f"{who} is no longer affected"
        for who in before
        if before[who] != after.get(who)
    ]
    texts += [f"{who} is new" for who in after if who not in before]
    more = f" and {len(texts) - CHANGES_SHOWN} more" if len(texts) > CHANGES_SHOWN else ""
    return f"Changed meanwhile: {', '.join(texts[:CHANGES_SHOWN])}{more}." if texts else ""


ChosenInstances = dict[AppId, tuple[int, ...]]


def _instances(keys: tuple[RowKey, ...], fleet: Fleet) -> ChosenInstances:
    chosen: dict[AppId, set[int]] = {}
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
        "The workers stop and start again. {list.reload} replaces them one by one.",
    ),
    "reload": (
        "Reload",
        "Workers are replaced one by one. Each must be ready before the next one stops.",
    ),
    "stop": ("Stop", "The app stays in the list; {list.start} starts it again."),
}


def _plain(verb: Verb, chosen: ChosenInstances, fleet: Fleet) -> PlannedAction | NotPossible:
    word, effect = _WORDS[verb]
    if verb == "stop":
        chosen = _only(chosen, fleet, lambda status: status != "stopped")
        if not chosen:
            return NotPossible("Already stopped. {list.start} starts it.")
    names = _names(chosen, fleet)
    kind: dict[str, type[Restart | Reload | Stop]] = {
        "restart": Restart, "reload": Reload, "stop": Stop,
    }  # fmt: skip
    requests = tuple((app, kind[verb](instances=numbers)) for app, numbers in chosen.items())
    running = any(
        fleet.apps[app].instances[number].record.pid is not None
        for app, numbers in chosen.items() for number in numbers
    )  # fmt: skip
    if verb == "restart" and not running:
        effect = "No worker is running; restart starts them."
    if verb == "reload" and all(_reloads_itself(fleet.apps[app]) for app in chosen):
        effect = "The program reloads itself: no worker is replaced, unless its settings changed."
    return PlannedAction(
        f"{word} {_counted(names)}?", _named(names), effect, word, requests,
        confirm=verb != "restart" or running,
    )  # fmt: skip


def _reloads_itself(app: AppView) -> bool:
    policy = app.record.policy if app.record else None
    return policy is not None and policy.reloads_itself


def _whole(
    keys: tuple[RowKey, ...], planned: PlannedAction | NotPossible
) -> PlannedAction | NotPossible:
    """Name the process in the effect, when a key on it applies to its instance."""
    inside = next((key.pid for key in keys if key.pid is not None), None)
    if inside is None or isinstance(planned, NotPossible):
        return planned
    return planned._replace(effect=f"Process {inside} belongs to this instance. {planned.effect}")


def _start(chosen: ChosenInstances, fleet: Fleet) -> PlannedAction | NotPossible:
    idle = _only(chosen, fleet, STARTABLE.__contains__)
    if not idle:
        return NotPossible(
            "Already running. {list.stop} stops, {list.restart} restarts, {list.reload} reloads."
        )
    names = _names(idle, fleet)
    requests = tuple((app, Start(instances=numbers)) for app, numbers in idle.items())
    return PlannedAction(
        f"Start {_counted(names)}?", _named(names), "", "Start", requests, confirm=False
    )


def _no_instances(keys: tuple[RowKey, ...], fleet: Fleet) -> str:
    if keys:
        return "This row has no instances."
    return "The filter hides all rows." if fleet.apps else "There are no apps."


def _kill(
    keys: tuple[RowKey, ...], chosen: ChosenInstances, fleet: Fleet
) -> PlannedAction | NotPossible:
    inside = next((key.pid for key in keys if key.pid is not None), None)
    if inside is not None:
        return NotPossible(
            f"{{list.kill}} kills whole instances only. For this process run: kill -9 {inside}"
        )
    pids = tuple(
        (app.instance(number), f"pid {pid}")
        for app, numbers in chosen.items()
        for number in numbers
        if (pid := fleet.apps[app].instances[number].record.pid) is not None
    )
    if not pids:
        return NotPossible("No worker is running here.")
    alive: dict[AppId, list[int]] = {}
    for who, _ in pids:
        alive.setdefault(who.app_id, []).append(who.instance)
    names = tuple(f"{who} ({pid})" for who, pid in pids)
    requests = tuple(
        (app, SendSignal(signal="SIGKILL", instances=tuple(numbers), group=True))
        for app, numbers in alive.items()
    )
    after = _after_kill([fleet.apps[app] for app in alive])
    whole = next((str(key.app) for key in keys if key.instance is None), None)
    return PlannedAction(
        f"Kill {_counted(names)} with SIGKILL?", _named(names),
        f"The workers exit at once and cannot clean up. {after}",
        "Kill", requests, typed=whole, before=pids,
    )  # fmt: skip


def _after_kill(apps: Sequence[AppView]) -> str:
    """Return what monit does after workers of these apps were killed."""
    stay = [app.name for app in apps if app.record and app.record.policy.restart == "never"]
    if not stay:
        return "monit restarts them."
    if len(stay) == len(apps):
        return "They are not restarted (restart = never)."
    return f"monit restarts them, but not those of {', '.join(stay)} (restart = never)."


def _standing(chosen: ChosenInstances, fleet: Fleet) -> tuple[tuple[InstanceId, str], ...]:
    """Return how the instances are. A crash loop changes its pids all the time, so running is
    running, whatever the pid."""
    found: list[tuple[InstanceId, str]] = []
    for app, numbers in chosen.items():
        for number in numbers:
            record = fleet.apps[app].instances[number].record
            running = "errored" if record.status == "errored" else record.desired
            found.append((app.instance(number), running))
    return tuple(found)


def _only(chosen: ChosenInstances, fleet: Fleet, accepts: Callable[[str], bool]) -> ChosenInstances:
    kept = {
        app: tuple(n for n in numbers if accepts(fleet.apps[app].instances[n].record.status))
        for app, numbers in chosen.items()
    }
    return {app: numbers for app, numbers in kept.items() if numbers}


def _names(chosen: ChosenInstances, fleet: Fleet) -> tuple[str, ...]:
    return tuple(
        str(app if len(fleet.apps[app].instances) == 1 else app.instance(number))
        for app, numbers in chosen.items()
        for number in numbers
    )


def _counted(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else _instances_text(len(names))


def _instances_text(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"


def _named(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) <= NAMES_SHOWN:
        return names
    return (*names[: NAMES_SHOWN - 1], f"and {len(names) - NAMES_SHOWN + 1} more")
