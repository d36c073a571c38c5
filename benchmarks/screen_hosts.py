"""The screen over three hosts of 50 instances, each reached through a real sshd, beside the same
150 instances of this machine: key to paint, CPU, and what the line to a host carries.

The column "straight" is this machine. Both sets run all the time, so both screens are watched on a
machine that is equally busy.
"""

import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

from common import (
    ROOT,
    STRAIGHT,
    BenchmarkError,
    Figure,
    Monit,
    alternate,
    monit,
    say,
    temporary_home,
)
from screen import at_share
from ttymeter import Measured, Plan
from ttymeter import measure as watch

from monit_agent.client.hosts.fleet_source import FleetSource
from monit_agent.client.hosts.names import Host

sys.path.insert(0, os.path.join(ROOT, "tests"))
from support.hosts import real_sshd

HOSTS = ("web1", "web2", "web3")
INSTANCES = 50


class Screens(NamedTuple):
    """The two monitors that are compared: environment and arguments."""

    here: Monit
    over_ssh: Monit
    arguments: Sequence[str]


def measure(quick: bool) -> list[Figure]:
    """Return the figures of both screens, and the bytes of the lines."""
    if shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin") is None:
        raise BenchmarkError("there is no sshd")
    instances, rounds, seconds = (10, 1, 12.0) if quick else (INSTANCES, 4, 24.0)
    with _running(instances) as screens:
        seen: dict[str, list[Measured]] = {STRAIGHT: [], "monit": []}

        def look(who: str) -> float:
            manager = screens.here if who == STRAIGHT else screens.over_ssh
            words = [] if who == STRAIGHT else screens.arguments
            plan = Plan(seconds=seconds, settle_s=8.0, keys=("down", "up"), until=["app-0"])
            result = watch([*manager.command, *words], manager.environment, plan)
            if result.until_s is None:
                raise BenchmarkError(f"{who}: no apps on the screen:\n" + "\n".join(result.screen))
            seen[who].append(result)
            return 0.0

        alternate(rounds, {who: (lambda who=who: look(who)) for who in seen})
        rates = _rates(screens.over_ssh.environment, 15.0 if quick else 40.0)
    words = f"screen, 3 x {instances} instances, three hosts over ssh against this machine"

    def of(name: str) -> dict[str, list[float]]:
        return {who: [getattr(one, name) for one in them] for who, them in seen.items()}

    def keys(share: float) -> dict[str, list[float]]:
        return {who: [at_share(one.key_ms, share) for one in them] for who, them in seen.items()}

    return [
        Figure(f"{words}: key to paint, median", "ms", keys(0.5)),
        Figure(f"{words}: key to paint, p95", "ms", keys(0.95)),
        Figure(f"{words}: CPU, with ssh", "% of a core", of("cpu_percent")),
        Figure(f"{words}: CPU of the screen alone", "% of a core", of("own_cpu_percent")),
        Figure(f"{words}: the screen waited for a core", "% of the time", of("waited_percent")),
        Figure(f"line to a host of {instances} idle instances", "B/s", {"monit": rates}),
    ]


@contextlib.contextmanager
def _running(instances: int) -> Generator[Screens, None, None]:
    """Yield both monitors; their apps run."""
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(monit())
        for number in range(len(HOSTS)):
            _start(here, f"app-{number}", instances)
        homes: dict[str, Path] = {}
        for number, name in enumerate(HOSTS):
            there = stack.enter_context(monit())
            homes[name] = Path(there.home)
            _start(there, f"app-{number}", instances)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = f"{os.path.dirname(sys.executable)}:/usr/bin:/bin"
        config = stack.enter_context(real_sshd(folder, homes, path))
        over_ssh = Monit(stack.enter_context(temporary_home("MONIT_HOME")))
        over_ssh.environment["MONIT_SSH"] = f"ssh -F {config}"
        yield Screens(here, over_ssh, ("--host", ",".join(HOSTS)))


def _start(manager: Monit, name: str, instances: int) -> None:
    say(f"  {instances} instances of {name}")
    manager.start(name, "idle.py", options=("-i", str(instances)))


def _rates(environment: dict[str, str], seconds: float) -> list[float]:
    """Return for each host the mean of what its line carried in a second."""
    os.environ["MONIT_SSH"] = environment["MONIT_SSH"]
    found: dict[str, list[float]] = {name: [] for name in HOSTS}
    with contextlib.closing(
        FleetSource(environment["MONIT_HOME"], [Host(name, name) for name in HOSTS])
    ) as source:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            source.poll(0.25)
            for name, host in source.fleet.hosts.items():
                rate = host.bytes_per_s
                if rate is not None and rate not in found[name][-1:]:
                    found[name].append(rate)
    # the first one has the list of all instances in it
    rates = [statistics.mean(each[1:]) for each in found.values() if len(each) > 1]
    if len(rates) < len(HOSTS):
        raise BenchmarkError(f"not every host was reached: {found}")
    return rates
