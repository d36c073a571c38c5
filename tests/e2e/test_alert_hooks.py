"""Hooks of alerts: a real command, a real web server, and what goes wrong with them."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from monit_agent.agent.alerts import post
from monit_agent.wire.paths import app_paths
from support.command_line import command, monit, row, script
from support.processes import kill
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

IDLE = "import time\nwhile True: time.sleep(1)\n"
SECRET = "T0P-S3CRET"
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="no openssl here, which makes certificates"
)
SMALL = "small=rss_bytes > 1M for 1s"


class _Inbox(ThreadingHTTPServer):
    """A web server that keeps what was posted, and answers with statuses in turn."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[dict[str, Any]] = []
        self.statuses = list(statuses)

    scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/hooks/{SECRET}"

    def speak_tls(self, certificate: Path) -> None:
        """Accept TLS alone from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        # the handshake is made by the thread of the connection, which may fail alone
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.scheme = "https"

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that end a handshake."""

    def kinds(self) -> list[str]:
        return [each["kind"] for each in self.received]


class _Handler(BaseHTTPRequestHandler):
    server: _Inbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == f"/hooks/{SECRET}"
        assert self.headers["Content-Type"] == "application/json"
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.url)
        self.end_headers()
        if status < 300:
            self.server.received.append(json.loads(body))

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def inbox(*statuses: int) -> Iterator[_Inbox]:
    """Serve until the end of the test."""
    server = _Inbox(*statuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path, host: str) -> Path:
    """Return a certificate that signed itself, beside its key."""
    path = folder / f"{host}.pem"
    kind = "DNS" if host[0].isalpha() else "IP"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=hooks",
        "-addext",
        f"subjectAltName={kind}:{host}",
    ]
    words += ["-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path


def issued_certificate(folder: Path, authority: Path, host: str) -> Path:
    """Return a certificate that an authority has issued, beside its key."""
    path = folder / f"issued-{host}.pem"
    request, names = path.with_suffix(".csr"), path.with_suffix(".ext")
    names.write_text(f"subjectAltName=IP:{host}\nbasicConstraints=CA:FALSE\n")
    make = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-subj", "/CN=issued", "-keyout", str(path.with_suffix(".key"))]
    issue = ["openssl", "x509", "-req", "-days", "2", "-in", str(request), "-out", str(path)]
    issue += ["-CA", str(authority), "-CAkey", str(authority.with_suffix(".key"))]
    issue += ["-set_serial", "2", "-extfile", str(names)]
    for words in ([*make, "-out", str(request)], issue):
        subprocess.run(words, check=True, capture_output=True)
    return path


def start(folder: Path, *options: str, text: str = IDLE) -> None:
    """Start the app with these options and without a time of grace."""
    command("start", str(script(folder, text=text)), "--alert-grace", "0", *options, cwd=folder)


def apply(folder: Path, **alerts: str) -> None:
    """Apply a config file with these settings of alerts: to the running app, without a restart."""
    settings = "".join(f'{key.replace("_", "-")} = "{value}"\n' for key, value in alerts.items())
    script(folder, text=IDLE)
    text = f'[apps.app]\nscript = "app.py"\n[apps.app.alerts]\n{settings}'
    (folder / "monit.toml").write_text(text)
    monit("apply", cwd=folder)


def hooks() -> dict[str, dict[str, Any]]:
    """Return the hooks of the app by their names."""
    return {each["hook"]: each for each in json.loads(monit("alerts", "--json"))["hooks"]}


def events(*kinds: str) -> list[str]:
    """Return the texts of the app's events of these kinds."""
    options = [word for kind in kinds for word in ("--kind", kind)]
    lines = monit("events", "app", "--json", *options).splitlines()
    return [json.loads(line)["text"] for line in lines]


def test_an_alert_reaches_a_command_and_a_webhook_and_the_secret_is_shown_nowhere(
    tmp_path: Path,
) -> None:
    """Both get the notice as JSON; the webhook is tried again after errors that may pass."""
    hook = script(tmp_path, "hook.sh", "#!/bin/sh\ncat >> $1\necho kept\n")
    hook.chmod(0o755)
    kept = tmp_path / "notices"
    with inbox(503) as server:
        start(tmp_path, "--alert", SMALL, "--alert-command", f"{hook} {kept}",
              "--alert-webhook", server.url)  # fmt: skip
        wait_until(lambda: server.received, what="the webhook has the notice", deadline_s=30)
        wait_until(lambda: kept.exists() and kept.read_text(), what="the command has it")
        (posted,) = server.received
        (piped,) = [json.loads(line) for line in kept.read_text().splitlines()]

        assert posted == piped
        assert (posted["kind"], posted["app"], posted["instance"]) == ("alert_fired", "app", 0)
        assert (posted["rule"], posted["metric"]) == ("small", "rss_bytes")
        assert posted["value"] > posted["threshold"] == 1024 * 1024
        assert posted["text"].startswith("app/0 on ")
        assert (posted["format"], posted["dropped"]) == (1, 0)
        wait_until(lambda: all(each["sent"] == 1 for each in hooks().values()), what="both count")

        done = command("alerts", "test", "app")
        assert done.returncode == 0
        assert "app: command " in done.stdout
        assert "delivered, exit code 0: kept" in done.stdout
        assert f"webhook http://127.0.0.1:{server.server_port}/…: delivered, status 204" in (
            done.stdout
        )
        assert server.kinds() == ["alert_fired", "test"]

        (tmp_path / "monit.toml").write_text(
            f'[apps.app]\nscript = "app.py"\nalerts.webhook = "{server.url}"\n'
        )
        for words in (
            ("describe", "app"), ("describe", "app", "--json"), ("list", "--json"), ("export",),
            ("events", "app", "--json"), ("alerts", "--json"), ("config", "show"),
            ("apply", "--dry-run", "--take-over"), ("apply", "--dry-run", "--take-over", "--json"),
        ):  # fmt: skip
            shown = command(*words, cwd=tmp_path)
            assert shown.stdout, shown
            assert SECRET not in shown.stdout + shown.stderr, words
        paths = app_paths(os.environ["MONIT_HOME"], "app")
        for log in (paths.agent_log, paths.keeper_log):
            assert SECRET not in Path(log).read_text()


def test_a_hook_that_fails_is_an_event_and_a_problem_until_it_works(tmp_path: Path) -> None:
    """It is said once, with its reason, and that it works again."""
    text = "#!/bin/sh\ntest -e works || { echo no mail >&2; exit 3; }\n"
    hook = script(tmp_path, "hook.sh", text)
    hook.chmod(0o755)
    start(tmp_path, "--alert-command", str(hook))
    for _ in range(2):
        failed = command("alerts", "test", "app")
        assert failed.returncode == 1
        assert f"app: command {hook}: failed, exit code 3: no mail" in failed.stdout
    problem = f"alert command {hook}: exit code 3: no mail"
    assert wait_until(lambda: events("hook_failed"), what="the event") == [problem]
    assert row("app")["problems"] == [f"{problem}; run monit alerts test app"]
    assert problem in monit("describe", "app")

    (tmp_path / "works").touch()
    monit("alerts", "test", "app")
    assert len(wait_until(lambda: events("hook_works"), what="the other event")) == 1
    wait_until(lambda: row("app")["problems"] == [], what="there is no problem any more")


def test_a_hanging_hook_is_killed_with_all_it_started_and_delays_nothing(tmp_path: Path) -> None:
    """While it hangs, samples come, the agent answers, and the other hook has its notice."""
    hook = script(tmp_path, "hook.sh", "#!/bin/sh\nsleep 1000 & echo $! > pid\nwait\n")
    hook.chmod(0o755)
    with inbox() as server:
        start(tmp_path, "--alert", SMALL, "--alert-command", str(hook), "--alert-webhook",
              server.url)  # fmt: skip
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(),
                   what="the hook hangs")  # fmt: skip
        sleeper = psutil.Process(int((tmp_path / "pid").read_text()))
        wait_until(lambda: server.received, what="the other hook works")
        began = time.time() - row("app")["age_s"]
        wait_until(lambda: time.time() - row("app")["age_s"] > began + 0.5, what="samples go on")
        assert sleeper.is_running()
        (problem,) = wait_until(lambda: events("hook_failed"), what="it was killed", deadline_s=40)
        assert problem.endswith("killed after 10 s")
        wait_until(lambda: not sleeper.is_running(), what="what it started is gone")


