"""A TypeScript server is run by Node with what the project has installed, and shares its port."""

import os
import shutil
from pathlib import Path

import pytest

from support.command_line import command, monit, pids, row
from support.load import Load
from support.ports import free_port
from support.servers import NODE_MODULES
from support.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(
        shutil.which("node") is None or not (NODE_MODULES / "tsx").is_dir(), reason="no tsx here"
    ),
    pytest.mark.usefixtures("home"),
]

SERVER = """\
import http from "node:http";

const port: number = Number(process.env.PORT);
http.createServer((_request, response) => response.end(`by ${process.pid}`)).listen(port);
"""


def test_a_typescript_server_shares_its_port_and_reloads(tmp_path: Path) -> None:
    """Two instances, a good release and a broken one, and no request fails."""
    script, port = tmp_path / "server.ts", free_port()
    script.write_text(SERVER)
    os.symlink(NODE_MODULES, tmp_path / "node_modules")
    monit("start", str(script), "-i", "2", "--port", str(port), "--cwd", str(tmp_path))
    before = pids("server")
    with Load(port, clients=4) as load:
        monit("reload", "server")
        replaced = pids("server")
        script.write_text(f"const port: number = ;\n{SERVER}")
        broken = command("reload", "server")
    assert load.failures == []
    assert not before & replaced
    assert broken.returncode == 1
    assert "Unexpected" in broken.stderr
    assert pids("server") == replaced
    wait_until(lambda: row("server")["heap_used_bytes"], what="the probe reports")
