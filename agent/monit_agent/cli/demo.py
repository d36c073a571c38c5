"""``monit demo``: a small real app with customers, on a home of its own that does not stay."""

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
from monit_agent.cli import output
from monit_agent.cli.demo_guard import monit_command
from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.cli.screen import screen
from monit_agent.cli.terminal import has_screen, is_dumb

INSTANCES_MOST = 32
PORTS = range(20_000, 32_000)
"""Below the ports that the kernel gives to outgoing connections."""
LAST_LINES = "12"


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=8.0,
    show_default=True,
    help="How long it runs where there is no terminal for the screen.",
)
@click.option(
    "--instances",
    "-i",
    type=click.IntRange(1, INSTANCES_MOST),
    default=3,
    show_default=True,
    help="How many bakeries, on one port.",
)
@click.option("--read-only", is_flag=True, help="Leave out every key that changes something.")
@click.pass_context
def demo(context: click.Context, seconds: float, instances: int, read_only: bool) -> None:
    """Watch a small real app under load; nothing of it stays.

    Starts bakeries that share a port, customers who send them requests, a courier, and the
    screen, all in a temporary home of their own. Without a terminal they run for some seconds;
    then the list and the last log lines are printed.
    """
    bakeries = "A bakery" if instances == 1 else f"{instances} bakeries"
    output.say(f"{bakeries} with customers and a courier, for as long as you look. Things go")
    output.say("wrong: watch what crashes restart. On quit all is stopped and removed.")
    with _temporary_home() as home:
        os.environ["MONIT_HOME"] = home
        _start_apps(instances)
        if has_screen() and not is_dumb():
            context.invoke(screen, targets=(), read_only=read_only)
            output.say("(yours would; those of the demo end with it)")
        else:
            _run_blind(seconds)


@contextlib.contextmanager
def _temporary_home() -> Generator[str, None, None]:
    """Give a private folder with a short path, which a guard clears away when this ends."""
    short = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else None  # noqa: S108 - for mkdtemp
    home = tempfile.mkdtemp(prefix="monit-demo-", dir=short)
    guard = subprocess.Popen(
        [sys.executable, "-P", "-m", "monit_agent.cli.demo_guard", home],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        yield home
    finally:
        output.say("Stopping the demo …")
        guard.communicate()
        if guard.returncode != 0:
            raise CommandError(Exit.FAILED, f"a process of {home} could not be stopped")
        output.say("Nothing of it is left.")


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _start_apps(instances: int) -> None:
    """Start the apps as anyone would, side by side. Raises `CommandError`."""
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
    said = [process.communicate()[0] for process in starting]
    for process, text in zip(starting, said, strict=True):
        if process.returncode != 0:
            raise CommandError(Exit.FAILED, f"the demo did not start:\n{text}")


def free_port() -> int:
    """Give a port that nobody listens on now. Raises `CommandError`."""
    for _ in range(200):
        port = random.choice(PORTS)  # noqa: S311 - any will do
        if _is_free(port):
            return port
    raise CommandError(Exit.FAILED, "no free port was found between 20000 and 32000")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _run_blind(seconds: float) -> None:
    """Let it run for ``seconds``, then print the list and the last log lines."""
    time.sleep(seconds)
    for words in (("list",), ("logs", "--no-follow", "-n", LAST_LINES)):
        done = subprocess.run([*monit_command(), *words], check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise CommandError(Exit.FAILED, f"monit {words[0]} ended with {done.returncode}")
