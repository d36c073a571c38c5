"""The part of an event loop that belongs to one agent: it ends alone, and logs to its own file."""

import asyncio
import socket
from contextvars import copy_context
from pathlib import Path

from monit_agent.agent.agent_loop import AgentLoop
from monit_agent.agent.event_loop import RepeatedCall, make_event_loop
from monit_agent.agent.journal import Journal, use_journal
from support.agent_loop import turn_until


def test_what_an_agent_has_scheduled_ends_with_it() -> None:
    """Timers, readers and tasks of one agent end; those of another and of the process continue."""
    shared = make_event_loop()
    one, two = AgentLoop(shared), AgentLoop(shared)
    calls: dict[str, int] = {"one": 0, "two": 0, "read": 0, "late": 0}
    reader, writer = socket.socketpair()

    def count(name: str) -> None:
        calls[name] += 1

    async def wait() -> None:
        await asyncio.sleep(1000)

    RepeatedCall(one, 0.01, lambda: count("one"))
    RepeatedCall(two, 0.01, lambda: count("two"))
    one.add_reader(reader, count, "read")
    task, other = one.create_task(wait()), two.create_task(wait())

    turn_until(shared, lambda: min(calls["one"], calls["two"]) > 0)
    shared.run_until_complete(one.cancel_tasks(10.0))
    one.close()
    calls["one"] = calls["two"] = 0
    writer.send(b"x")
    one.call_soon(count, "late")
    turn_until(shared, lambda: calls["two"] > 2)
    assert (calls["one"], calls["read"], calls["late"]) == (0, 0, 0)
    assert (task.cancelled(), other.done()) == (True, False)
    shared.run_until_complete(two.cancel_tasks(10.0))
    two.close()
    shared.close()
    reader.close()
    writer.close()


def test_each_error_is_in_the_log_of_its_agent(tmp_path: Path) -> None:
    """Callbacks and tasks that raise end nothing, and are written down where they belong."""
    shared = make_event_loop()

    def fail(name: str) -> None:
        raise ValueError(f"call of {name}")

    async def fail_later(name: str) -> None:
        await asyncio.sleep(0)
        raise ValueError(f"task of {name}")

    def run_agent(name: str) -> None:
        use_journal(Journal(str(tmp_path / f"{name}.log")))
        loop = AgentLoop(shared)
        loop.call_later(0.01, loop.call_soon, fail, name)
        loop.create_task(fail_later(name))

    for name in ("one", "two"):
        copy_context().run(run_agent, name)

    for name, other in (("one", "two"), ("two", "one")):
        file = tmp_path / f"{name}.log"
        turn_until(shared, lambda f=file: f.exists() and "ValueError: call" in f.read_text())
        text = file.read_text()
        assert f"ValueError: task of {name}" in text
        assert f"of {other}" not in text
    shared.close()
