"""Requests of programs over one source."""

from pathlib import Path

import pytest

from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.public.api_requests import ListInstances
from monit_agent.client.public.jobs import NOBODY
from monit_agent.client.public.session import Session


@pytest.mark.timeout(60)
def test_a_request_does_not_wait_for_news(tmp_path: Path) -> None:
    """What can be answered at once is, also where no message would ever come."""
    session = Session(LiveSource(str(tmp_path)))
    job = session.begin(ListInstances(), NOBODY)
    session.poll(1000.0)
    assert job.reply is not None
    assert job.reply.instances == ()
    session.close()
