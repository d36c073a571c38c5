"""Workers of another user, which only root can start."""

import contextlib
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import monit_agent
from monit_agent.system.users import shared_folder
from monit_agent.wire.paths import app_paths
from support.command_line import command, keeper_pid, monit, printed, row, script
from support.load import Load
from support.ports import free_port
from support.waiting import wait_until

PYTHON = "/usr/bin/python3"
"""One that every user may run."""

pytestmark = [
    pytest.mark.usefixtures("home"),
    pytest.mark.skipif(
        os.getuid() != 0 or not Path(PYTHON).exists(), reason="only root can be another user"
    ),
]

SERVES = """\
import os, socket, grp
from http.server import BaseHTTPRequestHandler, HTTPServer
print("up as", os.getuid(), os.getgid(), sorted(os.getgroups()), flush=True)
print(*(os.environ.get(n) for n in ("HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR")), flush=True)
open("/dev/stderr", "w").write("to stderr\\n")
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args): pass
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

NODE = """\
console.log('up as', process.getuid(), process.getgid());
require('http').createServer((_, res) => res.end('hello')).listen(process.env.PORT);
"""


REQUESTS_NODE = """\
const net = require('net');
let left = 2;
const done = () => { if (!--left) net.createServer().listen(process.env.PORT, () => {
  console.log('serves', process.getuid()); }); };
const attempt = (where) => {
  const server = net.createServer();
  server.on('error', (error) => { console.log(String(where), error.code); done(); });
  server.listen(where, () => { console.log(String(where), 'done'); done(); });
};
attempt(Number(process.argv[2]));
attempt(process.argv[3]);
"""

REQUESTS_PYTHON = """\
import os, socket, sys, time
other = socket.socket()
other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    other.bind(("127.0.0.1", int(sys.argv[1])))
    print(sys.argv[1], "done")
except OSError as error:
    print(sys.argv[1], error.strerror)
time.sleep(1000)
"""


def low_ports(count: int) -> list[int]:
    """Return ports that only root may open and that are free."""
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    found: list[int] = []
    for port in range(first - 1, 0, -1):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    pytest.skip("every user may open every port")


AS_NOBODY = """\
import importlib.util, os, sys
sys.path.insert(0, sys.argv[1])
from monit_agent.system import users
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(users.run_as("nobody", ""))
try:
    users.run_as("root", "")
except users.BadUserError as error:
    print("refused", error, sep="\\n")
"""
SOURCES = str(Path(monit_agent.__file__).parent.parent)


@pytest.fixture(name="folder")
def _folder(home: Path) -> Iterator[Path]:
    """A folder that every user may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)
        command("delete", "all")
        sockets = shared_folder(app_paths(str(home), "web").folder)
        wait_until(lambda: not os.path.exists(sockets), what="the sockets are removed")


def config(folder: Path, settings: str, program: str = "app.py") -> None:
    (folder / "monit.toml").write_text(
        f'[apps.web]\nscript = "{program}"\nuser = "nobody"\n{settings}\n'
    )


def faults(folder: Path) -> str:
    done = command("config", "check", cwd=folder)
    assert done.returncode == 2
    return done.stderr


def described() -> dict[str, Any]:
    return json.loads(monit("describe", "web", "--json"))[0]


def test_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the user, the groups and the variables of a login, shares its port with the other
    instance, prints also by /dev/stderr, and its probe reports, also after a new keeper."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    script(folder, "app.py", SERVES)
    port = free_port()
    config(folder, f'instances = 2\nport = {port}\ninterpreter = "{PYTHON}"')
    monit("apply", cwd=folder)
    nobody = pwd.getpwnam("nobody")
    groups = sorted({*os.getgrouplist("nobody", nobody.pw_gid)})
    printed("web", f"up as {nobody.pw_uid} {nobody.pw_gid} {groups}")
    printed("web", f"{nobody.pw_dir} nobody nobody None")
    printed("web", "to stderr")
    wait_until(lambda: row("web")["heap_used_bytes"], what="its probe reports")
    assert row("web")["user"] == "nobody"
    assert row("web")["mode"] == "cluster"
    os.kill(keeper_pid("web"), 9)
    wait_until(lambda: described()["config"]["keeper_pid"] == keeper_pid("web"))
    with Load(port, clients=2) as load:
        load.more(5)
        monit("reload", "web")
        load.more(5)
    assert load.failures == []
    assert "web: nothing to do" in monit("apply", cwd=folder)
    assert described()["config"]["worker_user"] == "nobody"


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_node(folder: Path) -> None:
    """The instances are a cluster, and the probe reports."""
    script(folder, "app.js", NODE)
    config(folder, f"instances = 2\nport = {free_port()}", "app.js")
    monit("apply", cwd=folder)
    printed("web", f"up as {pwd.getpwnam('nobody').pw_uid}")
    wait_until(lambda: row("web")["heap_used_bytes"], what="its probe reports")


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_a_node_program_gets_nothing_of_roots(folder: Path) -> None:
    """It shares the privileged port that its settings name; another one, and a socket in a folder
    of root, it does not get from the keeper either."""
    script(folder, "app.js", REQUESTS_NODE)
    private = folder / "private"
    private.mkdir(mode=0o700)
    named, other = low_ports(2)
    path = private / "s"
    config(folder, f'instances = 2\nport = {named}\nargs = ["{other}", "{path}"]', "app.js")
    monit("apply", cwd=folder)
    printed("web", f"{other} EACCES")
    printed("web", f"{path} EACCES")
    printed("web", f"serves {pwd.getpwnam('nobody').pw_uid}")
    assert list(private.iterdir()) == []


