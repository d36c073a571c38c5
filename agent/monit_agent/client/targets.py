"""What a user means by `all`, `web`, `web/0`, `3`, `@shop`, `api-*`, `web/*`. Pure.

Before the first colon stands a host: `host:web/0`, `host:all`. This machine is `localhost`, or ""
as in `:web`; without a host a target means the apps of every host.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from monit_agent.client.view import AppView, Fleet
from monit_agent.wire.ids import THIS_HOST, AppId, InstanceId

SHOWN = 8
"""Names that an error lists at most."""

LOCALHOST = "localhost"


class AmbiguousTargetError(LookupError):
    """A target is the name of an app and the id of another's instance."""


class PartOfAppError(LookupError):
    """A target means an instance where only whole apps can be meant; the text says what to do."""


class NoSuchTargetError(LookupError):
    """A target means no instance; the text names what there is and what to do."""


def split_host(target: str) -> tuple[str | None, str]:
    """Return the host that a target names (None: any) and the rest of it."""
    host, colon, rest = target.partition(":")
    if not colon or target.startswith("@"):
        return None, target
    return (THIS_HOST if host == LOCALHOST else host), rest


def without_host(target: str) -> str:
    """Return what a target names on its host."""
    return split_host(target)[1]


def names_many(target: str) -> bool:
    """Return whether a target means whatever there is (`all`, `@shop`, `api-*`), and names no app
    or instance."""
    rest = without_host(target)
    return rest == "all" or rest.startswith("@") or bool(set(rest) & set("*?["))


def resolve_instances(fleet: Fleet, targets: Iterable[str]) -> list[InstanceId]:
    """Return the instances that ``targets`` mean, sorted, each once.

    Raise `NoSuchTargetError` when one of the targets means nothing, and `AmbiguousTargetError` when
    a number is the name of an app and the id of another one's instance.
    """
    found: set[InstanceId] = set()
    for target in targets:
        some = _instances_of(fleet, target)
        if not some:
            raise NoSuchTargetError(_explain(fleet, target))
        found.update(some)
    return sorted(found)


def resolve_apps(fleet: Fleet, targets: Iterable[str]) -> list[AppId]:
    """Return the apps that ``targets`` mean or have an instance among, also those without one.

    Raise `NoSuchTargetError` when one of the targets means nothing.
    """
    found: set[AppId] = set()
    for target in targets:
        some = {app.id for app in matching_apps(fleet, target)}
        some.update(identity.app_id for identity in _instances_of(fleet, target))
        if not some:
            raise NoSuchTargetError(_explain(fleet, target))
        found.update(some)
    return sorted(found)


def refuse_parts(fleet: Fleet, targets: Iterable[str]) -> None:
    """Raise `PartOfAppError` if delete would remove an app of which only an instance was named.

    That is ``web/0``, also if web has no other instance, and ids of some of an app's instances. As
    in pm2, the id of the only one means the app.
    """
    meant: set[InstanceId] = set()
    for target in targets:
        app, slash, _ = target.rpartition("/")
        if slash:
            count = max((len(each.instances) for each in matching_apps(fleet, app)), default=0)
            raise _part_of_app(target, app, count)
        meant |= _instances_of(fleet, target)
    for identity in sorted(meant):
        app_view = fleet.apps[identity.app_id]
        if any(view.identity not in meant for view in app_view.instances.values()):
            raise _part_of_app(str(identity), app_view.name, len(app_view.instances))


def _part_of_app(instance: str, app: str, count: int) -> PartOfAppError:
    fewer = f", monit scale {app} -1" if count > 1 else ""
    return PartOfAppError(
        f"{instance} is an instance, and delete removes whole apps; "
        f"use monit stop {instance}{fewer}, or monit delete {app}"
    )


def matching_apps(fleet: Fleet, target: str) -> list[AppView]:
    """Return the apps that a target without an instance means; an exact name beats a pattern."""
    host, name = split_host(target)
    apps = [app for app in fleet.apps.values() if host is None or app.id.host == host]
    exact = [app for app in apps if app.id.app == name]
    return exact or [app for app in apps if means_app(app, target)]


