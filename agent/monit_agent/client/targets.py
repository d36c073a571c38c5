"""What a user means by `all`, `web`, `web/0`, `3`, `@shop`, `api-*`, `web/*`. Pure."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from monit_agent.client.view import AppView, Fleet, Identity

SHOWN = 8
"""Names that an error lists at most."""


class NoSuchTargetError(LookupError):
    """A target means no instance; the text names what there is and what to do."""


def resolve(fleet: Fleet, targets: Iterable[str]) -> list[Identity]:
    """Give the instances that ``targets`` mean, by app and number, each once.

    An app of that name wins over an id: an app may be called ``3``. Raises
    `NoSuchTargetError` when one of the targets means nothing.
    """
    found: set[Identity] = set()
    for target in targets:
        some = _one(fleet, target)
        if not some:
            raise NoSuchTargetError(_explain(fleet, target))
        found.update(some)
    return sorted(found)


def resolve_apps(fleet: Fleet, targets: Iterable[str]) -> list[str]:
    """Give the apps that ``targets`` mean or have an instance among, also those without one.

    Raises `NoSuchTargetError` when one of the targets means nothing.
    """
    found: set[str] = set()
    for target in targets:
        some = {app.name for app in _apps(fleet, target)}
        some.update(identity.app for identity in _one(fleet, target))
        if not some:
            raise NoSuchTargetError(_explain(fleet, target))
        found.update(some)
    return sorted(found)


def _apps(fleet: Fleet, target: str) -> list[AppView]:
    """Give the apps that a target without an instance means."""
    apps = list(fleet.apps.values())
    if target == "all":
        return apps
    if target in fleet.apps:
        return [fleet.apps[target]]
    if target.startswith("@"):
        return [app for app in apps if app.record and fnmatchcase(app.record.namespace, target[1:])]
    return [app for app in apps if fnmatchcase(app.name, target)]


def _one(fleet: Fleet, target: str) -> set[Identity]:
    whole = _apps(fleet, target)
    if whole:
        return {view.identity for app in whole for view in app.instances.values()}
    if target.isdecimal() and len(target) < 19:  # an id has 63 bits at most
        return _by_id(fleet, int(target))
    name, slash, number = target.rpartition("/")
    if not slash:
        return set()
    return {
        view.identity
        for app in _apps(fleet, name)
        for view in app.instances.values()
        if fnmatchcase(str(view.identity.instance), number)
    }


def _by_id(fleet: Fleet, wanted: int) -> set[Identity]:
    return {
        view.identity
        for app in fleet.apps.values()
        for view in app.instances.values()
        if view.record.id == wanted
    }


def _explain(fleet: Fleet, target: str) -> str:
    if not fleet.apps:
        return f"nothing is called {target!r}: no app was started yet; see `monit start --help`"
    if target in fleet.apps:
        return f"{target} has no instances; `monit scale {target} 1` gives it one"
    name, slash, number = target.rpartition("/")
    if slash and name in fleet.apps:
        slots = ", ".join(str(one) for one in fleet.apps[name].instances) or "none"
        return f"{name} has no instance {number}; it has {slots}"
    if target.startswith("@"):
        spaces = {app.record.namespace for app in fleet.apps.values() if app.record}
        return f"no app is in namespace {target[1:]!r}; there are {_listed(spaces, target[1:])}"
    near = get_close_matches(re.sub(r"[*?\[\]]|/.*", "", target), fleet.apps, n=3)
    guess = f"did you mean {' or '.join(near)}?" if near else f"there are {_listed(fleet.apps, '')}"
    return f"nothing is called {target!r}; {guess} `monit list` shows all"


def _listed(names: Iterable[str], near: str) -> str:
    """Give some names, those like ``near`` first."""
    ordered = sorted(names, key=lambda name: (name[:1] != near[:1], name))
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return (", ".join(ordered[:SHOWN]) or "none") + more + ";"
