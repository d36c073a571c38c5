"""The service that is to run at boot, whatever starts it: whose, from where, with which program."""

import os
import pwd
import sys
from typing import NamedTuple

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.wire import paths

MONIT = "monit"


class Service(NamedTuple):
    """``monit boot`` of one user and one home."""

    user: str
    uid: int
    home: str
    """The folder of all files, as in MONIT_HOME."""
    command: tuple[str, ...]
    """What runs ``monit``: absolute, and without a verb."""
    path: str
    """PATH of the apps."""


def service_of(user: str | None) -> Service:
    """Return the service of ``user``, or of whoever runs this. Raise `CommandError`."""
    entry = _entry(user)
    if user is not None and entry.pw_uid != os.getuid() and os.getuid() != 0:
        raise CommandError(ExitCode.FAILED, f"only root can do this for {user}; use sudo")
    own = entry.pw_uid == os.getuid()
    environ = dict(os.environ) if own else {"MONIT_HOME": os.environ.get("MONIT_HOME", "")}
    home = (
        paths.home(environ)
        if own or environ["MONIT_HOME"]
        else os.path.join(entry.pw_dir, ".local", "state", "monit")
    )
    path = os.environ.get("PATH", os.defpath)
    return Service(entry.pw_name, entry.pw_uid, home, monit_command(), path)


def _entry(user: str | None) -> pwd.struct_passwd:
    if user is None and os.getuid() == 0 and os.environ.get("SUDO_USER", "root") != "root":
        name = os.environ["SUDO_USER"]
        raise CommandError(
            ExitCode.USAGE,
            f"whose apps? --for {name} or --for root (every user has a list of apps of their own)",
        )
    try:
        return pwd.getpwuid(os.getuid()) if user is None else pwd.getpwnam(user)
    except KeyError:
        who = f"user {os.getuid()}" if user is None else f"user {user!r}"
        raise CommandError(ExitCode.USAGE, f"there is no {who} on this machine") from None


def monit_command() -> tuple[str, ...]:
    """Return the command that runs this ``monit``, by absolute paths that survive its upgrade."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), MONIT)
    if os.access(beside, os.X_OK):
        return (beside,)
    return (os.path.abspath(sys.executable), "-P", "-m", "monit_agent")
