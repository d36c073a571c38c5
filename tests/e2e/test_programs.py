"""Any program runs under monit: is listed with CPU and memory, and its output is in the log."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from support.command_line import logs, measured, monit, printed, row
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")


def get(url: str) -> str:
    """Fetch a page."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def port_in_log(app: str, pattern: str) -> int:
    """Wait for the line in which a server prints its port; return the port."""
    found = wait_until(lambda: re.search(pattern, logs(app)), what=f"the port of {app}")
    assert found is not None
    return int(found[1])


def needs(program: str) -> str:
    """Return where a program is, or skip the test with a word."""
    where = shutil.which(program)
    if where is None:
        pytest.skip(f"{program} is not installed here")
    return where


def test_python_script_that_prints_and_sleeps(tmp_path: Path):
    """What a script prints is seen while it sleeps, without a flush in the script."""
    script = tmp_path / "ticker.py"
    script.write_text(
        "import time\nfor n in range(10**6):\n    print('tick', n)\n    time.sleep(0.2)\n"
    )
    monit("start", str(script))
    seen = measured("ticker")
    assert seen["interpreter"]
    assert seen["restarts"] == 0
    printed("ticker", "tick 7")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")
def test_a_program_that_changes_its_user():
    """Started through `setpriv` by root, it is listed and described as who it runs as."""
    words = ("setpriv", "--reuid", "nobody", "--clear-groups", "sleep", "600")
    monit("start", "--name", "job", "--", *words)
    wait_until(lambda: row("job")["user"] == "nobody", what="the user of the worker")
    (line,) = (each for each in monit("list", "job").splitlines() if "job" in each)
    assert "nobody" in line.split()
    assert re.search(r"^ *user +nobody$", monit("describe", "job"), re.MULTILINE)


def test_python_module():
    """`python -m http.server` is started by `-m`, answers, and its access line is in the log."""
    monit("start", "-m", "http.server", "--name", "files", "--", "0", "--bind", "127.0.0.1")
    assert measured("files")["rss_bytes"] > 1_000_000
    port = port_in_log("files", r"port (\d+)")
    assert "Directory listing" in get(f"http://127.0.0.1:{port}/")
    printed("files", '"GET / HTTP/1.1" 200')


def test_uvicorn_with_an_asgi_app(tmp_path: Path):
    """A command after `--` runs in its folder: uvicorn finds the app there and serves it."""
    (tmp_path / "main.py").write_text(
        "async def app(scope, receive, send):\n"
        "    if scope['type'] != 'http':\n"
        "        raise RuntimeError('only http here')\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'hello from asgi'})\n"
    )
    uvicorn = (sys.executable, "-m", "uvicorn", "main:app", "--port", "0", "--lifespan", "off")
    monit("start", "--name", "api", "--", *uvicorn, cwd=tmp_path)
    assert measured("api")["cwd"] == str(tmp_path)
    port = port_in_log("api", r"Uvicorn running on http://127\.0\.0\.1:(\d+)")
    assert get(f"http://127.0.0.1:{port}/") == "hello from asgi"
    printed("api", '"GET / HTTP/1.1" 200 OK')


def test_node_http_server(tmp_path: Path):
    """A `.js` file runs under Node by its ending."""
    needs("node")
    script = tmp_path / "web.js"
    script.write_text(
        "const server = require('http').createServer((request, response) => {\n"
        "  console.log(`asked for ${request.url}`);\n"
        "  response.end('hello from node');\n"
        "});\n"
        "server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));\n"
    )
    monit("start", str(script))
    assert measured("web")["interpreter"].endswith("node")
    port = port_in_log("web", r"port (\d+)")
    assert get(f"http://127.0.0.1:{port}/jokes") == "hello from node"
    printed("web", "asked for /jokes")


def test_shell_script(tmp_path: Path):
    """A `.sh` file runs without the run bit; its standard error is in the log too."""
    script = tmp_path / "loop.sh"
    script.write_text(
        'count=0\nwhile :; do\n  echo "turn $count"\n  echo "complaint $count" >&2\n'
        "  count=$((count + 1))\n  sleep 0.2\ndone\n"
    )
    monit("start", str(script), "--name", "loop")
    assert measured("loop")["last_exit"] is None
    printed("loop", "turn 5")
    printed("loop", "complaint 5")


def test_redis_server(tmp_path: Path):
    """A program of the system runs by its name, says in the log that it is ready, and answers."""
    needs("redis-server")
    client = needs("redis-cli")
    socket_path = tmp_path / "r.sock"
    options = (
        "--port",
        "0",
        "--unixsocket",
        str(socket_path),
        "--save",
        "",
        "--dir",
        str(tmp_path),
    )
    monit("start", "--name", "cache", "--", "redis-server", *options)
    assert measured("cache")["threads"] >= 1
    printed("cache", "eady to accept connections")
    answer = subprocess.run(
        [client, "-s", str(socket_path), "ping"], capture_output=True, text=True, timeout=10
    )
    assert answer.stdout.strip() == "PONG"
