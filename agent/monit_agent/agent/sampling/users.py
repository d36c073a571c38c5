"""Who a worker really runs as."""

import pwd
from collections import Counter
from collections.abc import Sequence

from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.user_database import USERS, NoAnswerError

_ROOT = 0
_WAITS_ONLY = frozenset({
    "sudo", "su", "runuser", "doas", "setpriv", "sh", "bash", "dash", "zsh", "ash", "ksh", "fish",
    "tini", "dumb-init",
})  # fmt: skip
"""What starts one other program, often as another user, and waits for it."""


class UserNames:
    """Names of users, each looked up once: a directory service may take long to answer."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def name_of(self, uid: int) -> str:
        """Return the name of a user, or the number where it has none, or while it is not known."""
        if uid not in self._names:
            try:
                self._names[uid] = USERS.ask(("name", uid), lambda: pwd.getpwuid(uid).pw_name)
            except NoAnswerError:
                return str(uid)
            except KeyError:
                self._names[uid] = str(uid)
        return self._names[uid]


def effective_user(tree: Sequence[Proc]) -> int | None:
    """Return the user that the work of a process tree (its root first) is done as.

    That is the worker's own, below what only starts it and waits (``sudo``, a shell). A worker that
    is root and has left the work to others (a master with workers) counts as most of these.
    """
    below: dict[int, list[Proc]] = {}
    for process in tree[1:]:
        below.setdefault(process.ppid, []).append(process)
    worker = tree[0]
    while worker.comm in _WAITS_ONLY and len(below.get(worker.pid, ())) == 1:
        worker = below[worker.pid][0]
    if worker.uid != _ROOT:
        return worker.uid
    users: Counter[int] = Counter()
    unread = [worker]
    while unread:
        children = below.get(unread.pop().pid, [])
        unread += children
        users.update(child.uid for child in children if child.uid is not None)
    return max(users, key=lambda uid: (users[uid], uid != _ROOT), default=worker.uid)