def means_app(app: AppView, target: str) -> bool:
    """Return whether ``all``, ``@namespace``, a name or a pattern means this app."""
    host, name = split_host(target)
    if host is not None and host != app.id.host:
        return False
    if name.startswith("@"):
        return app.record is not None and fnmatchcase(app.record.namespace, name[1:])
    return name == "all" or fnmatchcase(app.id.app, name)


def means_instance(app: AppView, number: int, target: str) -> bool:
    """Return whether a target means this instance, as ``web/0`` or with its whole app."""
    name, slash, wanted = target.rpartition("/")
    one = bool(slash) and fnmatchcase(str(number), wanted) and means_app(app, name)
    return one or means_app(app, target)


def _instances_of(fleet: Fleet, target: str) -> set[InstanceId]:
    whole = matching_apps(fleet, target)
    host, rest = split_host(target)
    is_number = rest.isdecimal() and len(rest) < 19  # an id has 63 bits at most
    with_id = _by_id(fleet, host, int(rest)) if is_number else set[InstanceId]()
    if whole:
        _refuse_two_meanings(whole, with_id, rest)
        return {view.identity for app in whole for view in app.instances.values()}
    if is_number:
        return with_id
    name, slash, number = target.rpartition("/")
    if not slash:
        return set()
    return {
        view.identity
        for app in matching_apps(fleet, name)
        for view in app.instances.values()
        if fnmatchcase(str(view.identity.instance), number)
    }


def _refuse_two_meanings(apps: list[AppView], with_id: set[InstanceId], text: str) -> None:
    """Refuse a number that is an app's name and the id of an instance of another app."""
    others = sorted(each for each in with_id if each.app_id not in {app.id for app in apps})
    if others:
        raise AmbiguousTargetError(
            f"{text} is the name of an app and the id of {others[0]}; "
            f"write '[{text[0]}]{text[1:]}' for the app, {others[0]} for the instance"
        )


def _by_id(fleet: Fleet, host: str | None, wanted: int) -> set[InstanceId]:
    return {
        view.identity
        for app in fleet.apps.values()
        for view in app.instances.values()
        if view.record.id == wanted and host in (None, app.id.host)
    }


def _explain(fleet: Fleet, target: str) -> str:
    host, rest = split_host(target)
    hosts = {THIS_HOST, *(app.host for app in fleet.apps)}
    if host is not None and host not in hosts:
        known = ", ".join(sorted(each or LOCALHOST for each in hosts))
        return f"there is no host {host!r}; known hosts: {known} ({LOCALHOST} is this machine)"
    if not fleet.apps:
        return f"nothing is called {target!r}: no app was started yet; see `monit start --help`"
    exact = [app for app in matching_apps(fleet, target) if app.id.app == rest]
    if exact:
        return f"{target} has no instances; `monit scale {target} 1` gives it one"
    name, slash, number = target.rpartition("/")
    exact = [app for app in matching_apps(fleet, name) if app.id.app == without_host(name)]
    if slash and exact:
        slots = ", ".join(str(one) for one in exact[0].instances) or "none"
        return f"{name} has no instance {number}; it has {slots}"
    if rest.startswith("@"):
        spaces = {app.record.namespace for app in fleet.apps.values() if app.record}
        return f"no app is in namespace {rest[1:]!r}; namespaces: {_listed(spaces, rest[1:])}"
    from difflib import get_close_matches  # noqa: PLC0415 — only for this error

    names = sorted({app.app for app in fleet.apps})

    near = get_close_matches(re.sub(r"[*?\[\]]|/.*", "", rest), names, n=3)
    guess = f"did you mean {' or '.join(near)}?" if near else f"there are {_listed(names, '')};"
    if len(rest) > 2 and rest[0] == rest[-1] == "/":
        guess = "instead of a regular expression, write a pattern: 'api-*' or '*api*';"
    return f"nothing is called {target!r}; {guess} `monit list` shows all"


def _listed(names: Iterable[str], near: str) -> str:
    """Return some names, those like ``near`` first."""
    ordered = sorted(names, key=lambda name: (name[:1] != near[:1], name))
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return (", ".join(ordered[:SHOWN]) or "none") + more
