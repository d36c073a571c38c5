"""What a changed spec needs: which keys changed, and the least that makes a running app follow.

Pure. The class of each key is `Option.apply` in ``options.py``; the strongest one counts for the
app. ``monit apply`` is made from this.
"""

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from monit_agent.config.app import SWITCHED_OFF
from monit_agent.config.options import OPTIONS, Apply
from monit_agent.supervise.spec import AppSpec, for_size, reloads_itself
from monit_agent.wire.webhook import redacted

Action = Literal["start", "nothing", "live", "scale", "reload", "restart", "delete"]

RunState = Literal["running", "down", "stopped", "done"]
"""Of a known app: a worker is online; none is, but should be; a person stopped it; its workers have
exited and are not restarted."""

_RANK: dict[Apply, int] = {"live": 0, "reload": 1, "restart": 2, "new app": 2}


class EnvDifference(NamedTuple):
    """How the named variables of a file differ from those of an app. Names, never values."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    files: Mapping[str, tuple[str, ...]] = {}
    """Variables that changed in an env file since the workers got them, by its path."""
    inherited: tuple[str, ...] = ()
    """Variables that the shell of the command has otherwise, where it is to be inherited."""


class Change(NamedTuple):
    """One key that differs."""

    key: str
    apply: Apply
    before: Any = None
    after: Any = None
    """Values of the spec; None for variables."""
    names: tuple[str, ...] = ()
    """What happened to variables: ``LEVEL changed``, ``SECRET added``."""


class KnownApp(NamedTuple):
    """An app as it is."""

    spec: AppSpec
    instances: int
    state: RunState = "running"
    env: EnvDifference = EnvDifference()
    some_stopped: bool = False
    """Whether a person stopped some instances, and others run."""


class PlanOptions(NamedTuple):
    """What a person wants of a plan."""

    reload: bool = False
    """Replace all workers, so that they load new code."""
    start: bool = False
    """Start also what a person stopped."""
    keep_scale: bool = False
    """Leave the number of instances where it was scaled by hand."""


class AppPlan(NamedTuple):
    """What happens to one app."""

    app: str
    action: Action
    changes: tuple[Change, ...] = ()
    spec: AppSpec | None = None
    """What the keeper gets; None where it gets none."""
    scale: tuple[int, int] | None = None
    """Instances that there are, and that there will be."""
    by_hand: bool = False
    """Whether it was scaled since its file was applied."""
    state: RunState = "running"
    starts_stopped: bool = False
    """Whether instances that a person stopped are started."""
    in_place: bool = False
    """Whether a reload replaces no worker, because the program reloads itself."""

    @property
    def is_stopped(self) -> bool:
        """Return whether a person stopped the app: it stays stopped."""
        return self.state == "stopped" and not self.starts_stopped


AS_USUAL = PlanOptions()


def plan_app(known: KnownApp | None, new: AppSpec, options: PlanOptions = AS_USUAL) -> AppPlan:
    """Return what makes an app, which does not exist yet if it is None, be as ``new``."""
    if known is None:
        return AppPlan(new.name, "start", spec=new)
    plan = _plan_known(known, new, options)
    if not options.start or not (known.state == "stopped" or known.some_stopped):
        return plan
    rests = known.state == "stopped" or plan.action in ("nothing", "live")
    action = "start" if rests else plan.action
    return plan._replace(action=action, starts_stopped=True)


def _plan_known(known: KnownApp, new: AppSpec, options: PlanOptions) -> AppPlan:
    changes = tuple(changed_keys(known.spec, new, known.env))
    scale = (known.instances, new.instances) if known.instances != new.instances else None
    by_hand = known.instances != known.spec.instances
    if options.keep_scale and by_hand:
        new, scale = for_size(new, known.instances), None
    if known.state == "stopped" and not options.start:
        # new instances would run at once; what is stopped gets them with the apply after its start
        new = new._replace(instances=known.instances)
        changes = tuple(change for change in changes if change.key != "instances")
        scale = None
    strongest = max((_RANK[change.apply] for change in changes), default=-1)
    if options.reload and known.state != "stopped":
        strongest = max(strongest, 1)
    action = _action(strongest, known.state, scaled=scale is not None)
    touched = strongest > 0
    spec = _carried(known.spec, new, touched=touched) if changes or touched else None
    in_place = (
        action == "reload"
        and reloads_itself(new)
        and all(change.apply == "live" for change in changes)
    )
    if in_place:
        spec = _carried(known.spec, new, touched=False) if changes else None
    return AppPlan(new.name, action, changes, spec, scale, by_hand, known.state, in_place=in_place)


def plan_prune(app: str) -> AppPlan:
    """Return that the app is deleted."""
    return AppPlan(app, "delete")


def changed_keys(old: AppSpec, new: AppSpec, env: EnvDifference) -> Iterator[Change]:
    """Yield each key of the config in which the specs differ."""
    yield from _program(old, new)
    for option in OPTIONS:
        if not option.field or option.key == "name":
            continue
        before, after = attrgetter(option.field)(old), attrgetter(option.field)(new)
        if before != after:
            if option.kind == "webhook":
                before, after = redacted(before), redacted(after)
            yield Change(option.key, _class_of(option.key, option.apply, old, new), before, after)
    if _opens_ports_otherwise(old, new):
        yield Change("mode", "restart", old.mode, new.mode)
    yield from _variables(old, new, env)
    if old.origin_file != new.origin_file:
        yield Change("origin", "live", old.origin_file, new.origin_file)


def _program(old: AppSpec, new: AppSpec) -> Iterator[Change]:
    """Yield what is run otherwise, by the key that says so in a config file."""
    if old.argv == new.argv:
        if old.script != new.script:
            yield Change("script", "live", old.script, new.script)
    elif new.interpreter is None:
        yield Change("run", "reload", old.argv, new.argv)
    else:
        if old.script != new.script:
            key = "module" if new.script.startswith("-m ") else "script"
            yield Change(key, "reload", old.script, new.script)
        if old.args != new.args:
            yield Change("args", "reload", old.args, new.args)
        if (old.script, old.args, old.interpreter) == (new.script, new.args, new.interpreter):
            yield Change("interpreter-args", "reload", old.argv, new.argv)


def _variables(old: AppSpec, new: AppSpec, env: EnvDifference) -> Iterator[Change]:
    keys = {variable: key for key, variable in SWITCHED_OFF.items()}
    happened = {
        **dict.fromkeys(env.changed, "changed"),
        **dict.fromkeys(env.added, "added"),
        **dict.fromkeys(env.removed, "removed"),
    }
    for name in [name for name in happened if name in keys]:
        off = happened.pop(name) == "added"
        yield Change(keys[name], "reload", off, not off)
    if env.inherited:
        names = tuple(f"{name} changed" for name in env.inherited)
        yield Change("inherited", "reload", names=names)
    if happened:
        names = tuple(f"{name} {what}" for name, what in sorted(happened.items()))
        yield Change("env", "reload", names=names)
    if old.env_files != new.env_files:
        yield Change("env-file", "reload", old.env_files, new.env_files)
    for path, changed in sorted(env.files.items()):
        if path in new.env_files:
            names = tuple(f"{name} changed" for name in changed)
            yield Change("env-file", "reload", (path,), (path,), names)


def _class_of(key: str, usual: Apply, old: AppSpec, new: AppSpec) -> Apply:
    """Return what a change of this key needs, here."""
    if key == "listen" and not set(old.listen) <= set(new.listen):
        return "restart"  # the new worker may open the same port itself
    return usual


def _opens_ports_otherwise(old: AppSpec, new: AppSpec) -> bool:
    """Return whether the workers of another program open their ports in another way, so that old
    and new ones cannot be there together."""
    if old.chosen_mode != new.chosen_mode or old.runtime == new.runtime:
        return False  # it follows from another key, or only from the number of instances
    most = max(old.instances, new.instances)
    return for_size(old, most).mode != for_size(new, most).mode


def _action(strongest: int, state: RunState, *, scaled: bool) -> Action:
    if strongest > 0 and state == "stopped":
        return "live"  # no worker to replace
    if state == "down":
        return "restart" if strongest >= 0 else "start"
    if strongest > 0:
        return "reload" if strongest == 1 and state == "running" else "restart"
    if scaled:
        return "scale"
    return "live" if strongest == 0 else "nothing"


def _carried(old: AppSpec, new: AppSpec, *, touched: bool) -> AppSpec:
    """Return the new spec with what does not change while the workers stay, and what depends on how
    many instances there were."""
    if not touched:
        return new._replace(
            mode=old.mode, version=old.version, runtime=old.runtime, umask=old.umask
        )
    most = max(old.instances, new.instances)
    shares = old.mode == "cluster" and for_size(new, most).mode == "cluster"
    return new._replace(mode="cluster" if shares else new.mode)
