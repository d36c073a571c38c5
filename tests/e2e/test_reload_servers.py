"""Every server that we know, reloaded under load, unchanged: no client loses a request.

`benchmarks/reload.py` does more of them, with more clients.
"""

from pathlib import Path

import pytest

from support import servers
from support.command_line import monit, pids, rows
from support.load import Load
from support.matrix import matrix
from support.ports import free_port, is_listening
from support.waiting import wait_until

CLIENTS = 4
INSTANCES = 2
QUICK = ("http.server 1.1", "uvicorn asyncio", "gunicorn gthread", "node", "inherited")
"""Threads, a loop, a master with workers, Node's protocol, and a socket that is inherited."""


@pytest.mark.parametrize("kind", matrix(servers.SERVERS, QUICK))
def test_a_reload_loses_no_request(kind: str, home: Path) -> None:
    """New connections, busy kept ones and idle kept ones: a worker that exits announces with an
    answer that it closes the connection; on a starved machine one answer may have been made
    before it had to."""
    server = servers.SERVERS[kind]
    port = started(home, kind)
    before = pids("web")
    announces = server.keeps and not server.may_close
    with (
        Load(port, CLIENTS) as fresh,
        Load(port, CLIENTS, keep_alive=True) as kept,
        Load(port, CLIENTS if announces else 0, keep_alive=True, think_s=0.4) as idle,
    ):
        loads = (fresh, kept, idle) if announces else (fresh, kept)
        for load in loads:
            load.more(CLIENTS * INSTANCES)
        monit("reload", "web")
        for load in loads:
            load.more(CLIENTS * INSTANCES)
    assert [load.failures for load in (fresh, kept, idle)] == [[], [], []]
    assert kept.closed <= (CLIENTS * INSTANCES if server.may_close else 1)
    assert idle.closed == 0
    assert {each["status"] for each in rows("web")} == {"online"}
    assert not before & pids("web")


DIE_AT_SIGTERM = ("http.server", "http.server 1.1", "flask", "tornado")
FINISH_AT_SIGTERM = ("uvicorn asyncio", "gunicorn sync", "aiohttp")


@pytest.mark.parametrize("kind", matrix(DIE_AT_SIGTERM + FINISH_AT_SIGTERM, ["http.server"]))
def test_a_reload_waits_for_slow_requests(kind: str, home: Path) -> None:
    """A request that takes a second is answered by the worker that began it, which exits then."""
    port = started(home, kind)
    before = pids("web")
    with Load(port, clients=6, path="/slow") as load:
        load.more(6)
        monit("reload", "web")
        load.more(6)
    assert load.failures == []
    assert not pids("web") & before


@pytest.mark.full
def test_a_reload_with_kill_mode_group_loses_no_request(home: Path) -> None:
    """The children of a server get the stop signal with it, and ignore it once."""
    port = started(home, "hypercorn", "--kill-mode", "group")
    with Load(port, CLIENTS) as load, Load(port, CLIENTS, path="/slow") as slow:
        load.more(CLIENTS * INSTANCES)
        monit("reload", "web")
        load.more(CLIENTS * INSTANCES)
        slow.more(CLIENTS)
    assert [load.failures, slow.failures] == [[], []]


def started(home: Path, kind: str, *more: str) -> int:
    """Start a server; return its port."""
    reason = servers.why_not(kind)
    if reason is not None:
        pytest.skip(reason)
    folder = home / "site"
    folder.mkdir()
    servers.write(kind, folder)
    port = free_port()
    options = ("--min-uptime", "300ms", "--kill-timeout", "5s", *more)
    monit("start", *options, *servers.start_words(kind, folder, port, INSTANCES))
    wait_until(lambda: is_listening(port), what=f"{kind} listens", deadline_s=40)
    return port
