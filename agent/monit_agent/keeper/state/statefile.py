"""``state.json``: what the next keeper needs. No environment values."""

import os

from monit_agent import __version__
from monit_agent.keeper.runner import Runner, runner_from_json
from monit_agent.supervise import spec as specs
from monit_agent.supervise.appstate import App, Rollout
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import (
    AfterStop,
    DesiredState,
    Exit,
    InPlaceReload,
    Now,
    Replacement,
    Role,
    Slot,
    Status,
    Worker,
)
from monit_agent.system import jsonline
from monit_agent.system.claim import memory_name
from monit_agent.system.files.own_file import read_own_file
from monit_agent.system.files.ownership import require_own_folder
from monit_agent.system.files.replaced_file import replace_file
from monit_agent.system.memory.memory_folder import (
    read_memory_file,
    remove_memory_file,
    write_memory_file,
)
from monit_agent.system.suppress import suppress
from monit_agent.typed import Any, NamedTuple, cast

SCHEMA, OLDEST_SCHEMA = 2, 2
"""What is written, and the oldest that is read. A key that is added needs no other schema: a
version that does not know it keeps it. One whose meaning changes does."""


class BadStateError(ValueError):
    """``state.json`` cannot be read as the state of an app by this version."""


class NewerStateError(BadStateError):
    """A newer version of monit wrote it; it must be kept as it is."""


class Saved(NamedTuple):
    """The content of the file. ``left``: the keeper stopped everything before it
    exited, so nothing of the app can run."""

    spec: AppSpec
    app: App
    boot_id: str
    left: bool
    ports: list[dict[str, Any]] = []  # noqa: RUF012  never changed in place
    """The shared sockets, as `Ports.saved` returns them."""
    trees: dict[str, Any] = {}  # noqa: RUF012  never changed in place
    """The process trees of workers, as `Workers.saved` returns them."""
    inherited: list[str] = []  # noqa: RUF012  never changed in place
    """Names of the variables that the workers inherit."""
    runner: Runner | None = None
    """The process of `monit run` that the app must not outlive."""
    other: dict[str, Any] = {}  # noqa: RUF012  never changed in place
    """Keys of another version, kept for it: those of each slot by its number, those of the rest
    by ""."""
    reload_commands: list[list[int]] = []  # noqa: RUF012  never changed in place
    """The reload commands that run, as `ReloadCommands.saved` returns them."""


def write(path: str, saved: Saved) -> None:
    """Replace the file atomically; raise OSError.

    Where that fails, the state is kept in memory, for a keeper that starts before it can be
    written: the file has an older one then, with workers that do not run any more.
    """
    raw = jsonline.dump(to_plain(saved))
    name = memory_name(os.path.dirname(path), "state")
    try:
        _replace(path, raw)
    except OSError:
        with suppress(OSError):  # the first error reports what cannot be kept anywhere
            write_memory_file(name, raw)
        raise
    remove_memory_file(name)


def forget(path: str) -> None:
    """Remove what was kept in memory instead of at ``path``: the app was deleted."""
    remove_memory_file(memory_name(os.path.dirname(path), "state"))


def _replace(path: str, raw: bytes) -> None:
    require_own_folder(os.path.dirname(path))
    replace_file(path, raw)


def load(path: str) -> Saved:
    """Return the content; raise `BadStateError` when it is invalid, OSError when there is none."""
    raw = read_own_file(path)
    newer = read_memory_file(memory_name(os.path.dirname(path), "state"))
    try:
        return _load(raw if newer is None else newer, path)
    except NewerStateError:
        raise
    except BadStateError:
        return _load(raw, path)  # then the file is all there is


def _load(raw: bytes, path: str) -> Saved:
    try:
        return from_plain(jsonline.load(raw))
    except NewerStateError as error:
        raise NewerStateError(f"{path} {error}") from error
    except (ValueError, RecursionError) as error:
        raise BadStateError(f"{path} cannot be read: {error}") from error


def from_plain(plain: Any) -> Saved:
    """Return what `to_plain` returned, of this version or another; raise `BadStateError`."""
    try:
        _check_schema(plain["schema"], plain.get("written_by"))
        unknown = _unknown(plain, _KEYS)
        other = {"": unknown} if unknown else {}
        slots = tuple(_slot(slot, other) for slot in plain["slots"])
        rollout = plain["rollout"]
        app = App(slots=slots, rollout=_rollout(rollout) if rollout else None)
        spec, ports = specs.spec_from_json(plain["spec"]), plain.get("ports", [])
        trees, inherited = plain.get("trees", {}), plain.get("inherited", [])
        runner, boot, left = runner_from_json(plain.get("runner")), plain["boot_id"], plain["left"]
        commands = plain.get("reload_commands", [])
        return Saved(spec, app, boot, left, ports, trees, inherited, runner, other, commands)
    except BadStateError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadStateError(f"it is not the state of an app: {error!r}") from error


