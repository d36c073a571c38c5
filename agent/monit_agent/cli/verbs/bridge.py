"""``monit bridge``: what ``monit --host`` starts on the other machine."""

import getpass
import os
import socket
import sys
import time
from contextlib import closing

import click

from monit_agent import __version__
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import monit_home
from monit_agent.cli.render import output
from monit_agent.client.bridge.bridge import Bridge, ClientPipes
from monit_agent.client.bridge.json_bridge import JsonBridge
from monit_agent.client.live.live_source import LiveSource
from monit_agent.system.files.ownership import folder_id
from monit_agent.system.procfs import boot_id
from monit_agent.wire import bridge as wire
from monit_agent.wire.limits import PROTOCOL_VERSION

HELP = """\b
Examples:
  monit bridge --read-only
  echo '{"id": 1, "do": "list"}' | monit bridge --json

A read-only key, as a line in ~/.ssh/authorized_keys:
  command="monit bridge --read-only",restrict ssh-ed25519 AAAA… watcher
"""


@click.command("bridge", epilog=HELP)
@click.option("--read-only", is_flag=True, help="Refuse every request that changes something.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Speak lines of JSON, for programs in any language; docs/api.md describes them.",
)
def bridge(read_only: bool, as_json: bool) -> int:
    """Serve the apps of this machine on stdin and stdout: for monit --host on another one, and with
    --json for any program.

    It is started through ssh, or by the program, and ends with the connection. agent/PROTOCOL.md
    describes what it reads and writes without --json.
    """
    if sys.stdin.isatty() or sys.stdout.isatty():
        raise CommandError(
            ExitCode.USAGE,
            "bridge talks to another monit or to a program, not to people; "
            "run monit --host HOST on the machine from where you look",
        )
    home = monit_home()
    hello = wire.Hello(
        v=wire.BRIDGE_VERSION,
        protocol=PROTOCOL_VERSION,
        version=__version__,
        host=socket.gethostname(),
        boot_id=boot_id(),
        wall=time.time(),
        home=home,
        home_id=folder_id(home),
        user=_user(),
        read_only=read_only,
    )
    with closing(LiveSource(home)) as source:
        inp, out = os.dup(sys.stdin.fileno()), os.dup(sys.stdout.fileno())
        make = JsonBridge if as_json else Bridge
        problem = make(source, hello, ClientPipes(inp, out)).run()
    if problem is not None:
        output.write_error(problem)
    return ExitCode.DONE if problem is None else ExitCode.FAILED


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
