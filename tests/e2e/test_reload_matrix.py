"""Every server that we know, reloaded under load, unchanged: no client loses a request.

`benchmarks/reload.py` does more of them, with more clients.
"""

from pathlib import Path

import pytest

import serving
from loading import Load
from running import free_port, is_listening, monit, pids, rows
from waiting import wait_until

CLIENTS = 4
INSTANCES = 2


@pytest.mark.parametrize("kind", serving.SERVERS)
def test_a_reload_loses_no_request(kind: str, home: Path) -> None:
    """Neither with a connection for each request nor with kept ones, which are closed after an
    answer that said so; on a starved machine one answer may have been made before it had to."""
    reason = serving.why_not(kind)
    if reason is not None:
        pytest.skip(reason)
    folder = home / "site"
    folder.mkdir()
    serving.write(kind, folder)
    port = free_port()
    options = ("--min-uptime", "300ms", "--kill-timeout", "5s")
    monit("start", *options, *serving.start_words(kind, folder, port, INSTANCES))
    wait_until(lambda: is_listening(port), what=f"{kind} listens", deadline_s=40)
    before = pids("web")
    with Load(port, CLIENTS) as fresh, Load(port, CLIENTS, keep_alive=True) as kept:
        for load in (fresh, kept):
            load.more(20)
        monit("reload", "web")
        for load in (fresh, kept):
            load.more(20)
    assert fresh.failures == []
    assert kept.failures == []
    assert kept.closed <= (CLIENTS * INSTANCES if serving.SERVERS[kind].may_close else 1)
    assert {each["status"] for each in rows("web")} == {"online"}
    assert not before & pids("web")
