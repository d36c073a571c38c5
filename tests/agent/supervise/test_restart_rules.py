"""Within which time failed starts are counted."""

import pytest

from monit_agent.supervise.backoff import backoff_s
from monit_agent.supervise.restart_rules import restart_window_s
from monit_agent.supervise.spec import RestartPolicy


@pytest.mark.parametrize(
    "policy",
    [
        RestartPolicy(),
        RestartPolicy(backoff_first_s=60.0, backoff_cap_s=3600.0),
        RestartPolicy(backoff_first_s=3600.0, backoff_cap_s=3600.0, max_restarts=10_000),
        RestartPolicy(min_uptime_s=600.0, max_restarts=30),
        RestartPolicy(max_restarts=1),
    ],
)
def test_an_app_that_always_fails_is_given_up(policy: RestartPolicy) -> None:
    """However long it waits, all failed starts up to the last one count."""
    waits = sum(backoff_s(policy, count, 0.0) for count in range(1, policy.max_restarts))
    assert restart_window_s(policy) > waits + policy.max_restarts * policy.min_uptime_s
    assert restart_window_s(policy) >= policy.restart_window_s
