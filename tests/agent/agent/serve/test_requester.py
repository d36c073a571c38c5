"""Who sent a request."""

import os

from monit_agent.agent.serve.requester import describe_requester, user_name
from support.counting import bytes_read


def test_a_user_is_looked_up_once() -> None:
    """A directory service may take seconds to answer, and the agent answers nobody meanwhile."""
    unknown = 2**31 - 7
    assert user_name(unknown) == str(unknown)
    lookup = bytes_read(lambda: user_name(unknown))
    assert abs(lookup - bytes_read(lambda: None)) < 16  # the digits of the counter
    assert describe_requester(os.getpid(), unknown).startswith(f"{unknown}:{os.getpid()}")
