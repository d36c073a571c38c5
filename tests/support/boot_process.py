"""A real `monit boot`, started as systemd starts it: with a socket that it notifies."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support.command_line import MONIT
from support.waiting import wait_until

OF_THE_UNIT = {
    "WATCHDOG_USEC": "2000000", "LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "web",
    "INVOCATION_ID": "abc", "SYSTEMD_EXEC_PID": "1",
}  # fmt: skip
"""What systemd may say to the main process of a unit, besides NOTIFY_SOCKET."""


class BootProcess:
    """The process, and what it reported to its service manager."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        address = folder / "notify.sock"
        address.unlink(missing_ok=True)
        self._socket.bind(str(address))
        self._reported: list[str] = []
        self.process = subprocess.Popen(
            [*MONIT, "boot"],
            env={**os.environ, **OF_THE_UNIT, "NOTIFY_SOCKET": str(address)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def reported(self) -> list[str]:
        """Return all that it has reported so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._reported.append(self._socket.recv(4096).decode())
        return self._reported

    def wait_for(self, text: str) -> None:
        """Wait until it reports ``text``."""
        wait_until(lambda: text in self.reported(), what=f"it reports {text}", deadline_s=60)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit code and what it printed."""
        self.process.send_signal(number)
        return self.printed()

    def printed(self) -> tuple[int, str]:
        """Wait until it exits; return the exit code and what it printed."""
        text = self.process.communicate(timeout=90)[1]
        return self.process.returncode, text

    def close(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.end(signal.SIGKILL)
        self._socket.close()


@contextlib.contextmanager
def running_boot(folder: Path) -> Iterator[BootProcess]:
    """Yield a `monit boot` that has reported that it is ready."""
    boot = BootProcess(folder)
    try:
        boot.wait_for("READY=1")
        yield boot
    finally:
        boot.close()
