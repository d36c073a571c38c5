"""Ports of an app: whether its workers share them, sockets to inherit, and numbers that count up.

``increment-var`` gives each instance a number of its own, like pm2's ``increment_var``.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

from monit_agent.config.errors import BadInputError
from monit_agent.config.runtime import primary_code_file
from monit_agent.supervise.spec import SHARING_RUNTIMES, AppSpec, Increment, is_node_primary
from monit_agent.wire.paths import SOCKET_PATH_MAX

PORT_MAX = 65535
NUMBER_MAX = 10**15
LISTEN_MAX = 32


class Sharing(NamedTuple):
    """What decides whether workers share their ports; ``runtime`` as in `AppSpec`."""

    runtime: str
    instances: int
    port: int | None
    listen: tuple[str, ...] = ()
    counts: bool = False
    """Whether each instance has a number of its own (``--increment-var``)."""
    chosen: str = ""
    """What ``--mode`` says."""


def sharing_mode(wish: Sharing) -> str:
    """Return ``cluster`` for an app whose workers share their ports, else ``fork``.

    Workers that inherit their sockets (``listen``) share them. So do several instances, or a
    single one with a named port, of a program that can take a socket from the keeper: Node and
    whatever Python runs. Other programs open their own ports, and so do instances that each have
    a number of their own. Raise `BadInputError` for a choice that contradicts this, and for
    several instances that would open the same port.
    """
    _refuse_impossible_mode(wish)
    if wish.listen:
        return "cluster"
    shared = wish.instances > 1 or wish.port is not None or wish.chosen == "cluster"
    mode = "cluster" if shared and not wish.counts and can_share(wish.runtime) else "fork"
    if wish.chosen:
        return wish.chosen
    if mode == "fork" and wish.instances > 1 and wish.port is not None and not wish.counts:
        raise BadInputError(port_for_each(wish.instances, wish.port))
    return mode


def can_share(runtime: str) -> bool:
    """Return whether programs of this runtime take a socket from the keeper."""
    return runtime in SHARING_RUNTIMES


def port_for_each(instances: int, port: int | str) -> str:
    """Return that so many instances would open one port, and what can be done."""
    return (
        f"{instances} instances would each open port {port}, and monit cannot share a port for "
        f"this command: use --listen {port} if the program can inherit a listening socket "
        "(LISTEN_FDS), --increment-var PORT to give each instance a port of its own, or "
        "--mode fork if the program opens its port with SO_REUSEPORT"
    )


def skipped_code_hint(spec: AppSpec) -> str | None:
    """Return that a Node script's own primary code is skipped, for a person; None when it is not:
    among several instances, the keeper is the primary of Node's cluster."""
    alone = spec.instances < 2 and spec.chosen_mode != "cluster"
    if not is_node_primary(spec) or alone:
        return None
    script = primary_code_file(spec.argv, spec.cwd)
    if script is None:
        return None
    return (
        f"{spec.name}: its workers are members of monit's cluster, so the code of "
        f"{os.path.basename(script)} for cluster.isPrimary is skipped; to run it, use one instance "
        "or --mode fork"
    )


def _refuse_impossible_mode(wish: Sharing) -> None:
    if wish.chosen == "fork" and wish.listen:
        raise BadInputError(
            "--mode fork means that each worker opens its own ports; leave out --listen"
        )
    if wish.chosen != "cluster":
        return
    if wish.counts:
        raise BadInputError("use either --mode cluster (one port) or --increment-var, not both")
    if not wish.listen and not can_share(wish.runtime):
        raise BadInputError(
            "--mode cluster: monit can share a port only for Python and Node programs; use "
            "--listen PORT if the program can inherit a listening socket (LISTEN_FDS)"
        )


def absolute_sockets(listen: tuple[str, ...], cwd: str) -> tuple[str, ...]:
    """Return sockets as `values.parse_listen` does, with their paths made absolute from ``cwd``.

    Raise `BadInputError` for a path that is too long for a socket, and for duplicates.
    """
    if len(listen) > LISTEN_MAX:
        raise BadInputError(f"--listen: at most {LISTEN_MAX} sockets are allowed")
    found: list[str] = []
    for text in listen:
        kind, colon, path = text.partition(":")
        if kind == "unix":
            path = os.path.normpath(os.path.join(cwd, os.path.expanduser(path)))
            if len(os.fsencode(path)) > SOCKET_PATH_MAX:
                raise BadInputError(
                    f"--listen {text}: {path} is too long; the path of a socket has at most "
                    f"{SOCKET_PATH_MAX} bytes"
                )
            text = kind + colon + path  # noqa: PLW2901
        if text in found:
            raise BadInputError(f"--listen {text} is given twice")
        found.append(text)
    return tuple(found)


def make_increment(
    name: str, port: int | None, env: Mapping[str, str], instances: int
) -> Increment:
    """Return the variable that counts and where it starts: at ``--port`` for ``PORT``, else at the
    value in ``env``. Raise `BadInputError` when there is no such number, or the last instance
    would get no valid port."""
    text = str(port) if name == "PORT" and port is not None else env.get(name)
    if text is None:
        where = f"--port N or --env {name}=N" if name == "PORT" else f"--env {name}=N"
        raise BadInputError(f"--increment-var {name}: set the first number with {where}")
    if not (text.isascii() and text.isdigit() and int(text) <= NUMBER_MAX):
        raise BadInputError(f"--increment-var {name}: {text!r} is not a whole number")
    return check_increment(Increment(name, int(text)), instances)


def check_increment(increment: Increment, instances: int) -> Increment:
    """Return ``increment`` if ``instances`` can count by it, or raise `BadInputError`."""
    last = increment.start + instances - 1
    if increment.name == "PORT" and not 1 <= increment.start <= last <= PORT_MAX:
        raise BadInputError(
            f"--increment-var PORT: {instances} instances starting at {increment.start} would end "
            f"at {last}, and ports are 1 to {PORT_MAX}"
        )
    return increment
