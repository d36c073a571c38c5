"""What a program passes to `Monit` and `AsyncMonit` is checked at the call, and ends no client."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from monit_agent.client.api import AsyncMonit, Monit, RequestFailedError

NAN = float("nan")

WRONG: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = {
    "a number to list": ("list", (7,), {}, TypeError, r"list: targets\[0\]: .*`str`.*`int`"),
    "a list to list": ("list", (["web"],), {}, TypeError, "`str`, got `array`"),
    "bytes to watch": ("watch", (b"web",), {}, TypeError, "watch: .*`bytes`"),
    "text to watch": ("watch", (), {"samples": "no"}, TypeError, "watch: samples: .*`bool`"),
    "text to logs": ("logs", (), {"lines": "3"}, TypeError, "logs: lines: .*`int`, got `str`"),
    "a negative number": ("logs", (), {"lines": -1}, ValueError, "logs: lines: .*>= 0"),
    "another stream": ("logs", (), {"stream": "both"}, ValueError, "logs: stream: .*'both'"),
    "no time": ("logs", (), {"since": NAN}, ValueError, "logs: since: "),
    "None": ("start", (None,), {}, TypeError, "start: .*`null`|start: .*None"),
    "no target to stop": ("stop", (), {}, ValueError, "stop: no target; .*all"),
    "no target to restart": ("restart", (), {}, ValueError, "restart: no target"),
    "none at once": ("reload", ("web",), {"parallel": 0}, ValueError, "reload: parallel: .*>= 1"),
    "no target to cancel": ("cancel_reload", (), {}, ValueError, "cancel_reload: no target"),
    "no instances": ("scale", ("web", 0), {}, ValueError, "scale: count: .*>= 1"),
    "a text to scale": ("scale", ("web", "2"), {}, TypeError, "scale: count: .*`int`, got `str`"),
    "a number to scale": ("scale", (1, 2), {}, TypeError, r"scale: targets\[0\]: .*`int`"),
    "a number as signal": ("signal", (15, "web"), {}, TypeError, "signal: signal: .*`int`"),
    "a target to reset": ("reset", (1.5,), {}, TypeError, "reset: .*`float`"),
    "no target to flush": ("flush", (), {}, ValueError, "flush: no target"),
    "no target to delete": ("delete", (), {}, ValueError, "delete: no target"),
    "no action": ("trigger", ("", "web"), {}, ValueError, "trigger: action: .*>= 1"),
    "one word as words": ("trigger", ("a", "web"), {"args": "b"}, TypeError, "trigger: args: "),
    "no patience": ("trigger", ("a", "web"), {"timeout_s": 0}, ValueError, "timeout_s: .*> 0"),
    "one kind": ("events", (), {"kinds": "exited"}, TypeError, "events: kinds: .*`str`"),
    "no events": ("events", (), {"limit": 0}, ValueError, "events: limit: .*>= 1"),
    "a step": ("history", (), {"step_s": 0.5}, TypeError, "history: step_s: .*`float`"),
    "one metric": ("history", ("web",), {"metrics": "fds"}, TypeError, "history: metrics: "),
    "all crashes": ("crashes", (), {"limit": 11}, ValueError, "crashes: limit: .*<= 10"),
}

PLACES: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "a number as home": ((7,), {}, "int"),
    "a name as hosts": ((), {"hosts": "web1"}, r"hosts=\['web1'\]"),
    "a number as host": ((), {"hosts": [1]}, "hosts: 1 is no name"),
    "a number as hosts": ((), {"hosts": 1}, "int"),
}


@pytest.mark.usefixtures("home")
def test_a_wrong_argument_is_an_error_at_the_call() -> None:
    """Also of what is a loop, before it begins; the client answers the next request."""
    with Monit() as client:
        for case, (method, words, options, kind, text) in WRONG.items():
            with pytest.raises(kind, match=text):
                getattr(client, method)(*words, **options)
            assert client.list() == (), case


@pytest.mark.usefixtures("home")
def test_a_wrong_argument_ends_no_thread() -> None:
    """The same with asyncio; another request that is in progress goes on too."""

    async def story() -> None:
        async with asyncio.timeout(100), AsyncMonit() as client:
            changes = client.watch()
            assert (await anext(changes)).type == "listed"
            waiting = asyncio.ensure_future(anext(changes))
            for case, (method, words, options, kind, text) in WRONG.items():
                call = getattr(client, method)
                with pytest.raises(kind, match=text):
                    await call(*words, **options)
                assert await client.list() == (), case
            assert not waiting.done()
            waiting.cancel()

    asyncio.run(story())


@pytest.mark.parametrize("client", [Monit, AsyncMonit])
@pytest.mark.parametrize("case", PLACES)
def test_a_wrong_place_is_an_error(case: str, client: type[Monit | AsyncMonit]) -> None:
    """A name is not read as a list of letters."""
    words, options, text = PLACES[case]
    with pytest.raises(TypeError, match=text):
        client(*words, **options)


@pytest.mark.usefixtures("home")
def test_a_closed_client_says_so() -> None:
    """It knows no app any more, which is no answer to a request."""
    client = Monit()
    client.close()
    for request in (client.list, lambda: next(client.watch()), lambda: client.stop("all")):
        with pytest.raises(RequestFailedError, match="the client was closed"):
            request()
    client.close()


def test_a_home_may_be_a_path(home: Path) -> None:
    """As everywhere in Python."""
    with Monit(home) as client:
        assert client.list() == ()
