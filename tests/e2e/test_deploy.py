"""The recipe of docs/deploy.md, with the scripts of examples/deploy, over a real ssh."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hosts import OtherHosts, real_sshd
from support.load import Load
from support.ports import free_port

SCRIPTS = Path(__file__).parents[2] / "examples" / "deploy"

APP = """\
import http.server, sys, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"release {release}")
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", {port}), Answer).serve_forever()
"""

CONFIG = """\
[apps.web]
run = "python3 app.py"
port = {port}
instances = 2
"""

pytestmark = pytest.mark.skipif(
    shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin") is None
    or shutil.which("git") is None,
    reason="needs sshd and git",
)


class Project:
    """A repository whose commits are releases, and a server that they go to."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.port = free_port()
        self.folder = folder / "project"
        self.target = folder / "srv"
        self.folder.mkdir()
        self._env = {**os.environ, "SSH": f"ssh -F {config}"}
        self._git("init", "-q")

    def commit(self, app: str, config: str = CONFIG) -> str:
        """Commit a release and return its revision."""
        (self.folder / "app.py").write_text(app)
        (self.folder / "monit.toml").write_text(config.replace("{port}", str(self.port)))
        self._git("add", "-A")
        self._git("-c", "user.name=me", "-c", "user.email=me@example", "commit", "-qm", "release")
        return self._git("rev-parse", "--short=12", "HEAD").strip()

    def release(self, number: int) -> str:
        app = APP.replace("{release}", str(number)).replace("{port}", str(self.port))
        return self.commit(app)

    def deploy(self) -> "subprocess.CompletedProcess[str]":
        """Deploy the last commit."""
        words = [str(SCRIPTS / "deploy.sh"), "HEAD", str(self.target), "web1"]
        return subprocess.run(
            words, cwd=self.folder, env=self._env, capture_output=True, text=True, timeout=100
        )

    def answer(self) -> str:
        import urllib.request

        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}", timeout=20) as answer:
            return answer.read().decode()

    def current(self) -> str:
        return os.readlink(self.target / "current")

    def _git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout


@pytest.fixture(name="project")
def _project(home: Path, tmp_path: Path) -> Iterator[Project]:
    assert home.exists()
    hosts = OtherHosts(tmp_path)
    server = hosts.add("web1")
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    with real_sshd(tmp_path, {"web1": server}, path) as config:
        yield Project(tmp_path, config)
        hosts.close()


def test_a_broken_release_is_taken_back_and_no_request_fails(project: Project) -> None:
    """The first release starts, the next replaces it, the broken one changes nothing."""
    first = project.release(1)
    done = project.deploy()
    assert done.returncode == 0, done.stderr
    assert project.answer() == "release 1"
    with Load(project.port, 2) as load:
        load.more(10)
        second = project.release(2)
        assert project.deploy().returncode == 0
        load.more(10)
        project.commit("raise SystemExit('no luck today')")
        done = project.deploy()
        load.more(10)
        failures = load.failures
    assert done.returncode == 1
    assert f"going back to releases/{second}" in done.stderr
    assert "no luck today" in done.stderr
    assert failures == []
    assert project.answer() == "release 2"
    assert project.current() == f"releases/{second}"
    assert (project.target / "releases" / first).exists()


def test_a_config_with_a_fault_changes_nothing(project: Project) -> None:
    """It is read before the link moves."""
    first = project.release(1)
    assert project.deploy().returncode == 0
    project.commit("", "[apps.web]\nrnu = 'python3 app.py'\n")
    done = project.deploy()
    assert done.returncode != 0
    assert "did you mean 'run'" in done.stderr
    assert project.current() == f"releases/{first}"
    assert project.answer() == "release 1"


def test_old_releases_go_and_those_in_use_stay(project: Project) -> None:
    """Five are kept, and the one in which a process runs."""
    first = project.release(0)
    assert project.deploy().returncode == 0
    inside = subprocess.Popen(["sleep", "1000"], cwd=project.target / "releases" / first)
    try:
        for number in range(1, 7):
            release = project.target / "releases" / f"old{number}"
            release.mkdir()
            os.utime(release, (number, number))
        last = project.release(1)
        done = project.deploy()
        assert done.returncode == 0, done.stderr
        left = {each.name for each in (project.target / "releases").iterdir()}
        assert left == {last, first, "old6", "old5", "old4"}
        os.utime(project.target / "releases" / first, (0, 0))
        for number in (7, 8):
            (project.target / "releases" / f"old{number}").mkdir()
        project.release(2)
        done = project.deploy()
        assert f"{first} is kept: a process runs in it" in done.stdout
        assert (project.target / "releases" / first).exists()
    finally:
        inside.kill()
        inside.wait()
