"""Another spec for an app that runs: at once, with a rolling reload, or with a restart.

Until the workers of the new spec run, the state on disk has the old one: after the death of a
keeper in between, the old spec counts, and whoever compares sees that the change is not done.
"""

import os

from monit_agent.keeper.clock import now
from monit_agent.keeper.journal import note
from monit_agent.keeper.keeper import Keeper
from monit_agent.keeper.workers import environment
from monit_agent.keeper.workers.app_environment import different_inherited
from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.requests import (
    AcceptedRequest,
    RefusedRequestError,
    Request,
    refuse_if_impossible,
    requested_text,
    requester,
)
from monit_agent.supervise.rollout import reload_in_progress
from monit_agent.supervise.spec import (
    NO_STDOUT,
    AppSpec,
    BadSpecError,
    has_port,
    spec_from_json,
    spec_to_json,
)
from monit_agent.supervise.spec_change import (
    Outcome,
    SpecChange,
    keeps_identity,
    outcome_of,
    replaced_instances,
)
from monit_agent.system.files.named_env import write_named
from monit_agent.typed import Any

HOW = ("live", "reload", "restart")
"""What a change does to the workers: nothing, a rolling reload, a restart of all at once."""


class SpecChanges:
    """The change of the app's spec that is in progress, if there is one."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._change: SpecChange | None = None
        self._named_before: environment.Env = {}
        self._inherited_before: environment.Env = {}
        self._lost_before: tuple[str, ...] = ()
        keeper.loop.at_round_end(self._finish)

    @property
    def in_progress(self) -> bool:
        """Return whether a new spec is not known to work yet."""
        return self._change is not None

    def compare(self, request: Request) -> Request:
        """Return the app's spec, and in which variables the workers' differ from those of the
        request: names and no values. With ``env`` in the request, also what is inherited."""
        keeper, named = self._keeper, _env_of(request, "named")
        have = keeper.variables.named
        inherited = _inherited_of(request)
        return {
            "spec": spec_to_json(keeper.supervisor.saved_spec),
            "instances": apps.instance_count(keeper.app),
            "busy": self.in_progress or reload_in_progress(keeper.app),
            "added": _names(name for name in named if name not in have),
            "removed": _names(name for name in have if name not in named),
            "changed": _names(name for name in named if have.get(name, named[name]) != named[name]),
            "files": keeper.orders.changed_files(),
            "inherited": []
            if inherited is None
            else different_inherited(keeper.variables, inherited, keeper.spec),
        }

    def accept(self, request: Request) -> AcceptedRequest | None:
        """Use the spec of the request. Return what must be carried out then; None when no worker is
        touched. Raise `RefusedRequestError` when the app cannot have this spec."""
        keeper, how = self._keeper, request.get("how")
        if how not in HOW:
            raise RefusedRequestError("bad_request", f"'how' is one of {', '.join(HOW)}")
        if self.in_progress:
            raise RefusedRequestError("refused", "another change of the app is in progress")
        before = keeper.spec
        spec, named = self._spec_of(request), _env_of(request, "named")
        inherited = _inherited_of(request)
        instances = tuple(
            n for n in apps.kept_instances(keeper.app) if apps.should_run(keeper.app, n)
        )
        event = self._event(how, instances)
        if event is not None:
            refuse_if_impossible(keeper.app, event)
            self._refuse_if_impossible(spec, named)
        if spec.log.to == "stdout" and keeper.runner is None:
            raise RefusedRequestError("refused", NO_STDOUT)
        self._named_before = keeper.variables.named
        self._inherited_before = keeper.variables.inherited
        self._lost_before = keeper.variables.lost
        if inherited is not None:
            keeper.variables.inherit(inherited)
        old_pids = frozenset(slot.worker.pid for slot in keeper.app.slots if slot.worker)
        self._use(spec, named)
        if event is None:
            text = requested_text("other settings", request)
            keeper.record_event("changed", None, text, requester(request))
            self._keep()
            return None
        self._change = SpecChange(before, how == "reload", old_pids)
        keeper.supervisor.replaced_spec = before
        text = requested_text(how, request, instances)
        return AcceptedRequest(event, instances, text, requester(request))

    def _event(self, how: str, instances: tuple[int, ...]) -> e.AppEvent | None:
        if how == "live" or not instances:
            return None
        if how == "restart":
            return e.EachSlot(instances, e.RestartRequested(now()))
        beside = instances_without_listener(self._keeper, instances)
        return e.ReloadRequested(now(), instances, 1, beside)

    def _spec_of(self, request: Request) -> AppSpec:
        try:
            spec = spec_from_json(request.get("spec"))
        except BadSpecError as error:
            raise RefusedRequestError("bad_request", str(error)) from error
        if spec.name != self._keeper.spec.name:
            raise RefusedRequestError("bad_request", f"the spec is for {spec.name!r}")
        return keeps_identity(self._keeper.spec, spec)

    def _refuse_if_impossible(self, spec: AppSpec, named: environment.Env) -> None:
        """Refuse a spec with which no worker could start."""
        keeper = self._keeper
        search = named.get(b"PATH", keeper.variables.merged(spec).get(b"PATH"))
        try:
            missing = keeper.orders.missing(spec, search)
        except OSError as error:
            missing = error.strerror
        if missing is None and (spec.port, spec.listen) != (keeper.spec.port, keeper.spec.listen):
            missing = keeper.ports.conflict(spec)
        if missing is not None:
            raise RefusedRequestError("failed", f"nothing was changed: {missing}")

    # ------------------------------------------------------------ the end of a change

    def _finish(self) -> None:
        """Keep the new spec, or return to the old one, as soon as that is known."""
        change = self._change
        outcome = outcome_of(change, self._keeper.app) if change is not None else None
        if change is None or outcome is None:
            return
        self._change = self._keeper.supervisor.replaced_spec = None
        if outcome is Outcome.KEPT:
            self._keeper.record_event("changed", None, "the new settings are kept")
            self._keep()
        else:
            self._undo(change)

    def _undo(self, change: SpecChange) -> None:
        keeper = self._keeper
        replaced = replaced_instances(keeper.app)
        keeper.variables.inherited = self._inherited_before
        keeper.variables.lost = self._lost_before
        self._use(change.before, self._named_before)
        keeper.record_event("change_undone", None, "the old settings count again")
        keeper.mark_changed()
        if replaced:
            beside = instances_without_listener(keeper, replaced)
            keeper.feed(e.ReloadRequested(now(), replaced, 1, beside))

    def _use(self, spec: AppSpec, named: environment.Env) -> None:
        self._keeper.variables.named = named
        self._keeper.supervisor.spec = spec
        self._keeper.supervisor.publish_app()

    def _keep(self) -> None:
        """Save the spec and its variables. In between, the file has the variables of both: a spec
        without a variable that it names would start no worker."""
        keeper, named = self._keeper, self._keeper.variables.named
        both = {**self._named_before, **named}
        try:
            if both != named:
                write_named(keeper.paths.env, both)
            keeper.saving.save()
            write_named(keeper.paths.env, named)
        except OSError as error:
            keeper.saving.save()
            text = f"cannot write {keeper.paths.env}: {error.strerror}"
            note(text)
            keeper.record_event("env_problem", None, text)
        keeper.kept_environment.write(keeper.variables)


def instances_without_listener(keeper: Keeper, instances: tuple[int, ...]) -> tuple[int, ...]:
    """Return those whose worker has no socket that a second one could miss."""
    if has_port(keeper.spec):
        return ()
    slots = {slot.instance: slot for slot in keeper.app.slots}
    return tuple(
        n
        for n in instances
        if n in slots
        and (worker := slots[n].worker) is not None
        and keeper.ports.listens_nowhere(worker.pid)
    )


def _inherited_of(request: Request) -> environment.Env | None:
    """Return what workers are to inherit; None where that stays as it is."""
    return None if request.get("env") is None else _env_of(request, "env")


def _env_of(request: Request, key: str) -> environment.Env:
    try:
        return environment.env_from_json(request[key])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        text = f"{key!r} is not an environment: {error}"
        raise RefusedRequestError("bad_request", text) from error


def _names(names: Any) -> list[str]:
    return sorted(map(os.fsdecode, names))
