"""`monit bridge`: what it sends to a client that reads slowly, or not at all."""

import os
import subprocess
from pathlib import Path

from monit_agent.wire import bridge
from support.command_line import MONIT, monit, script
from support.waiting import wait_until

FLOOD = """\
import os, random, sys
while True:
    sys.stdout.write(random.randbytes(40000).hex() + "\\n")
"""


class SlowClient:
    """A client of a real bridge that confirms only what it is told to."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [*MONIT, "bridge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.reader = bridge.BridgeReader(bridge.from_bridge)
        self.writer = bridge.BridgeWriter()
        assert self.process.stdin
        assert self.process.stdout
        self.inp, self.out = self.process.stdin, self.process.stdout
        os.set_blocking(self.out.fileno(), False)
        self.read_bytes = -len(bridge.MAGIC)
        self.messages: list[bridge.FromBridge] = []

    def send(self, *messages: bridge.FromClient) -> None:
        self.inp.write(self.writer.batch(list(messages)))
        self.inp.flush()

    def read(self) -> list[bridge.FromBridge]:
        """Read what is there; return all messages so far."""
        data = os.read(self.out.fileno(), 1 << 20) if self._is_ready() else b""
        if self.read_bytes < 0:
            self.read_bytes += len(bridge.MAGIC) if data else 0
            data = data.removeprefix(bridge.MAGIC)
        self.read_bytes += len(data)
        self.messages += self.reader.messages(data)
        return self.messages

    def _is_ready(self) -> bool:
        import select

        return bool(select.select([self.out], [], [], 0.02)[0])

    def has(self, kind: type[bridge.FromBridge]) -> list[bridge.FromBridge]:
        return [each for each in self.read() if isinstance(each, kind)]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_a_slow_line_loses_counted_bytes_and_costs_no_memory(home: Path, tmp_path: Path) -> None:
    """What a flooding app prints waits within bounds."""
    assert home.exists()
    monit("start", str(script(tmp_path, "flood.py", FLOOD)), "--name", "flood")
    client = SlowClient()
    try:
        wait_until(lambda: client.has(bridge.Listed), what="all apps are listed")
        client.send(bridge.Follow(instances=(("flood", 0),)))
        wait_until(
            lambda: client.read() and client.read_bytes + len(bridge.MAGIC) >= bridge.CREDIT_BYTES,
            what="the credit is used up",
            deadline_s=60,
        )
        client.messages.clear()
        for _ in range(10):
            client.read()
        assert client.read_bytes + len(bridge.MAGIC) == bridge.CREDIT_BYTES

        def dropped() -> int:
            client.send(bridge.Ping())
            client.send(bridge.Confirm(read_bytes=1000))
            pongs = [each for each in client.read() if isinstance(each, bridge.Pong)]
            return max((each.dropped_bytes for each in pongs), default=0)

        client.send(bridge.Confirm(read_bytes=client.read_bytes))
        assert wait_until(dropped, what="bytes were dropped", deadline_s=60)
        held = int((Path("/proc") / str(client.process.pid) / "statm").read_text().split()[1])
        assert held * os.sysconf("SC_PAGE_SIZE") < 200 << 20
    finally:
        client.close()


def test_it_ends_with_its_input(home: Path) -> None:
    """A client that is gone leaves nothing behind."""
    assert home.exists()
    client = SlowClient()
    wait_until(lambda: client.has(bridge.Listed), what="it serves")
    client.inp.close()
    assert client.process.wait(20) == 0
    client.out.close()


def test_it_says_what_it_cannot_read(home: Path) -> None:
    """Something else than a client is told so, and served no longer."""
    assert home.exists()
    done = subprocess.run([*MONIT, "bridge"], input=b"hello\n", capture_output=True, timeout=60)
    assert done.returncode == 1
    assert b"the client sent something else" in done.stderr
