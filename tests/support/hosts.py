"""Other machines for tests: homes on this one, behind a stand-in for ssh or a real sshd.

The stand-in does what ssh does with the command that it gets: a shell runs it. It is there for what
no sshd can be brought to do when a test wants it.
"""

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from support.command_line import MONIT, command, script
from support.ports import free_port
from support.processes import end_processes_of
from support.waiting import wait_until

SSH = """\
#!/bin/sh
# the last word before -- is the host, what follows is the command
while [ "$1" != -- ]; do host=$1; shift; done
shift
. "{folder}/$host.sh"
exec sh -c "$*"
"""


class OtherHosts:
    """Hosts by name, each with a home of its own; ``env`` lets a command reach them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.homes: dict[str, Path] = {}
        ssh = folder / "ssh"
        ssh.write_text(SSH.format(folder=folder))
        ssh.chmod(0o755)
        self.env = {"MONIT_SSH": str(ssh), "XDG_CONFIG_HOME": str(folder / "config")}
        self._bin = folder / "bin"
        self._bin.mkdir()
        (self._bin / "monit").write_text(f'#!/bin/sh\nexec {shlex.join(MONIT)} "$@"\n')
        (self._bin / "monit").chmod(0o755)

    def add(self, name: str, before: str = "") -> Path:
        """Add a host and return its home; ``before`` is shell that runs before the command."""
        home = self.homes.setdefault(name, Path(tempfile.mkdtemp(prefix="m")))
        lines = [f"export MONIT_HOME={home}", f"export PATH={self._bin}:$PATH", before]
        self.set(name, "\n".join(lines))
        return home

    def set(self, name: str, lines: str) -> None:
        """Let a host be reached as these lines of shell say."""
        draft = self.folder / f"{name}.draft"
        draft.write_text(lines + "\n")
        draft.replace(self.folder / f"{name}.sh")

    def start(self, name: str, app: str, *words: str, text: str | None = None) -> None:
        """Start an app on a host, as somebody who is logged in there."""
        path = script(self.homes[name], f"{app}.py", *([text] if text is not None else []))
        done = command("start", str(path), *words, env={"MONIT_HOME": str(self.homes[name])})
        assert done.returncode == 0, done.stderr

    def monit(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a command that may reach the hosts."""
        return command(*words, env={**self.env, **env})

    def rows(self, hosts: str) -> list[dict[str, Any]]:
        """Return the objects of ``list --json`` of these hosts."""
        return json.loads(self.monit("list", "--json", "--host", hosts).stdout)

    def bridges(self, name: str) -> list[psutil.Process]:
        """Return the bridges that run on a host."""
        return [
            each
            for each in psutil.process_iter()
            if _argument(each, -1) == "bridge" and _home_of(each) == str(self.homes[name])
        ]

    def close(self) -> None:
        """End everything on all hosts."""
        for home in self.homes.values():
            end_processes_of(str(home))
            shutil.rmtree(home, ignore_errors=True)


def _argument(process: psutil.Process, number: int) -> str:
    try:
        return process.cmdline()[number]
    except (psutil.Error, IndexError):
        return ""


def _home_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("MONIT_HOME", "")
    except psutil.Error:
        return ""


@contextlib.contextmanager
def real_sshd(
    folder: Path, homes: dict[str, Path], path: str, settings: str = ""
) -> Iterator[Path]:
    """Run an sshd on the loopback address; yield a configuration of ssh that reaches each home by
    its name, with ``path`` as ``$PATH`` there. ``settings`` are lines for sshd's own."""
    for name in ("host", "user"):
        key = str(folder / f"{name}_key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/user_key.pub\nStrictModes no\nPermitRootLogin yes\n"
        f"UsePAM no\nPasswordAuthentication no\nAcceptEnv MONIT_HOME\nSetEnv PATH={path}\n"
        f"{settings}"
    )
    sshd = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")
    assert sshd is not None
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # its unit would make it
    log = (folder / "sshd.log").open("wb")
    server = subprocess.Popen([sshd, "-D", "-e", "-f", str(config)], stderr=log)
    lines: list[str] = []
    for name, home in homes.items():
        lines += [
            f"Host {name}", "HostName 127.0.0.1", f"Port {port}",
            f"IdentityFile {folder}/user_key", "IdentitiesOnly yes", "StrictHostKeyChecking no",
            "UserKnownHostsFile /dev/null", "LogLevel ERROR", f"SetEnv MONIT_HOME={home}",
        ]  # fmt: skip
    ssh = folder / "ssh_config"
    ssh.write_text("\n".join(lines) + "\n")
    try:
        wait_until(lambda: _listens(port), what="sshd listens")
        yield ssh
    finally:
        for process in [*psutil.Process(server.pid).children(recursive=True), server]:
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                process.kill()
        server.wait()
        log.close()


def ssh_sessions(folder: Path) -> list[psutil.Process]:
    """Return the processes of the sessions of the sshd that `real_sshd` runs in ``folder``; what
    they started is not among them."""
    config = str(folder / "sshd_config")
    servers = [each for each in psutil.process_iter() if config in " ".join(_arguments(each))]
    below = [each for server in servers for each in server.children(recursive=True)]
    return [each for each in below if each.name().startswith("sshd")]


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