def test_a_hook_that_prints_without_end_in_sight_is_read_to_its_end(tmp_path: Path) -> None:
    """However much it prints, only its last line is kept, and the agent answers meanwhile."""
    text = "#!/bin/sh\nhead -c 30000000 /dev/zero | tr '\\0' x\necho\necho the end\n"
    hook = script(tmp_path, "hook.sh", text)
    hook.chmod(0o755)
    start(tmp_path, "--alert-command", str(hook))
    done = command("alerts", "test", "app")
    assert (done.returncode, "delivered, exit code 0: the end" in done.stdout) == (0, True), done


def test_events_of_the_app_reach_a_hook_where_they_are_named(tmp_path: Path) -> None:
    """Exits and the end of all attempts, in their order; what is not named is not sent."""
    with inbox() as server:
        start(tmp_path, "--max-restarts", "0", "--alert-webhook", server.url,
              "--alert-on", "exited,errored", text="import sys; sys.exit(7)")  # fmt: skip
        wait_until(lambda: len(server.received) >= 2, what="both notices", deadline_s=30)
        assert server.kinds() == ["exited", "errored"]
        assert "exit code 7" in server.received[0]["text"]
        wait_until(lambda: json.loads(monit("alerts", "--json"))["alerts"], what="the alert fires")
        assert "alert_fired" not in server.kinds()


