"""How long an unstable worker waits before it is started again."""

from monit_agent.supervise.spec import Policy

_DOUBLINGS_MAX = 60  # beyond any cap; keeps the power finite
_JITTER = 0.25


def delay_s(policy: Policy, unstable: int, jitter: float) -> float:
    """Give the seconds to wait after the ``unstable``-th unstable exit in a row (from 1).

    Doubles from `backoff_first_s` to `backoff_cap_s`, shortened by up to a quarter by
    ``jitter`` (0 … 1) so that instances that fell together do not rise together; never
    less than the first nor more than the cap.
    """
    doubled = policy.backoff_first_s * 2.0 ** min(max(unstable - 1, 0), _DOUBLINGS_MAX)
    full = min(doubled, policy.backoff_cap_s)
    first = min(policy.backoff_first_s, policy.backoff_cap_s)
    return max(first, full * (1.0 - _JITTER * jitter))