def test_a_python_program_gets_no_port_of_roots(folder: Path) -> None:
    """Its first port is shared without being named, and so must be one that its user may open."""
    script(folder, "app.py", REQUESTS_PYTHON)
    (port,) = low_ports(1)
    config(folder, f'instances = 2\nmode = "cluster"\nargs = ["{port}"]\ninterpreter = "{PYTHON}"')
    monit("apply", cwd=folder)
    printed("web", f"{port} Permission denied")


def test_a_socket_of_the_settings(folder: Path) -> None:
    """In a folder of root it is root's, in one of the user it is the user's; both go with the
    app."""
    script(folder, "app.py", "import socket; socket.socket(fileno=3).accept()")
    theirs, roots = folder / "theirs", folder / "roots"
    for place in (theirs, roots):
        place.mkdir(mode=0o755)
    os.chown(theirs, 65534, 65534)
    settings = f'listen = ["unix:{theirs}/s", "unix:{roots}/s"]\ninterpreter = "{PYTHON}"'
    config(folder, settings)
    monit("apply", cwd=folder)
    found = [(place / "s").stat() for place in (theirs, roots)]
    assert [each.st_uid for each in found] == [pwd.getpwnam("nobody").pw_uid, 0]
    assert [stat.S_IMODE(each.st_mode) for each in found] == [0o666, 0o666]
    monit("delete", "web")
    assert not (theirs / "s").exists()
    assert not (roots / "s").exists()


def test_commands_and_group(folder: Path) -> None:
    """A check runs as the same user; a group takes the place of the user's own."""
    script(folder, "app.py", "import os, time; print('gid', os.getgid()); time.sleep(1000)")
    script(folder, "check.sh", "test $(id -u) = $(id -u nobody) && test $(id -g) = 0\n")
    config(folder, f'group = 0\nready.command = "sh check.sh"\ninterpreter = "{PYTHON}"')
    monit("apply", cwd=folder)
    printed("web", "gid 0")
    assert row("web")["status"] == "online"


def test_the_user_is_removed_from_the_settings(folder: Path) -> None:
    """The sockets for it are closed when its workers are gone, and their folder goes with the
    app."""
    script(folder, "app.py", "import time; time.sleep(1000)")
    config(folder, f'interpreter = "{PYTHON}"')
    monit("apply", cwd=folder)
    sockets = shared_folder(app_paths(os.environ["MONIT_HOME"], "web").folder)
    share = f"{sockets}/share.sock"

    def is_served() -> bool:
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.connect(share)
            return True
        return False

    assert is_served()
    text = (folder / "monit.toml").read_text()
    (folder / "monit.toml").write_text(text.replace('user = "nobody"\n', ""))
    monit("apply", cwd=folder)
    assert row("web")["user"] == "root"
    wait_until(lambda: not is_served(), what="the sockets are closed")
    monit("delete", "web")
    assert not os.path.exists(sockets)


def test_what_cannot_be(folder: Path) -> None:
    """Errors name the key and the way out: nobody of this name, a log that the user could replace
    by a link, a folder that the user may not enter."""
    script(folder, "app.py", "import time; time.sleep(1000)")
    config(folder, "")
    text = (folder / "monit.toml").read_text()
    (folder / "monit.toml").write_text(text.replace("nobody", "nobdy"))
    assert "user: there is no user nobdy" in faults(folder)
    theirs = folder / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    config(folder, 'log.out = "theirs/web.log"')
    assert "root would write where they want" in faults(folder)
    private = folder / "private"
    private.mkdir(mode=0o700)
    config(folder, f'cwd = "private"\ninterpreter = "{PYTHON}"')
    assert "Permission denied" in command("apply", cwd=folder).stderr


def test_a_log_elsewhere_is_for_the_group_of_the_user(folder: Path) -> None:
    """Root owns it, and its readers are those of the worker's group."""
    script(folder, "app.py", "print('hello', flush=True)\nimport time; time.sleep(1000)")
    (folder / "logs").mkdir(mode=0o755)
    config(folder, f'log.out = "logs/web.log"\ninterpreter = "{PYTHON}"')
    monit("apply", cwd=folder)
    printed("web", "hello")
    found = (folder / "logs" / "web.log").stat()
    group = pwd.getpwnam("nobody").pw_gid
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, group, 0o640)


def test_only_root_may(folder: Path) -> None:
    """Another user learns what to do."""
    script(folder, "check.py", AS_NOBODY)
    words = [PYTHON, str(folder / "check.py"), SOURCES]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    own, root, error = done.stdout.splitlines()
    assert (own, root) == ("None", "refused")
    assert error.startswith("user root: only root can run workers as somebody else")
    assert "sudo -u root monit" in error
