"""Who dies first when the machine has no memory left (proc_pid_oom_score_adj(5)).

An app must die before its keeper, which brings it back. Only root may make a process less likely to
be killed than it was: root's keepers do so, and their workers have what the keeper inherited. For
other users, workers are made a little more likely to be killed, by one percent of the machine's
memory: that is more than a keeper has, and hardly changes their rank among other programs.
"""

from monit_agent.system.suppress import suppress

KEEPER_SCORE = -950
"""A value that nobody else sets: a keeper that finds it was started in place of another one."""

WORKER_MORE = 10
SCORE_MAX = 1000

_PATH = "/proc/self/oom_score_adj"
_inherited: list[int] = []
"""What the keeper's children get; empty where the kernel has no such value."""

_worker: list[int] = []


def protect_keeper() -> None:
    """Make this process less likely to be killed than its workers, as far as that is allowed."""
    score = _read()
    if score is None:
        return
    before = 0 if score == KEEPER_SCORE else score
    is_lower = _write(KEEPER_SCORE)
    _inherited.append(before)
    _worker.append(before if is_lower else min(before + WORKER_MORE, SCORE_MAX))


def set_child_score(*, is_worker: bool) -> None:
    """Set the value of this forked child of the keeper."""
    for score in _worker if is_worker else _inherited:
        _write(score)


def _read() -> int | None:
    with suppress(OSError, ValueError), open(_PATH, "rb", buffering=0) as file:
        return int(file.read(16) or b"")
    return None


def _write(score: int) -> bool:
    with suppress(OSError), open(_PATH, "wb", buffering=0) as file:
        file.write(b"%d" % score)
        return True
    return False
