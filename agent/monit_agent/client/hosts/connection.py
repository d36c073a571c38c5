"""The ssh process of one host: messages in and out, and in words why there is none."""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from monit_agent.client.hosts.names import Host
from monit_agent.client.text.sanitize import printable
from monit_agent.wire import bridge, codec

CONNECT_S = 10
"""How long ssh may take to connect."""

READ_BYTES = 256 * 1024
"""Read at once, so that one host does not keep the others waiting."""

ERROR_BYTES = 4096
"""Last bytes that are kept of what ssh says."""

LINE_CHARACTERS = 200
"""Most that is shown of a line of ssh's."""

END_S = 1.0
"""How long ssh may take to end."""

SSH_FAILED = 255
NOT_FOUND = (126, 127)

_OPTIONS = (
    "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}",
    "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=2",
    # a master that the user has is used; ours would take the user's sessions with it when it ends
    "-o", "ControlMaster=no",
    # what ~/.ssh/config has for a shell there: a command of its own, ports, the agent, the display
    "-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes",
    "-o", "ForwardAgent=no", "-o", "ForwardX11=no",
)  # fmt: skip


class Ended(Exception):  # noqa: N818  not always an error
    """The connection is over; the text says why, and what to do."""


class _Reply(NamedTuple):
    """What ssh says of a problem, and what we say."""

    said: str
    text: str


_REPLIES = (
    _Reply("Permission denied (", "ssh refused the login; try: ssh {0.ssh} true"),
    _Reply("Too many authentication failures", "ssh refused the login; try: ssh {0.ssh} true"),
    _Reply(
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is another one than before; run ssh {0.ssh}, which says what to do",
    ),
    # also the last line of a key that has changed
    _Reply("Host key verification failed", "its host key is not known yet; run once: ssh {0.ssh}"),
    _Reply("Could not resolve hostname", "ssh finds no host of this name; see ~/.ssh/config"),
)

_OF_JUMP_HOSTS = (
    "kex_exchange_identification", "Connection closed by UNKNOWN", "stdio forwarding failed",
)  # fmt: skip
"""How lines begin that say only that the ssh to a jump host has ended; why is in a line before."""


def ssh_command(host: Host, environ: Mapping[str, str]) -> list[str]:
    """Return the command that starts the bridge on a host. ``$MONIT_SSH`` is the ssh to use, with
    options of its own; everything else is in ssh's configuration."""
    own = shlex.split(environ.get("MONIT_SSH", "")) or ["ssh"]
    lines = ['PATH="$PATH:$HOME/.local/bin:/usr/local/bin"', "export PATH"]
    if host.home is not None:
        lines += [f"MONIT_HOME={shlex.quote(host.home)}", "export MONIT_HOME"]
    lines.append(f"exec {shlex.quote(host.path)} bridge")
    return [*own, *_OPTIONS, host.ssh, "--", "sh", "-c", shlex.quote("; ".join(lines))]


class HostConnection:
    """One try to reach a host. `Ended` is raised when it is over."""

    def __init__(self, host: Host, environ: Mapping[str, str]) -> None:
        self._host = host
        self._reader = bridge.BridgeReader(bridge.from_bridge)
        self._writer = bridge.BridgeWriter()
        self._before = bytearray()
        """What came before the bridge's first words."""
        self._is_bridge = False
        self._out = bytearray()
        self._said = b""
        """The end of what ssh and the bridge wrote to stderr."""
        self.received_bytes = 0
        command = ssh_command(host, environ)
        inp, self._to = os.pipe()
        self.fd, out = os.pipe()
        self._errors, err = os.pipe()
        try:
            # no Ctrl-C of ours, and no terminal to ask on
            self._process = subprocess.Popen(
                command, stdin=inp, stdout=out, stderr=err, start_new_session=True
            )
        except OSError as error:
            self._close_pipes()
            raise Ended(f"cannot run {command[0]}: {error.strerror}; install ssh") from error
        finally:
            for fd in (inp, out, err):
                os.close(fd)
        for fd in (self._to, self.fd, self._errors):
            os.set_blocking(fd, False)

    @property
    def is_up(self) -> bool:
        """Return whether the bridge has answered."""
        return self._is_bridge

    def send(self, messages: list[bridge.FromClient]) -> None:
        """Send messages; what the line does not take at once is sent by `flush`."""
        self._out += self._writer.batch(messages)
        self.flush()

    def flush(self) -> None:
        """Write what the line takes."""
        while self._out:
            try:
                written = os.write(self._to, self._out)
            except OSError:
                return  # full for now, or over: then reading says why
            del self._out[:written]

    def receive(self) -> Iterator[bridge.FromBridge]:
        """Yield the messages that have arrived; raise `Ended` when there will be none."""
        try:
            data = os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise Ended(self._why_ended())
        self.received_bytes += len(data)
        if not self._is_bridge:
            data = self._skip_noise(data)
        try:
            yield from self._reader.messages(data)
        except codec.BadMessageError as error:
            raise Ended(
                f"its bridge cannot be understood ({error}); is it the same version of monit?"
            ) from error

    def close(self) -> None:
        """End the connection; the bridge on the other side ends with it."""
        self._close_pipes()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _close_pipes(self) -> None:
        for fd in (self._to, self.fd, self._errors):
            os.close(fd)

    def _skip_noise(self, data: bytes) -> bytes:
        """Return what follows the bridge's first words."""
        self._before += data
        found = self._before.find(bridge.MAGIC)
        if found < 0:
            if len(self._before) > bridge.NOISE_BYTES:
                raise Ended(self._noise_text())
            return b""
        rest = bytes(self._before[found + len(bridge.MAGIC) :])
        del self._before[found:]
        self._is_bridge = True
        return rest

    # ------------------------------------------------------------ why it is over

    def _why_ended(self) -> str:
        """Return in words why the other side ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        said = self._read_errors()
        code = self._process.returncode
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        causes = [line for line in lines if not line.startswith(_OF_JUMP_HOSTS)] or lines
        last = printable(causes[-1][:LINE_CHARACTERS]) if causes else ""
        if code == SSH_FAILED:
            return self._why_ssh_failed(said, last)
        if code in NOT_FOUND:
            return (
                f"monit is not installed there for {self._host.ssh} (looked for {self._host.path} "
                "in PATH, ~/.local/bin and /usr/local/bin): install it, or set path in hosts.toml"
                f"{f' ({last})' if last else ''}"
            )
        if self._before and not self._is_bridge:
            return self._noise_text()
        reason = f": {last}" if last else ""
        return f"its bridge ended with exit code {code}{reason}"

    def _why_ssh_failed(self, said: str, last: str) -> str:
        """Return what ssh's exit code means, with the last line of what it ``said``."""
        if self._is_bridge:
            return f"the line was lost ({last})" if last else "the line was lost"
        for reply in _REPLIES:
            if reply.said in said:
                return reply.text.format(self._host)
        why = last or f"ssh does not say why; try: ssh {self._host.ssh} true"
        return f"not reachable ({why})"

    def _read_errors(self) -> str:
        while True:
            try:
                data = os.read(self._errors, ERROR_BYTES)
            except OSError:
                break
            if not data:
                break
            self._said = (self._said + data)[-ERROR_BYTES:]
        return self._said.decode("utf-8", "replace")

    def _noise_text(self) -> str:
        first = bytes(self._before[:200]).decode("utf-8", "replace").strip().splitlines()
        shown = printable(first[0][:40]) if first else ""
        return (
            f"its shell prints {shown!r} and starts no bridge; in ~/.bashrc, let it print "
            "only when it has a terminal"
        )
