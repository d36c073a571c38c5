"""Where things lie under ``$MONIT_HOME``: arithmetic on paths, nothing is opened here.

Standard library only and no ``pathlib``, because the keeper uses it too and pays
for every import with resident memory.
"""

import os.path
import sys
from collections.abc import Mapping

from monit_agent.typed import Any

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder of our package that this process runs from."""

SOCKET_PATH_MAX = 107
"""Longest path of a Unix socket, in bytes (``sun_path`` holds 108 with its final NUL)."""

STREAMS = ("out", "err")
"""A worker's two output streams, as they are named in files, topics and messages."""

NAME_MAX = 64
"""Longest name of an app, in characters."""


class BadNameError(ValueError):
    """The user gave an app a name that cannot be a folder, a topic and a target at once."""


def home(environ: Mapping[str, str]) -> str:
    """Return the folder that holds everything: ``$MONIT_HOME`` or the user's state folder."""
    chosen = environ.get("MONIT_HOME")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    state = environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "monit")


def check_name(name: str) -> str:
    """Return ``name`` if an app may have it, else raise `BadNameError` saying what to do."""
    allowed = "use letters, digits, '-', '_' and '.', beginning with a letter or digit"
    if not name:
        raise BadNameError(f"the app's name is empty; {allowed}")
    if len(name) > NAME_MAX:
        raise BadNameError(f"the app's name has {len(name)} characters; at most {NAME_MAX} fit")
    if name == "all":
        raise BadNameError("'all' means every app and cannot name one; choose another with --name")
    plain = name.isascii() and name[0].isalnum() and all(c.isalnum() or c in "-_." for c in name)
    if not plain:
        raise BadNameError(f"{name!r} cannot name an app; {allowed}")
    return name


class AppPaths:
    """The folder of one app and the names in it; every attribute is a ``str`` path."""

    def __init__(self, folder: str) -> None:
        inside = os.path.join(folder, "")  # joined 24 times, a list of 100 apps took 6 ms more
        self.folder = folder
        self.name = os.path.basename(folder)
        self.lock = inside + "lock"
        self.state = inside + "state.json"
        self.env = inside + "env"
        self.pub = inside + "pub.sock"
        self.ctl = inside + "ctl.sock"
        self.keeper = inside + "keeper.sock"
        self.notify = inside + "notify.sock"
        self.share = inside + "share.sock"
        self.probe = inside + "probe.sock"
        self.node_probe = inside + "node.sock"
        self.probe_requests = inside + "requests"
        self.agent_lock = inside + "agent.lock"
        self.agent_log = inside + "agent.log"
        self.keeper_log = inside + "keeper.log"
        self.logs = inside + "logs"
        self.history = inside + "history"
        self.crashes = inside + "crashes"
        self.history_file = inside + "history.db"
        self.alerts = inside + "alerts.json"
        self.totals = inside + "totals.json"
        self.notices = inside + "notices.json"
        self.fifos = inside + "fifo"

    def log(self, instance: int, stream: str) -> str:
        """Return the file that holds what the instance printed on ``out`` or ``err``."""
        return os.path.join(self.logs, f"{instance}.{stream}.log")

    def index(self, instance: int, stream: str) -> str:
        """Return the time index beside `log`; its format is in ``wire/timeindex.py``."""
        return os.path.join(self.logs, f"{instance}.{stream}.idx")

    def fifo(self, instance: int, stream: str) -> str:
        """Return the named pipe that the instance's workers print into."""
        return os.path.join(self.fifos, f"{instance}.{stream}")

    def too_long(self) -> str | None:
        """Return the socket path that is too long for the kernel, or None when all fit."""
        sockets = (
            self.keeper, self.notify, self.share, self.probe, self.node_probe, self.ctl, self.pub
        )  # fmt: skip
        longest = max(sockets, key=lambda path: len(os.fsencode(path)))
        return longest if len(os.fsencode(longest)) > SOCKET_PATH_MAX else None


