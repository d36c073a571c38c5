"""What systemd, or whatever else started this process, is told (sd_notify) and tells."""

import os
import time

from monit_agent.system.sockets import socket

OF_THIS_SERVICE = (
    "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS",
    "LISTEN_FDNAMES", "MAINPID", "MANAGERPID", "MANAGERPIDFDID", "SYSTEMD_EXEC_PID",
    "INVOCATION_ID", "JOURNAL_STREAM", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE",
    "FDSTORE", "EXIT_CODE", "EXIT_STATUS", "SERVICE_RESULT", "MONITOR_INVOCATION_ID",
)  # fmt: skip
"""Variables about this process. A worker that had them would announce itself as the service."""

ERROR, WARNING, INFO = 3, 4, 6
"""Levels of the journal."""


class ServiceManager:
    """Takes its variables out of the environment, so that no process started from here has them."""

    def __init__(self) -> None:
        environ = os.environ
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._in_journal = "JOURNAL_STREAM" in environ
        self._status = ""
        self._problems: dict[str, str] = {}
        own = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        every_us = environ.get("WATCHDOG_USEC", "") if own else ""
        self.watchdog_s = int(every_us) / 2e6 if every_us.isdecimal() else None
        """How often `alive` must be called; None where nobody waits for it."""
        self.variables = {name: environ[name] for name in OF_THIS_SERVICE if name in environ}
        """What was taken out, for another version of this program."""
        for name in self.variables:
            del environ[name]

    def ready(self) -> None:
        """Report that all apps were started."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Report the state in words: ``systemctl status`` shows it."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """Report that the apps are being stopped."""
        self._send("STOPPING=1")

    def need_time(self, seconds: float) -> None:
        """Ask for so much more time: the kill timeouts of apps may be longer than the unit's."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def alive(self) -> None:
        """Answer the watchdog."""
        self._send("WATCHDOG=1")

    def log(self, level: int, text: str) -> None:
        """Write a line to standard error, which is the journal or a terminal."""
        start = (
            f"<{level}>" if self._in_journal else time.strftime("%Y-%m-%d %H:%M:%S monit boot: ")
        )
        try:
            os.write(2, f"{start}{text}\n".encode("utf-8", "replace"))
        except OSError:
            return  # there is nowhere to report it

    def log_problem(self, what: str, problem: str | None) -> None:
        """Log a problem of ``what`` when it is new, and its end."""
        if problem is None:
            if self._problems.pop(what, None):
                self.log(INFO, f"{what}: works again")
        elif self._problems.get(what) != problem:
            self._problems[what] = problem
            self.log(ERROR, f"{what}: {problem}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sender.setblocking(False)
            sender.sendto(text.encode("utf-8", "replace"), address)
        except OSError as error:
            self.log(WARNING, f"cannot notify {self._address}: {error.strerror}")
        finally:
            sender.close()
