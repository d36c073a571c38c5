"""What the command line hands to the foreground process: the apps, and how to end."""

import os
from typing import Any, Literal, NamedTuple

from monit_agent.system import jsonline

ExitOn = Literal["any", "all", "never"]

STOP_TIMEOUT_S = 8.0
"""Docker and Podman kill a container 10 s after they requested its stop."""


class PlannedApp(NamedTuple):
    """One app."""

    folder: str
    order: dict[str, Any]
    """What its keeper reads: spec and environment."""
    logs_are_new: bool
    """Whether there were no log files of it before, so that they can be removed at the end."""


class Plan(NamedTuple):
    """All that `monit run` does."""

    apps: tuple[PlannedApp, ...]
    exit_on: ExitOn = "any"
    stop_timeout_s: float = STOP_TIMEOUT_S
    health: tuple[str, int] | None = None
    """Address of the health endpoint; an empty host means every interface."""


def write_plan(plan: Plan) -> int:
    """Return an inheritable descriptor of a file in memory that holds the plan. It has values of
    the environment, which must reach neither a disk nor a command line."""
    fd = os.memfd_create("monit-run", 0)
    plain = {**plan._asdict(), "apps": [app._asdict() for app in plan.apps]}
    with open(fd, "wb", closefd=False) as file:
        file.write(jsonline.dump(plain))
    os.lseek(fd, 0, os.SEEK_SET)
    os.set_inheritable(fd, True)
    return fd


def read_plan(fd: int) -> Plan:
    """Return the plan of `write_plan` and close the descriptor."""
    with open(fd, "rb") as file:
        plain = jsonline.load(file.read())
    apps = tuple(PlannedApp(**app) for app in plain.pop("apps"))
    health = plain.pop("health")
    return Plan(**plain, apps=apps, health=health and tuple(health))
