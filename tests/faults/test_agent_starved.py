"""An agent that is stopped, slow or out of descriptors harms nobody but itself."""

import contextlib
import os
import resource
import signal
from pathlib import Path

import zmq

from monit_agent.wire.messages import LogPart, LogTail
from observing import running_app
from waiting import wait_until

FLOOD = """
import os
line = b"x" * 99 + b"\\n"
while True:
    os.write(1, line * 600)
"""


def test_a_stopped_agent_does_not_hold_up_the_worker(home: Path) -> None:
    """While the agent is stopped the worker goes on printing at full speed; continued, the agent
    knows at once where the logs are now."""
    with running_app(home, FLOOD) as app:
        before = app.client.snapshot()
        log = Path(app.places.log(0, "out"))
        os.kill(before.agent_pid, signal.SIGSTOP)
        size = log.stat().st_size
        wait_until(lambda: log.stat().st_size > size + 50_000_000, what="50 MB more")
        os.kill(before.agent_pid, signal.SIGCONT)

        after = wait_until(app.client.try_snapshot, what="a snapshot")
        assert [r.pid for r in after.instances] == [r.pid for r in before.instances]
        ends = {(end.instance, end.stream): end.end for end in after.logs}
        wait_until(
            lambda: (
                (s := app.client.try_snapshot())
                and s.keeper_alive
                and any(end.end > ends[0, "out"] for end in s.logs)
            ),
            what="it follows the log again",
        )
        tail = app.client.ask(LogTail(instance=0, stream="out", lines=1))
        assert isinstance(tail, LogPart)
        assert tail.end > size + 50_000_000


def test_running_out_of_descriptors_costs_the_app_nothing(home: Path) -> None:
    """Libzmq aborts a process that has no descriptor left for a client: the keeper brings
    another agent, and the workers do not notice."""
    with running_app(home, "import time; time.sleep(3600)", instances=2) as app:
        before = app.client.snapshot()
        used = len(os.listdir(f"/proc/{before.agent_pid}/fd"))
        resource.prlimit(before.agent_pid, resource.RLIMIT_NOFILE, (used + 3, used + 3))
        with contextlib.ExitStack() as stack:
            context = stack.enter_context(zmq.Context())
            for _ in range(20):
                socket = stack.enter_context(context.socket(zmq.DEALER))
                socket.linger = 0
                socket.connect(f"ipc://{app.places.ctl}")
                socket.send_multipart([b"1", b""])

            def another() -> bool:
                snapshot = app.client.try_snapshot()
                return bool(snapshot and snapshot.agent_pid != before.agent_pid)

            wait_until(another, what="another agent")
        after = app.client.snapshot()
        assert [r.pid for r in after.instances] == [r.pid for r in before.instances]
        assert [r.restarts for r in after.instances] == [0, 0]


def test_a_client_that_never_reads_does_not_hold_up_another(home: Path) -> None:
    """A subscriber that stopped reading in a flood loses messages; the others hear everything
    in time, and the agent's memory stays bounded."""
    with running_app(home, FLOOD) as app:
        agent = app.client.snapshot().agent_pid
        with zmq.Context() as context, context.socket(zmq.SUB) as lazy:
            lazy.linger = 0
            lazy.setsockopt(zmq.RCVHWM, 1)
            lazy.subscribe(b"")
            lazy.connect(f"ipc://{app.places.pub}")
            app.client.subscribe(b"log.web.0.out")
            count = 0
            for _ in app.client.heard():
                count += 1
                if count == 60:
                    break
            assert count == 60
        assert app.client.snapshot().agent_pid == agent
        status = Path(f"/proc/{agent}/status").read_text()
        resident_kb = int(status.split("VmRSS:")[1].split()[0])
        assert resident_kb < 150_000