@pytest.mark.parametrize(
    ("statuses", "text"),
    [((404,), "failed, status 404"), ((302,), "failed, status 302"), ((500,), "status 500")],
)
def test_what_a_webhook_answers_is_reported_as_it_is(
    tmp_path: Path, statuses: tuple[int, ...], text: str
) -> None:
    """A status that is not good is a failure; a redirection is not followed."""
    with inbox(*statuses) as server:
        start(tmp_path, "--alert-webhook", server.url)
        done = command("alerts", "test", "app")
        assert (done.returncode, text in done.stdout) == (1, True)
        assert server.received == []


@needs_openssl
def test_a_certificate_that_nobody_signed_is_named_and_can_be_trusted(tmp_path: Path) -> None:
    """The webhook's own certificate authority is a file; without it the failure says so, once, and
    the running app gets it without a restart."""
    with inbox() as server:
        own = certificate(tmp_path, "127.0.0.1")
        server.speak_tls(own)
        apply(tmp_path, webhook=server.url)
        pid = row("app")["pid"]
        done = command("alerts", "test", "app")
        assert done.returncode == 1
        assert "failed, its certificate is not accepted: self" in done.stdout
        assert "set alerts.webhook-ca to a file (PEM)" in done.stdout
        assert server.received == []

        apply(tmp_path, webhook=server.url, webhook_ca=own.name)
        done = command("alerts", "test", "app")
        assert (done.returncode, server.kinds()) == (0, ["test"]), done
        assert row("app")["pid"] == pid
        assert f"{own}" in monit("describe", "app")


@needs_openssl
def test_a_certificate_that_an_authority_issued_is_trusted_by_itself(tmp_path: Path) -> None:
    """The file may have the authority, or only the certificate of the webhook."""
    authority = certificate(tmp_path, "authority.example")
    own = issued_certificate(tmp_path, authority, "127.0.0.1")
    with inbox() as server:
        server.speak_tls(own)
        apply(tmp_path, webhook=server.url)
        assert "set alerts.webhook-ca to a file (PEM)" in command("alerts", "test", "app").stdout
        for trusted in (authority, own):
            apply(tmp_path, webhook=server.url, webhook_ca=str(trusted))
            done = command("alerts", "test", "app")
            assert done.returncode == 0, (trusted, done)
        assert server.kinds() == ["test", "test"]


@needs_openssl
def test_what_is_wrong_with_tls_is_said_in_words(tmp_path: Path) -> None:
    """A certificate of another host, a port without TLS, a file that holds no certificate."""
    with inbox() as server:
        apply(tmp_path, webhook=server.url.replace("http:", "https:"))
        assert "no TLS at this port; write http://" in command("alerts", "test", "app").stdout

    with inbox() as server:
        other = certificate(tmp_path, "elsewhere.example")
        server.speak_tls(other)
        apply(tmp_path, webhook=server.url, webhook_ca=str(other))
        shown = command("alerts", "test", "app").stdout
        assert "its certificate is not accepted: " in shown
        assert "not valid for '127.0.0.1'" in shown
        assert "webhook-ca" not in shown

        for path, why in ((script(tmp_path, "no.pem"), "holds no certificates (PEM)"),
                          (tmp_path / "gone.pem", "No such file or directory")):  # fmt: skip
            apply(tmp_path, webhook=server.url, webhook_ca=str(path))
            shown = command("alerts", "test", "app").stdout
            assert f"failed, alerts.webhook-ca: {path}" in shown
            assert why in shown
        assert server.received == []


def test_a_notice_of_an_agent_of_an_older_version_is_delivered() -> None:
    """Between the installation of a new version and `monit upgrade`, agents of the older one start
    the new program; they know no file of certificates."""
    with inbox() as server:
        order = {"url": server.url, "body": '{"kind": "test"}', "timeout_s": 60}
        words = [sys.executable, "-I", str(post.__file__)]
        done = subprocess.run(words, input=json.dumps(order), capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "status 204\n", "")
        assert server.kinds() == ["test"]


def test_nothing_is_sent_until_a_hook_is_named(tmp_path: Path) -> None:
    """Without a hook, the trial says so."""
    start(tmp_path)
    done = command("alerts", "test", "app")
    assert done.returncode == 1
    assert "it has no hook; set alerts.command or alerts.webhook" in done.stderr
    assert hooks() == {}


def test_a_notice_that_waits_survives_the_agent(tmp_path: Path) -> None:
    """The agent is killed between two tries; the next one delivers it, once."""
    with inbox(*[503] * 2) as server:
        start(tmp_path, "--alert", SMALL, "--alert-webhook", server.url)
        wait_until(lambda: len(server.statuses) == 0, what="two tries failed", deadline_s=30)
        paths = app_paths(os.environ["MONIT_HOME"], "app")
        wait_until(lambda: '"alert_fired"' in Path(paths.notices).read_text(), what="it waits")
        kill(json.loads(monit("describe", "app", "--json"))[0]["agent_pid"])
        wait_until(lambda: server.received, what="it is delivered", deadline_s=30)
        wait_until(
            lambda: '"alert_fired"' not in Path(paths.notices).read_text(), what="nothing waits"
        )
        assert server.kinds() == ["alert_fired"]