def _check_schema(schema: int, writer: str | None) -> None:
    if schema > SCHEMA:
        raise NewerStateError(
            f"has schema {schema}, and monit {__version__} reads schemas up to {SCHEMA}; it was "
            f"written by {f'monit {writer}' if writer else 'a newer version'}: install that version"
        )
    if schema < OLDEST_SCHEMA:
        raise BadStateError(
            f"schema {schema} is older than {OLDEST_SCHEMA}, the oldest that is read"
        )


_KEYS = (
    "schema", "written_by", "boot_id", "keeper_pid", "left", "ports", "trees", "inherited",
    "runner", "spec", "rollout", "slots", "reload_commands",
)  # fmt: skip


def to_plain(saved: Saved) -> dict[str, Any]:
    """Return the content of the file."""
    rollout = saved.app.rollout
    return {
        **saved.other.get("", {}),
        "schema": SCHEMA,
        "written_by": __version__,
        "boot_id": saved.boot_id,
        "keeper_pid": os.getpid(),
        "left": saved.left,
        "ports": saved.ports,
        "trees": saved.trees,
        "inherited": saved.inherited,
        "runner": saved.runner and list(saved.runner),
        "reload_commands": saved.reload_commands,
        "spec": specs.spec_to_json(saved.spec),
        "rollout": rollout._asdict() if rollout else None,
        "slots": [
            {**saved.other.get(str(slot.instance), {}), **_plain_slot(slot)}
            for slot in saved.app.slots
        ],
    }


def _plain_slot(slot: Slot) -> dict[str, Any]:
    plain = slot._asdict()
    for name in ("status", "desired", "after_stop"):
        plain[name] = plain[name].value
    if slot.replacement is not None:
        plain["replacement"] = {**slot.replacement._asdict(), "role": slot.replacement.role.value}
    return plain


def _slot(plain: dict[str, Any], other: dict[str, Any]) -> Slot:
    worker, replacement = plain["worker"], plain.get("replacement")
    unknown = _unknown(plain, Slot._fields)
    if unknown:
        other[str(plain["instance"])] = unknown
    read: dict[str, Any] = {
        "status": Status(plain["status"]),
        "desired": DesiredState(plain["desired"]),
        "after_stop": AfterStop(plain["after_stop"]),
        "worker": _worker(*worker) if worker else None,
        "replacement": _replacement(replacement) if replacement else None,
        "failed_start_times": tuple(plain["failed_start_times"]),
        "restart_times": tuple(plain["restart_times"]),
        "earlier_restarts": tuple((at, count) for at, count in plain.get("earlier_restarts", ())),
        "exits": tuple(Exit(*exit_[: len(Exit._fields)]) for exit_ in plain["exits"]),
    }
    if plain.get("in_place"):
        deadline, by_signal = plain["in_place"]
        read["in_place"] = InPlaceReload(deadline, by_signal) if by_signal else None
        if not by_signal:
            read["replace_failure"] = "the keeper was killed while the reload command ran"
    read["reload_output"] = tuple(plain.get("reload_output", ()))
    if replacement and read["replacement"] is None:
        read["replace_failure"] = "the keeper was killed while it started the new worker"
    return Slot(**{**_known(plain, Slot._fields), **read})


def _known(plain: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if key in fields}


def _unknown(plain: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if key not in fields}


def _replacement(plain: dict[str, Any]) -> Replacement | None:
    if plain["worker"] is None:
        return (
            None  # the keeper was killed during the fork; a process that exists is found as unsaved
        )
    read: dict[str, Any] = {"worker": _worker(*plain["worker"]), "role": Role(plain["role"])}
    return Replacement(**{**_known(plain, Replacement._fields), **read})


def _worker(
    pid: int,
    ticks: int,
    since: tuple[float, float],
    adopted: bool,
    settings: int | None = None,
    *_of_newer: Any,
) -> Worker:
    return Worker(pid, ticks, Now(*since), adopted, settings)


def _rollout(plain: dict[str, Any]) -> Rollout:
    current = plain["current"]
    if not isinstance(current, list):  # of a version that replaced one at a time: its number
        current = [] if current is None else [current]
    read: dict[str, Any] = {
        "waiting": tuple(plain["waiting"]),
        "current": tuple(cast("list[int]", current)),
        "done": tuple(plain["done"]),
        "beside": tuple(plain.get("beside", ())),
        "in_place": tuple(plain.get("in_place", ())),
        "stopped_first": tuple(plain.get("stopped_first", ())),
        "output": tuple((n, tuple(lines)) for n, lines in plain.get("output", ())),
        "failures": tuple((number, why) for number, why in plain.get("failures", ())),
    }
    return Rollout(**{**_known(plain, Rollout._fields), **read})
