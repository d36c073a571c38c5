"""Where things lie under ``$MONIT_HOME``: arithmetic on paths, nothing is opened here.

Standard library only and no ``pathlib``, because the keeper uses it too and pays
for every import with resident memory.
"""

import os.path
import sys
from collections.abc import Mapping

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

SOCKET_PATH_MAX = 107
"""Longest path of a Unix socket, in bytes (``sun_path`` holds 108 with its final NUL)."""

STREAMS = ("out", "err")
"""A worker's two output streams, as they are named in files, topics and messages."""

NAME_MAX = 64
"""Longest name of an app, in characters."""


class BadNameError(ValueError):
    """The user gave an app a name that cannot be a folder, a topic and a target at once."""


def home(environ: Mapping[str, str]) -> str:
    """Give the folder that holds everything: ``$MONIT_HOME`` or the user's state folder."""
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


class AppPlaces:
    """The folder of one app and the names in it; every attribute is a ``str`` path."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.name = os.path.basename(folder)
        self.lock = os.path.join(folder, "lock")
        self.state = os.path.join(folder, "state.json")
        self.pub = os.path.join(folder, "pub.sock")
        self.ctl = os.path.join(folder, "ctl.sock")
        self.keeper = os.path.join(folder, "keeper.sock")
        self.notify = os.path.join(folder, "notify.sock")
        self.share = os.path.join(folder, "share.sock")
        self.probe = os.path.join(folder, "probe.sock")
        self.node_probe = os.path.join(folder, "node.sock")
        self.ask = os.path.join(folder, "ask")
        self.agent_lock = os.path.join(folder, "agent.lock")
        self.agent_log = os.path.join(folder, "agent.log")
        self.keeper_log = os.path.join(folder, "keeper.log")
        self.logs = os.path.join(folder, "logs")
        self.fifos = os.path.join(folder, "fifo")

    def log(self, instance: int, stream: str) -> str:
        """Give the file that holds what the instance printed on ``out`` or ``err``."""
        return os.path.join(self.logs, f"{instance}.{stream}.log")

    def index(self, instance: int, stream: str) -> str:
        """Give the time index beside `log`; its format is in ``wire/timeindex.py``."""
        return os.path.join(self.logs, f"{instance}.{stream}.idx")

    def fifo(self, instance: int, stream: str) -> str:
        """Give the named pipe that the instance's workers print into."""
        return os.path.join(self.fifos, f"{instance}.{stream}")

    def too_long(self) -> str | None:
        """Give the socket path that is too long for the kernel, or None when all fit."""
        sockets = (
            self.keeper, self.notify, self.share, self.probe, self.node_probe, self.ctl, self.pub
        )  # fmt: skip
        longest = max(sockets, key=lambda path: len(os.fsencode(path)))
        return longest if len(os.fsencode(longest)) > SOCKET_PATH_MAX else None


def apps_folder(home_folder: str) -> str:
    """Give the folder that holds one folder per app."""
    return os.path.join(home_folder, "apps")


def app_places(home_folder: str, app: str) -> AppPlaces:
    """Give the places of the app called ``app``."""
    return AppPlaces(os.path.join(apps_folder(home_folder), app))


def next_id_file(home_folder: str) -> str:
    """Give the file with the next free instance id, counted over all apps as pm2 does."""
    return os.path.join(home_folder, "next_id")


def home_of(folder: str) -> str:
    """Give the home that holds the app's ``folder``."""
    return os.path.dirname(os.path.dirname(folder))


def zygote_socket(home_folder: str) -> str:
    """Give the socket at which keepers ask for agents (``observe/zygote.py``)."""
    return os.path.join(home_folder, "zygote.sock")


def zygote_lock(home_folder: str) -> str:
    """Give the file on which the home's zygote holds ``flock``."""
    return os.path.join(home_folder, "zygote.lock")


def zygote_log(home_folder: str) -> str:
    """Give the file with what the home's zygote has to say."""
    return os.path.join(home_folder, "zygote.log")


def keeper_command(folder: str) -> list[str]:
    """Give the command that starts the keeper of the app in ``folder``.

    Isolated and without site-packages: what the app's environment says to Python must
    not reach the one process that may not fail.
    """
    return [sys.executable, "-I", "-S", os.path.join(_PACKAGE, "keep", "__main__.py"), folder]


def agent_command(folder: str) -> list[str]:
    """Give the command that starts the agent of the app in ``folder``."""
    return [sys.executable, "-I", os.path.join(_PACKAGE, "observe", "__main__.py"), folder]
