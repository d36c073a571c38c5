"""``kill -9`` of the agent costs the app nothing."""

import os
import re
import signal
from pathlib import Path

from monit_agent.wire.messages import Flush, LogPart, LogRange, LogTail
from support.agent import RunningApp, running_app
from support.waiting import wait_until

COUNTING = """
import sys
for number in range({lines}):
    print(number)
print("done")
import time
time.sleep(3600)
"""


def _kill_agent(app: RunningApp) -> int:
    """Kill the agent; return the pid of the next when it answers."""
    old = app.client.snapshot().agent_pid
    os.kill(old, signal.SIGKILL)

    def another() -> int | None:
        snapshot = app.client.try_snapshot()
        # the connection may still carry an answer of the dead one
        return snapshot.agent_pid if snapshot and snapshot.agent_pid != old else None

    return wait_until(another, what="another agent answers") or 0


def _all_of(app: RunningApp) -> bytes:
    """Return a stream from its beginning to its end, by ranges."""
    got = bytearray()
    while True:
        part = app.client.request(
            LogRange(instance=0, stream="out", start=len(got), max_bytes=10**6)
        )
        assert isinstance(part, LogPart), part
        assert part.offset == len(got)
        got += part.data
        if len(got) == part.end:
            return bytes(got)


def test_ten_kills_in_a_flood_lose_no_line_and_restart_nothing(home: Path) -> None:
    """The agent is killed ten times while a worker prints all it can: the same worker goes
    on, and every line is there, once, in order."""
    lines = 2_000_000
    with running_app(home, COUNTING.format(lines=lines)) as app:
        pids = app.pids()
        seen = {_kill_agent(app) for _ in range(10)}
        assert len(seen) == 10

        last = LogTail(instance=0, stream="out", lines=1)
        wait_until(
            lambda: app.client.request(last).data == b"done\n",
            deadline_s=60, what="the worker has printed all",
        )  # fmt: skip

        assert app.pids() == pids
        assert app.client.snapshot().instances[0].restarts == 0
        expected = b"".join(b"%d\n" % number for number in range(lines)) + b"done\n"
        assert _all_of(app) == expected


def test_an_agent_is_back_soon(home: Path) -> None:
    """Clients are served again shortly after the agent exited; history starts again, and the
    keeper reports what happened."""
    with running_app(home, "import time; time.sleep(3600)") as app:
        before = app.client.snapshot()
        pid = _kill_agent(app)

        after = app.client.snapshot()
        assert after.epoch > before.epoch
        assert after.agent_pid == pid
        assert [r.pid for r in after.instances] == [r.pid for r in before.instances]
        kinds = [event.kind for event in after.events]
        assert "agent_exited" in kinds


def test_offsets_continue_after_a_flush(home: Path) -> None:
    """Emptied logs read as empty, and what comes then has higher offsets than ever before."""
    code = "import sys\nprint('first')\nfor line in sys.stdin: pass\nimport time\n"
    code += "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('second'))\n"
    code += "print('ready')\nwhile True: signal.pause()"
    with running_app(home, code) as app:

        def tail() -> LogPart:
            part = app.client.request(LogTail(instance=0, stream="out", lines=10))
            assert isinstance(part, LogPart)
            return part

        wait_until(lambda: tail().data == b"first\nready\n", what="two lines")
        app.client.request(Flush())
        emptied = wait_until(lambda: (t := tail()).begin == 12 and t, what="emptied")
        assert (emptied.data, emptied.end) == (b"", 12)
        os.kill(app.pids()[0] or 0, signal.SIGUSR1)
        part = wait_until(lambda: (t := tail()).data.endswith(b"\n") and t, what="a new line")
        assert (part.offset, part.data) == (12, b"second\n")
        assert re.fullmatch(rb"second\n", Path(app.paths.log(0, "out")).read_bytes())
