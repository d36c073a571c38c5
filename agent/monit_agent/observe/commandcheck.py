"""One check by a command: started and watched by the agent's loop, never waited for.

It runs in the app's folder with the environment of the worker that it is about, as far as the
kernel shows it, so that ``PORT``, ``MONIT_INSTANCE``, ``MONIT_PID`` and the app's own variables are
there. Its output is read and thrown away but for its end: the last line says why it failed.
"""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping

from monit_agent.observe.loop import Loop

Done = Callable[[bool, str], None]

KEPT_BYTES = 4096
"""Of the output, from its end."""

LINE_CHARACTERS = 200

_NOT_FOR_IT = (
    "MONIT_SHARE", "MONIT_PROBE_SOCK", "MONIT_PROBE_NODE_SOCK", "MONIT_PROBE_ASK", "NOTIFY_SOCKET",
    "NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID",
    "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
)  # fmt: skip
"""What only the worker itself can use: descriptors, and sockets at which it would be a stranger."""


class CommandCheck:
    """Runs ``command`` and calls ``done(ok, text)`` once, unless it is cancelled before.
    ``files`` is the limit of descriptors that it is given."""

    def __init__(
        self,
        loop: Loop,
        command: tuple[str, ...],
        cwd: str,
        env: Mapping[str, str],
        done: Done,
        *,
        files: tuple[int, int],
    ) -> None:
        self._loop = loop
        self._done: Done | None = done
        self._tail = b""
        self._pidfd = -1
        self._output = -1
        self._process: subprocess.Popen[bytes] | None = None
        try:
            process = self._process = _start(command, cwd, env, files)
            self._pidfd = os.pidfd_open(process.pid)
        except OSError as error:
            self._bury()
            self._tell(False, f"cannot run {command[0]}: {error.strerror}")
            return
        self._output = process.stdout.fileno() if process.stdout else -1
        os.set_blocking(self._output, False)
        loop.watch(self._output, self._read)
        loop.watch(self._pidfd, self._ended)

    @property
    def gone(self) -> bool:
        """Whether its process has ended: one that is deep in the kernel dies late."""
        return self._process is None

    def cancel(self) -> None:
        """Kill it with all that it has started; ``done`` is not called any more."""
        self._done = None
        self._forget_output()
        self._kill()

    def _read(self, _events: int) -> None:
        try:
            part = os.read(self._output, 65536)
        except BlockingIOError:
            return
        self._tail = (self._tail + part)[-KEPT_BYTES:]
        if not part:
            self._forget_output()

    def _ended(self, _events: int) -> None:
        if self._output >= 0:
            self._read(0)
        code = self._bury()
        self._tell(code == 0, _said(code, self._tail))

    def _bury(self) -> int:
        """Leave nothing of it behind; give its exit code."""
        self._forget_output()
        self._kill()
        if self._pidfd >= 0:
            self._loop.unwatch(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        process, self._process = self._process, None
        return -1 if process is None else process.wait()

    def _kill(self) -> None:
        if self._process is not None:
            # not reaped yet, so that the group is its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _forget_output(self) -> None:
        if self._output >= 0:
            self._loop.unwatch(self._output)
            self._output = -1
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def _tell(self, ok: bool, text: str) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(ok, text)


def environment(pid: int, instance: int, port: int | None) -> dict[str, str]:
    """Give the environment of a check of worker ``pid``."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            raw = file.read()
    except OSError:
        raw = b""
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if entry)
    env = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    env = env or dict(os.environ)  # a worker that changed its user shows nothing
    if port is not None:
        env.setdefault("PORT", str(port))
    env |= {"MONIT_PROBE": "0", "MONIT_INSTANCE": str(instance), "MONIT_PID": str(pid)}
    return {name: value for name, value in env.items() if name not in _NOT_FOR_IT}


def _start(
    command: tuple[str, ...], cwd: str, env: Mapping[str, str], files: tuple[int, int]
) -> subprocess.Popen[bytes]:
    raised = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, files)
    try:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, raised)


def _said(code: int, tail: bytes) -> str:
    how = f"exit code {code}"
    if code < 0:
        with contextlib.suppress(ValueError):
            how = f"killed by {signal.Signals(-code).name}"
    lines = [line.strip() for line in tail.decode("utf-8", "replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "")
    return f"{how}: {last[:LINE_CHARACTERS]}" if last else how
