"""Which rows say why they are in trouble, and what they say. Pure but for what is asked."""

from collections.abc import Callable

from monit_agent.client.view import AppView, Fleet, InstanceView
from monit_agent.wire.ids import InstanceId
from monit_tui.model.processes.condition import (
    EXPLAINED,
    ClockReading,
    age_text,
    figures_age_s,
    instance_condition,
)
from monit_tui.model.processes.notes import reasons_of
from monit_tui.model.processes.rows import RowKey

SEPARATOR = " · "


def explained_views(fleet: Fleet, key: RowKey, now: ClockReading) -> tuple[InstanceView, ...]:
    """Return the instances of a row that need a reason, the worst first."""
    app = fleet.apps.get(key.app)
    if app is None or key.pid is not None:
        return ()
    host = fleet.hosts.get(key.app.host)
    if host is not None and host.state != "live":
        return ()  # one line above the list says so for all of its apps
    views = app.instances.values() if key.instance is None else ()
    if key.instance is not None and key.instance in app.instances:
        views = (app.instances[key.instance],)
    bad = [(instance_condition(app, view, now).severity, view) for view in views]
    worst = sorted((pair for pair in bad if pair[0] >= EXPLAINED), key=lambda pair: -pair[0])
    return tuple(view for _, view in worst)


def reason_text(
    fleet: Fleet, key: RowKey, now: ClockReading, error_of: Callable[[InstanceId], str]
) -> str:
    """Return the second line of a row, "" for a row without one.

    An app says what is wrong with its worst instance. Its instances then say nothing, unless they
    have another error.
    """
    views = explained_views(fleet, key, now)
    if not views:
        return _old_text(fleet, key, now)
    app = fleet.apps[key.app]
    own = _text(app, views[0], now, error_of)
    alone = len(app.instances) == 1
    if key.instance is None or alone:
        return own
    first = explained_views(fleet, RowKey(key.app), now)[0]
    same = error_of(first.identity) == error_of(key.app.instance(key.instance))
    return "" if same or first.identity == key.app.instance(key.instance) else own


def _old_text(fleet: Fleet, key: RowKey, now: ClockReading) -> str:
    """Return how old the figures of a row without trouble are, "" while they are new. An app says
    it for its instances."""
    app = fleet.apps.get(key.app)
    if app is None or key.pid is not None or (key.instance is not None and len(app.instances) > 1):
        return ""
    ages = [figures_age_s(app, view, now) for view in app.instances.values()]
    old = [age for age in ages if age is not None]
    return age_text(max(old)) if old else ""


def _text(
    app: AppView, view: InstanceView, now: ClockReading, error_of: Callable[[InstanceId], str]
) -> str:
    return SEPARATOR.join(reasons_of(app, view, now, error_of(view.identity)))
