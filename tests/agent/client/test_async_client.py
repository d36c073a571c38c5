"""`AsyncMonit`: no request waits for ever, whatever ends the thread of the client."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monit_agent.client.api import AsyncMonit, Instance, RequestFailedError
from monit_agent.client.public.async_client import ClientThread
from monit_agent.client.public.session import Session
from monit_agent.client.public.sync_client import place_of

ROUNDS = 30
"""Of a race that was lost in two of three."""

DEADLINE_S = 60

pytestmark = pytest.mark.usefixtures("home")


def test_a_request_that_was_not_begun_is_answered_by_close() -> None:
    """Closing the client answers what its thread had not seen so far."""

    async def ask_and_close() -> BaseException | tuple[Instance, ...]:
        client = await AsyncMonit().__aenter__()
        request = asyncio.create_task(client.list())
        await asyncio.sleep(0)
        await client.close()
        async with asyncio.timeout(DEADLINE_S):
            (answer,) = await asyncio.gather(request, return_exceptions=True)
        return answer

    for _ in range(ROUNDS):
        answer = asyncio.run(ask_and_close())
        assert answer == () or "the client was closed" in str(answer)


def _fail(_: Session) -> None:
    """Do what no argument makes the thread do: fail in a way that nothing expects."""
    raise RuntimeError("no luck")


def test_an_error_of_the_thread_answers_every_request(caplog: pytest.LogCaptureFixture) -> None:
    """What is in progress and each later request get the reason; it is logged once."""

    async def until_it_ends(changes: AsyncIterator[object]) -> None:
        async for _ in changes:
            listed.set()

    async def story() -> None:
        async with asyncio.timeout(DEADLINE_S), AsyncMonit() as client:
            watching = asyncio.create_task(until_it_ends(client.watch()))
            await listed.wait()
            client._open_thread().call(_fail)
            for wait in (watching, client.list(), client.list()):
                with pytest.raises(RequestFailedError, match="the client has ended") as raised:
                    await wait
                assert raised.value.kind == "failed"
                assert raised.value.__cause__ is not None

    listed = asyncio.Event()
    asyncio.run(story())
    assert [each.message for each in caplog.records] == ["the thread of the client has ended"]


def test_a_closed_client_writes_to_no_descriptor(home: Path) -> None:
    """The number of its descriptor may belong to another file by then."""
    thread = ClientThread(place_of(home, ()))
    thread.close()
    later = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(32)]
    try:
        thread.call(lambda _: None)
        for descriptor in later:
            with pytest.raises(BlockingIOError):
                os.eventfd_read(descriptor)
    finally:
        for descriptor in later:
            os.close(descriptor)


def test_a_loop_that_was_closed_meanwhile_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A client that another loop had opened and left goes on for the next loop."""
    client = AsyncMonit()

    async def leave() -> None:
        await client.__aenter__()
        changes = client.watch()
        await anext(changes)
        left.append(changes)

    left: list[AsyncIterator[object]] = []
    asyncio.run(leave())

    async def come_back() -> None:
        async with asyncio.timeout(DEADLINE_S):
            assert await client.list() == ()
            await client.close()

    asyncio.run(come_back())
    assert not caplog.records