def ipc_address(path: str) -> Any:
    """Return ZeroMQ's address of a socket: bytes, because a path may have any. pyzmq takes them,
    though its types demand text."""
    return b"ipc://" + os.fsencode(path)


def apps_folder(home_folder: str) -> str:
    """Return the folder that holds one folder per app."""
    return os.path.join(home_folder, "apps")


def app_paths(home_folder: str, app: str) -> AppPaths:
    """Return the paths of the app called ``app``."""
    return AppPaths(os.path.join(apps_folder(home_folder), app))


def next_id_file(home_folder: str) -> str:
    """Return the file with the next free instance id, counted over all apps as pm2 does."""
    return os.path.join(home_folder, "next_id")


HOME_NAMES = (
    "apps",
    "next_id",
    "cache",
    "zygote.sock",
    "zygote.lock",
    "agent-start.lock",
    "zygote.log",
    "boot.sock",
    "boot.lock",
    "disk.lock",
)
"""What monit has in a home."""


def home_of(folder: str) -> str:
    """Return the home that holds the app's ``folder``."""
    return os.path.dirname(os.path.dirname(folder))


def zygote_socket(home_folder: str) -> str:
    """Return the socket at which keepers request agents (``agent/zygote.py``)."""
    return os.path.join(home_folder, "zygote.sock")


def zygote_lock(home_folder: str) -> str:
    """Return the file on which the home's zygote holds ``flock``."""
    return os.path.join(home_folder, "zygote.lock")


def first_agent_lock(home_folder: str) -> str:
    """Return the file on which a keeper holds ``flock`` while it starts an agent from which the
    home's zygote is forked."""
    return os.path.join(home_folder, "agent-start.lock")


def zygote_log(home_folder: str) -> str:
    """Return the log file of the home's zygote."""
    return os.path.join(home_folder, "zygote.log")


def boot_socket(home_folder: str) -> str:
    """Return the socket of the home's ``monit boot`` (``wire/boot.py``)."""
    return os.path.join(home_folder, "boot.sock")


def boot_lock(home_folder: str) -> str:
    """Return the file on which the home's ``monit boot`` holds ``flock``."""
    return os.path.join(home_folder, "boot.lock")


def disk_lock(home_folder: str) -> str:
    """Return the file on which the agent holds ``flock`` that speaks of the home's disk."""
    return os.path.join(home_folder, "disk.lock")


def boot_command(
    home_folder: str, python: str = sys.executable, package: str = PACKAGE
) -> list[str]:
    """Return the command of ``monit boot``, isolated like a keeper."""
    return [python, "-I", "-S", os.path.join(package, "boot", "__main__.py"), home_folder]


def keeper_command(folder: str, python: str = sys.executable, package: str = PACKAGE) -> list[str]:
    """Return the command that starts the keeper of the app in ``folder``, of the installation with
    this interpreter and folder of our package.

    Isolated and without site-packages: the app's variables for Python must
    not reach the one process that may not fail.
    """
    return [python, "-I", "-S", os.path.join(package, "keeper", "__main__.py"), folder]


def fork_server_command(home_folder: str) -> list[str]:
    """Return the command of a process from which keepers are forked (``keeper/fork_server.py``).
    They show a command line of their own in its place, so it must be as long as theirs."""
    room = " " * (len("apps") + NAME_MAX)
    return [*keeper_command("--fork"), home_folder, room]


def foreground_command(fd: int) -> list[str]:
    """Return the command that runs the plan in the descriptor ``fd`` in the foreground."""
    main = os.path.join(PACKAGE, "foreground", "__main__.py")
    return [sys.executable, "-I", "-S", main, str(fd)]


def agent_command(
    folder: str, python: str = sys.executable, package: str = PACKAGE, *, alone: bool = False
) -> list[str]:
    """Return the command that starts the agent of the app in ``folder``, of this installation;
    ``alone`` in a process that others do not join."""
    command = [python, "-I", os.path.join(package, "agent", "__main__.py"), folder]
    return [*command, "--alone"] if alone else command
