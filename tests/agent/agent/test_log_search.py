"""Searching logs through an agent: bounded, resumable, and never in the way of anything else."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from monit_agent.wire import timeindex
from monit_agent.wire.messages import LogSearch, Refused, SearchPart
from support.agent import Client, scripted_app
from support.processes import words_of
from support.waiting import wait_until


def _write(home: Path, data: bytes, records: tuple[tuple[int, int], ...] = ((0, 1),)) -> None:
    folder = home / "apps" / "web" / "logs"
    (folder / "0.out.log").write_bytes(data)
    index = b"".join(timeindex.pack_record(*record) for record in records)
    (folder / "0.out.idx").write_bytes(timeindex.pack_header(0) + index)


def _search(client: Client, pattern: str, **options: object) -> SearchPart:
    answer = client.request(LogSearch(instance=0, stream="out", pattern=pattern, **options))  # type: ignore[arg-type]
    assert isinstance(answer, SearchPart), answer
    return answer


def _searchers(client: Client) -> list[psutil.Process]:
    agent = psutil.Process(client.snapshot().agent_pid)
    return [each for each in agent.children() if "search_main.py" in " ".join(words_of(each))]


def test_a_search_goes_back_and_is_resumed_by_address(home: Path) -> None:
    """The newest matches come first; the position of an answer continues before them."""
    with scripted_app(home) as (_keeper, client):
        _write(home, b"".join(b"request %d\n" % number for number in range(10)))
        first = _search(client, "request [1-5]", limit=2)
        assert [line.data for line in first.lines] == [b"request 4", b"request 5"]
        assert not first.done
        rest = _search(client, "request [1-5]", position=first.position)
        assert [line.data for line in rest.lines] == [b"request 1", b"request 2", b"request 3"]
        assert rest.done
        assert first.matches + rest.matches == 5


def test_times_bound_a_search(home: Path) -> None:
    """Only what was printed within the times is searched, by the index alone."""
    with scripted_app(home) as (_keeper, client):
        _write(home, b"one\ntwo\ntri\n", ((0, 10**9), (4, 2 * 10**9), (8, 3 * 10**9)))
        found = _search(client, "", since=2.0, until=3.0)
        assert [(line.data, line.at_ns) for line in found.lines] == [(b"two", 2 * 10**9)]
        assert found.scanned == 4


def test_an_agent_answers_while_a_bad_expression_is_searched_for(home: Path) -> None:
    """`(a+)+$` would take years: meanwhile other requests are answered, and then it says for how
    many lines it gave up and finds the others."""
    with scripted_app(home) as (_keeper, client):
        _write(home, b"fine aaa\n" + (b"a" * 5000 + b"!\n") * 4 + b"last aaa\n")
        evil = LogSearch(instance=0, stream="out", pattern="(a+)+$")
        evil_id = b"evil"
        client.ctl.send_multipart([evil_id, _encoded(evil)])
        client.snapshot()  # answered before the search, whose first answer is still to come
        answer = client.answer(evil_id)
        assert isinstance(answer, SearchPart)
        assert [line.data for line in answer.lines] == [b"last aaa"]
        unclear = answer.unclear
        while not answer.done:
            answer = _search(client, "(a+)+$", position=answer.position)
            unclear += answer.unclear
        assert unclear == 4
        assert [line.data for line in answer.lines] == [b"fine aaa"]


def _encoded(request: LogSearch) -> bytes:
    from monit_agent.wire import codec

    return codec.encode(request)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pattern": "(a"}, "not a regular expression"),
        ({"pattern": "a" * 5000}, "more than 4096"),
        ({"limit": 5000}, "at most 1000"),
        ({"before": 101}, "at most 100"),
        ({"since": float("inf")}, "no time"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    home: Path, options: dict[str, object], says: str
) -> None:
    """A refusal says what is wrong and changes nothing for the next search."""
    with scripted_app(home) as (_keeper, client):
        _write(home, b"abc\n")
        answer = client.request(LogSearch(instance=0, stream="out", **options))  # type: ignore[arg-type]
        assert isinstance(answer, Refused)
        assert says in answer.message
        assert _search(client, "abc").matches == 1


def test_too_many_searches_at_once_are_refused(home: Path) -> None:
    """What waits is bounded; each request has an answer."""
    with scripted_app(home) as (_keeper, client):
        _write(home, (b"a" * 5000 + b"!\n") * 3)
        request = _encoded(LogSearch(instance=0, stream="out", pattern="(a+)+$"))
        for number in range(40):
            client.ctl.send_multipart([b"many%d" % number, request])
        answer = client.answer(b"many39")  # answered at once, before those that wait
        assert isinstance(answer, Refused)
        assert "searches wait" in answer.message


def test_a_killed_search_process_is_replaced(home: Path) -> None:
    """Whoever waits for it gets an answer, and the next search works."""
    with scripted_app(home) as (_keeper, client):
        _write(home, (b"a" * 5000 + b"!\n") * 3)
        client.ctl.send_multipart(
            [b"evil", _encoded(LogSearch(instance=0, stream="out", pattern="(a+)+$"))]
        )
        (searcher,) = wait_until(lambda: _searchers(client), what="the search process")
        os.kill(searcher.pid, signal.SIGKILL)
        assert isinstance(client.answer(b"evil"), Refused)
        assert _search(client, "aaa").matches == 3


def test_the_search_process_ends_with_its_agent(home: Path) -> None:
    """A killed agent leaves nothing behind."""
    with scripted_app(home) as (_keeper, client):
        _write(home, b"abc\n")
        _search(client, "abc")
        (searcher,) = _searchers(client)
        os.kill(client.snapshot().agent_pid, signal.SIGKILL)
        wait_until(lambda: not searcher.is_running(), what="the search process is gone")
