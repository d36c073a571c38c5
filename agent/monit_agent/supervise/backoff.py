"""How long a slot waits after a failed start."""

from monit_agent.supervise.spec import RestartPolicy

_DOUBLINGS_MAX = 60  # beyond any cap; keeps the power finite
_JITTER = 0.25


def backoff_s(policy: RestartPolicy, failed_starts: int, jitter: float) -> float:
    """Return the seconds to wait after the ``failed_starts``-th failed start in a row (from 1).

    Doubles from `backoff_first_s` to `backoff_cap_s`, shortened by up to a quarter by ``jitter``
    (0 … 1) so that instances that failed together do not start together. Never less than the
    first nor more than the cap.
    """
    doubled = policy.backoff_first_s * 2.0 ** min(max(failed_starts - 1, 0), _DOUBLINGS_MAX)
    full = min(doubled, policy.backoff_cap_s)
    first = min(policy.backoff_first_s, policy.backoff_cap_s)
    return max(first, full * (1.0 - _JITTER * jitter))
