"""``monit demo``: a small example app under load, in a temporary home."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from types import FrameType

import click

import monit_agent.demo
from monit_agent.cli.control.demo_cleanup import monit_command
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.render import output
from monit_agent.cli.render.terminal import is_dumb, is_interactive
from monit_agent.cli.verbs.screen import open_screen

INSTANCES_MOST = 32
PORTS = range(20_000, 32_000)
"""Below the ports that the kernel uses for outgoing connections."""
LAST_LINES = "12"


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=8.0,
    show_default=True,
    metavar="SECONDS",
    help="Duration of the demo without a terminal.",
)
@click.option(
    "--instances",
    "-i",
    type=click.IntRange(1, INSTANCES_MOST),
    default=3,
    show_default=True,
    metavar="N",
    help="Number of bakery instances; they share one port.",
)
@click.option("--read-only", is_flag=True, help="Disable all keys that change something.")
def demo(seconds: float, instances: int, read_only: bool) -> None:
    """Run a small example app under load and watch it.

    Starts bakery servers that share a port, customers that send requests, a courier, and the
    screen. Everything is in a temporary home, which is removed at the end. Without a terminal,
    the apps run for some seconds; then the list and the last log lines are printed.
    """
    bakeries = "a bakery" if instances == 1 else f"{instances} bakeries"
    output.write_message(
        f"The demo runs {bakeries}, customers and a courier. They crash now and then\n"
        "and are restarted. When you quit, everything is stopped and removed."
    )
    with _temporary_home() as home:
        os.environ["MONIT_HOME"] = home
        _start_apps(instances)
        if is_interactive() and not is_dumb():
            open_screen((), read_only=read_only, apps_stay=False)
            output.write_message(
                "The demo apps are stopped now. Your own apps keep running after the screen."
            )
        else:
            _run_without_screen(seconds)


@contextlib.contextmanager
def _temporary_home() -> Generator[str, None, None]:
    """Create a private folder with a short path; a guard process removes it at the end."""
    short = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else None  # noqa: S108 - for mkdtemp
    home = tempfile.mkdtemp(prefix="monit-demo-", dir=short)
    guard = subprocess.Popen(
        [sys.executable, "-P", "-m", "monit_agent.cli.control.demo_cleanup", home],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit_on_signal)
    try:
        yield home
    finally:
        output.write_message("Stopping the demo ...")
        guard.communicate()
        if guard.returncode != 0:
            raise CommandError(ExitCode.FAILED, f"a process of {home} could not be stopped")
        output.write_message("The demo is removed.")


def _exit_on_signal(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _start_apps(instances: int) -> None:
    """Start all apps at once with ``monit start``. Raise `CommandError` when one fails."""
    folder = os.path.dirname(monit_agent.demo.__file__)
    port = str(free_port())
    python = ("--interpreter", sys.executable)
    bakery = (os.path.join(folder, "bakery.py"), "-i", str(instances), "--port", port)
    courier = (os.path.join(folder, "courier.py"),)
    customers = (os.path.join(folder, "load.py"), "--name", "customers", "--", port)
    starting = [
        subprocess.Popen(
            [*monit_command(), "start", *python, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words in (bakery, courier, customers)
    ]
    printed = [process.communicate()[0] for process in starting]
    for process, text in zip(starting, printed, strict=True):
        if process.returncode != 0:
            raise CommandError(ExitCode.FAILED, f"the demo did not start:\n{text}")


def free_port() -> int:
    """Return a free port, or raise `CommandError`."""
    for _ in range(200):
        port = random.choice(PORTS)  # noqa: S311 - any will do
        if _is_free(port):
            return port
    raise CommandError(ExitCode.FAILED, "no free port between 20000 and 32000")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _run_without_screen(seconds: float) -> None:
    """Wait for ``seconds``, then print the list and the last log lines."""
    time.sleep(seconds)
    for words in (("list",), ("logs", "--no-follow", "-n", LAST_LINES)):
        done = subprocess.run([*monit_command(), *words], check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise CommandError(
                ExitCode.FAILED, f"monit {words[0]} failed with exit code {done.returncode}"
            )
