"""``state.json``: what the next keeper must know. No environment values."""

import os

from monit_agent.keep import jsonline
from monit_agent.supervise import spec as specs
from monit_agent.supervise.appstate import App, Rolling
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import (
    After,
    Beside,
    Exit,
    Now,
    Role,
    Slot,
    Status,
    Wanted,
    Worker,
)
from monit_agent.supervise.typed import Any, NamedTuple, cast

SCHEMA = 1


class BadStateError(ValueError):
    """``state.json`` cannot be read as the state of an app by this version."""


class Saved(NamedTuple):
    """The content of the file. ``left``: that keeper stopped everything and ended as it was
    told to, so that nothing of it can run."""

    spec: AppSpec
    app: App
    boot_id: str
    left: bool
    ports: list[dict[str, Any]] = []  # noqa: RUF012  never changed in place
    """The shared sockets, as `Ports.saved` gives them."""


def write(path: str, saved: Saved) -> None:
    """Replace the file; whatever happens there is a whole one. OSError when it cannot be."""
    raw = jsonline.dump(_plain(saved))
    temporary = path + ".tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while raw:
            raw = raw[os.write(fd, raw) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)


def load(path: str) -> Saved:
    """Read the file; `BadStateError` when it makes no sense, OSError when there is none."""
    with open(path, "rb") as file:
        raw = file.read()
    try:
        plain = jsonline.load(raw)
        if plain["schema"] != SCHEMA:
            raise BadStateError(f"{path} has schema {plain['schema']}, this version knows {SCHEMA}")
        roll = plain["roll"]
        app = App(
            slots=tuple(_slot(slot) for slot in plain["slots"]),
            roll=_roll(roll) if roll else None,
        )
        spec, ports = specs.from_json(plain["spec"]), plain.get("ports", [])
        return Saved(spec, app, plain["boot_id"], plain["left"], ports)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BadStateError(f"{path} cannot be read: {error}") from error


def _plain(saved: Saved) -> dict[str, Any]:
    roll = saved.app.roll
    return {
        "schema": SCHEMA,
        "boot_id": saved.boot_id,
        "keeper_pid": os.getpid(),
        "left": saved.left,
        "ports": saved.ports,
        "spec": specs.to_json(saved.spec),
        "roll": roll._asdict() if roll else None,
        "slots": [_plain_slot(slot) for slot in saved.app.slots],
    }


def _plain_slot(slot: Slot) -> dict[str, Any]:
    plain = slot._asdict()
    for name in ("status", "wanted", "after"):
        plain[name] = plain[name].value
    if slot.beside is not None:
        plain["beside"] = {**slot.beside._asdict(), "role": slot.beside.role.value}
    return plain


def _slot(plain: dict[str, Any]) -> Slot:
    worker, beside = plain["worker"], plain.get("beside")
    read: dict[str, Any] = {
        "status": Status(plain["status"]),
        "wanted": Wanted(plain["wanted"]),
        "after": After(plain["after"]),
        "worker": _worker(*worker) if worker else None,
        "beside": _beside(beside) if beside else None,
        "unstable_at": tuple(plain["unstable_at"]),
        "restart_times": tuple(plain["restart_times"]),
        "exits": tuple(Exit(*exit_) for exit_ in plain["exits"]),
    }
    if beside and read["beside"] is None:
        read["kept"] = "its keeper died while it started the new worker"
    return Slot(**{**plain, **read})


def _beside(plain: dict[str, Any]) -> Beside | None:
    if plain["worker"] is None:
        return None  # the keeper died while it forked; whoever was born is found as a stray
    read: dict[str, Any] = {"worker": _worker(*plain["worker"]), "role": Role(plain["role"])}
    return Beside(**{**plain, **read})


def _worker(pid: int, ticks: int, since: tuple[float, float], _adopted: bool) -> Worker:
    return Worker(pid, ticks, Now(*since), adopted=True)


def _roll(plain: dict[str, Any]) -> Rolling:
    current = plain["current"]
    if not isinstance(current, list):  # of a version that replaced one at a time: its number
        current = [] if current is None else [current]
    read: dict[str, Any] = {
        "waiting": tuple(plain["waiting"]),
        "current": tuple(cast("list[int]", current)),
        "done": tuple(plain["done"]),
        "broken": tuple((number, why) for number, why in plain.get("broken", ())),
    }
    return Rolling(**{**plain, **read})
