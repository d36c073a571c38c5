"""An agent that is stopped, slow or out of descriptors harms only itself."""

import contextlib
import os
import resource
import signal
from pathlib import Path

import zmq

from monit_agent.wire.messages import LogPart, LogTail
from support.agent import running_app
from support.kept_log import log_end
from support.waiting import wait_until

FLOOD = """
import os
line = b"x" * 99 + b"\\n"
while True:
    os.write(1, line * 600)
"""


def test_a_stopped_agent_does_not_hold_up_the_worker(home: Path) -> None:
    """While the agent is stopped the worker prints at full speed; continued, the agent
    knows at once where the logs are now."""
    with running_app(home, FLOOD) as app:
        before = app.client.snapshot()
        os.kill(before.agent_pid, signal.SIGSTOP)
        end = log_end(app.paths)
        wait_until(lambda: log_end(app.paths) > end + 50_000_000, what="50 MB more")
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
        tail = app.client.request(LogTail(instance=0, stream="out", lines=1))
        assert isinstance(tail, LogPart)
        assert tail.end > end + 50_000_000


def test_running_out_of_descriptors_costs_the_app_nothing(home: Path) -> None:
    """An agent that has no descriptor left for a client turns it away, serves the others, and
    serves it too when there are descriptors again."""
    with running_app(home, "import time; time.sleep(3600)", instances=2) as app:
        before = app.client.snapshot()
        used = len(os.listdir(f"/proc/{before.agent_pid}/fd"))
        _, most = resource.prlimit(before.agent_pid, resource.RLIMIT_NOFILE)
        resource.prlimit(before.agent_pid, resource.RLIMIT_NOFILE, (used + 3, most))
        with contextlib.ExitStack() as stack:
            context = stack.enter_context(zmq.Context())
            for _ in range(20):
                socket = stack.enter_context(context.socket(zmq.DEALER))
                socket.linger = 0
                socket.connect(f"ipc://{app.paths.ctl}")
                socket.send_multipart([b"1", b""])

            for _ in range(3):
                assert app.client.snapshot().agent_pid == before.agent_pid
            resource.prlimit(before.agent_pid, resource.RLIMIT_NOFILE, (most, most))
            answer = socket.recv_multipart() if socket.poll(15_000) else None
            assert answer is not None
        after = app.client.snapshot()
        assert [r.pid for r in after.instances] == [r.pid for r in before.instances]
        assert [r.restarts for r in after.instances] == [0, 0]


def test_a_client_that_never_reads_does_not_hold_up_another(home: Path) -> None:
    """A subscriber that stopped reading in a flood loses messages; the others get everything
    in time, and the agent's memory stays bounded."""
    with running_app(home, FLOOD) as app:
        agent = app.client.snapshot().agent_pid
        with zmq.Context() as context, context.socket(zmq.SUB) as lazy:
            lazy.linger = 0
            lazy.setsockopt(zmq.RCVHWM, 1)
            lazy.subscribe(b"")
            lazy.connect(f"ipc://{app.paths.pub}")
            app.client.subscribe(b"log.web.0.out")
            count = 0
            for _ in app.client.messages():
                count += 1
                if count == 60:
                    break
            assert count == 60
        assert app.client.snapshot().agent_pid == agent
        status = Path(f"/proc/{agent}/status").read_text()
        resident_kb = int(status.split("VmRSS:")[1].split()[0])
        assert resident_kb < 150_000
