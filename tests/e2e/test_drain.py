"""A reload waits for what the old workers have in hand, whatever server they are."""

from pathlib import Path

import pytest

import serving
from loading import Load
from running import free_port, monit, pids

KEPT = [kind for kind, each in serving.SERVERS.items() if each.keeps and not each.may_close]
DIE_AT_SIGTERM = ["http.server", "http.server 1.1", "flask", "tornado"]
FINISH_AT_SIGTERM = ["uvicorn asyncio", "gunicorn sync", "aiohttp"]


def started(home: Path, kind: str, instances: int = 2) -> int:
    """Start a server; give its port."""
    reason = serving.why_not(kind)
    if reason is not None:
        pytest.skip(reason)
    folder = home / "site"
    folder.mkdir()
    serving.write(kind, folder)
    port = free_port()
    monit("start", *serving.start_words(kind, folder, port, instances))
    return port


@pytest.mark.parametrize("kind", [*DIE_AT_SIGTERM, *FINISH_AT_SIGTERM])
def test_a_reload_waits_for_slow_requests(kind: str, home: Path) -> None:
    """Requests that take a second are answered by who began them, and then it goes."""
    port = started(home, kind)
    before = pids("web")
    with Load(port, clients=6, path="/slow") as load:
        load.more(6)
        monit("reload", "web")
        load.more(6)
    assert load.failures == []
    assert not pids("web") & before


@pytest.mark.parametrize("kind", KEPT)
def test_clients_that_think_find_no_closed_connection(kind: str, home: Path) -> None:
    """Connections that are kept, and idle when the worker goes, are told with one more answer."""
    port = started(home, kind)
    before = pids("web")
    with Load(port, clients=6, keep_alive=True, think_s=0.4) as load:
        load.more(12)
        monit("reload", "web")
        load.more(12)
    assert load.failures == []
    assert load.closed == 0
    assert not pids("web") & before
