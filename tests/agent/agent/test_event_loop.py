"""The agent's event loop: repeated calls that do not drift, and callbacks that cannot end it."""

import asyncio
import socket

import pytest

from monit_agent.agent.event_loop import LineProtocol, RepeatedCall, make_event_loop, next_due


def test_repeated_calls_do_not_drift() -> None:
    """Their times stay multiples of the period, however late one is called."""
    assert next_due(10.0, 1.0, now=10.3) == 11.0
    assert next_due(11.0, 1.0, now=14.7) == 15.0, "12, 13 and 14 were slept over, and are skipped"


def test_calls_of_one_period_come_together() -> None:
    """Two agents of a process begin at different times, and the process wakes once for both."""
    loop, turns, turn = make_event_loop(), [], set()

    def called(name: str) -> None:
        if not turn:
            loop.call_soon(end_turn)
        turn.add(name)

    def end_turn() -> None:
        turns.append({*turn})
        turn.clear()
        if len(turns[-1]) == 2 or len(turns) == 50:
            loop.stop()

    RepeatedCall(loop, 0.1, lambda: called("one"))
    loop.call_later(0.03, lambda: RepeatedCall(loop, 0.1, lambda: called("two")))
    loop.run_forever()
    loop.close()

    assert turns[-1] == {"one", "two"}


def test_a_failing_callback_is_logged_and_the_loop_keeps_running(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """An error in one callback is logged on standard error and disturbs no other, nor the next
    call of the same."""
    loop, beats, failures = make_event_loop(), [], []

    def fail() -> None:
        failures.append(1)
        raise ZeroDivisionError

    def beat() -> None:
        beats.append(1)
        if len(beats) == 3:
            loop.stop()

    RepeatedCall(loop, 0.01, fail)
    RepeatedCall(loop, 0.01, beat)
    loop.run_forever()
    loop.close()

    assert len(beats) == 3
    assert len(failures) >= 2
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_cancelled_call_is_not_repeated() -> None:
    """Also when it cancels itself."""
    loop, calls = make_event_loop(), []

    def call() -> None:
        calls.append(1)
        repeated.cancel()
        loop.call_later(0.05, loop.stop)

    repeated = RepeatedCall(loop, 0.01, call)
    loop.run_forever()
    loop.close()

    assert calls == [1]


class _Lines(LineProtocol):
    def __init__(self, lost: "asyncio.Future[None]") -> None:
        super().__init__(longest=100)
        self.lines: list[bytes] = []
        self._lost = lost

    def line_received(self, line: bytes) -> None:
        if line == b"bad":
            raise ZeroDivisionError
        self.lines.append(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set_result(None)


def _lines_of(*parts: bytes) -> list[bytes]:
    """Send these parts through a connection; the lines that were received."""

    async def receive() -> list[bytes]:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        lost = loop.create_future()
        _, lines = await loop.create_connection(lambda: _Lines(lost), sock=ours)
        theirs.setblocking(False)
        with theirs:
            for part in parts:
                await loop.sock_sendall(theirs, part)
        await asyncio.wait_for(lost, 10)
        return lines.lines

    return asyncio.run(receive())


def test_lines_are_put_together(capfd: pytest.CaptureFixture[str]) -> None:
    """However they were cut; one that raises is logged and the next one handled."""
    assert _lines_of(b"on", b"e\ntwo\n\nthr", b"ee\n", b"rest") == [b"one", b"two", b"", b"three"]
    assert _lines_of(b"bad\ngood\n") == [b"good"]
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_line_without_end_closes_the_connection() -> None:
    """No more than the longest line is kept."""
    assert _lines_of(b"one\n", b"x" * 101) == [b"one"]
