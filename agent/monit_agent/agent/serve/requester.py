"""Who sends a request, for the event log: what the kernel knows of the process that connected."""

import os

from monit_agent.agent.sampling.users import UserNames
from monit_agent.system.procfs import process_stat, read_file

_NO_LOGIN = 2**32 - 1
_MAJOR_PTS = range(136, 144)
_MAJOR_CONSOLE = 4


def describe_requester(pid: int, uid: int) -> str:
    """Return ``user:pid``, and in parentheses the user of the login session where it is another
    one, the command and the terminal: ``root:712 (login ann, monit restart, pts/0)``.

    Of the command line there is no more than the verb, because arguments may be secrets. Who may
    connect was decided by the uid; the rest is what that user's process shows of itself.
    """
    known = [text for text in (_login(pid, uid), _command(pid), _terminal(pid)) if text is not None]
    details = f" ({', '.join(known)})" if known else ""
    return f"{user_name(uid)}:{pid}{details}"


_NAMES = UserNames()


def user_name(uid: int) -> str:
    """Return the name of a user, or the number where it has none, or while it is not known."""
    return _NAMES.name_of(uid)


def _login(pid: int, uid: int) -> str | None:
    """Return who logged in, when `sudo` or the like made another user of them."""
    raw = read_file(f"/proc/{pid}/loginuid") or b""
    login = int(raw) if raw.isdigit() else _NO_LOGIN
    return None if login in (uid, _NO_LOGIN) else f"login {user_name(login)}"


def _command(pid: int) -> str | None:
    """Return ``monit VERB`` or ``monit screen``, or the name of another program."""
    stat = process_stat(pid)
    if stat is None:
        return None
    words = (read_file(f"/proc/{pid}/cmdline") or b"").split(b"\0")[:-1]
    for at, word in enumerate(words[:5]):
        if word == b"monit_agent" or os.path.basename(word) == b"monit":
            verb = words[at + 1] if at + 1 < len(words) else b""
            plain = verb.isalpha() and verb.islower()
            return f"monit {verb.decode() if plain else 'screen'}"
    return os.fsdecode(stat.name)


def _terminal(pid: int) -> str | None:
    stat = process_stat(pid)
    if stat is None or not stat.terminal:
        return None
    major = stat.terminal >> 8 & 0xFFF
    minor = stat.terminal & 0xFF | stat.terminal >> 12 & 0xFFF00
    if major in _MAJOR_PTS:
        return f"pts/{minor + 256 * (major - _MAJOR_PTS.start)}"
    return f"tty{minor}" if major == _MAJOR_CONSOLE else None
