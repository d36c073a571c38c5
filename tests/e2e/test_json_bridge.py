"""`monit bridge --json`: requests and answers in lines of JSON, within bounds."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.command_line import MONIT, monit, row, script
from support.waiting import wait_until

CLIENT = Path(__file__).parent.parent / "client_js" / "bridge.mjs"
QUIET = "import time\ntime.sleep(1000)\n"
MUCH = """\
import time
for n in range(10000):
    print("line", n, "x" * 1000, flush=n % 100 == 99)
time.sleep(1000)
"""

pytestmark = pytest.mark.usefixtures("home")


class JsonClient:
    """A client of a real bridge."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [*MONIT, "bridge", "--json", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdin
        assert self.process.stdout
        self.inp, self.out = self.process.stdin, self.process.stdout
        self.hello = self.read()

    def write(self, *requests: object) -> None:
        self.write_raw(b"".join(json.dumps(each).encode() + b"\n" for each in requests))

    def write_raw(self, data: bytes) -> None:
        self.inp.write(data)
        self.inp.flush()

    def read(self) -> dict[str, Any]:
        return json.loads(self.out.readline())

    def answer(self, request_id: object) -> dict[str, Any]:
        """Return the answer to a request; drop what comes before it."""
        while True:
            message = self.read()
            if "ok" in message and message["id"] == request_id:
                return message

    def ask(self, **request: object) -> dict[str, Any]:
        self.write(request)
        return self.answer(request.get("id"))

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(name="client")
def _client() -> Iterator[JsonClient]:
    client = JsonClient()
    yield client
    client.close()


def _start(folder: Path, *words: str, text: str = QUIET) -> None:
    path = str(script(folder, "web.py", text))
    monit("start", path, "--name", "web", "--min-uptime", "0.1s", *words)


def test_it_says_first_who_it_is(client: JsonClient, home: Path) -> None:
    """The first line names version, home and rights."""
    hello = client.hello
    assert (hello["type"], hello["v"], hello["read_only"]) == ("hello", 1, False)
    assert hello["home"] == str(home)


def test_requests_and_answers(client: JsonClient, tmp_path: Path) -> None:
    """Answers have the ids of their requests; what they say is what commands say."""
    _start(tmp_path, "-i", "2")
    (one, _) = client.ask(id="a", do="list", targets=["web"])["instances"]
    assert one["pid"] == row("web")["pid"]
    (report,) = client.ask(id=2, do="reload", targets=["web"])["apps"]
    assert report["done"] == [0, 1]
    assert row("web")["pid"] != one["pid"]
    assert client.ask(id=3, do="scale", targets=["web"], count=1)["ok"]
    assert len(client.ask(id=4, do="list")["instances"]) == 1
    assert client.ask(id=5, do="ping")["wall"] > 0


ODD = """\
import time
import monit_probe
def deep():
    value = []
    for _ in range(400): value = [value]
    return value
monit_probe.action("deep", deep)
monit_probe.action("odd", lambda: ["\\ud800", 10**30, float("inf"), float("nan")])
monit_probe.gauge("offered", 1)
time.sleep(1000)
"""


def test_actions_and_the_past(client: JsonClient, tmp_path: Path) -> None:
    """Results and events are in the answer, series and reports come before it; whatever an action
    returns is JSON for every parser."""
    _start(tmp_path, text=ODD)
    wait_until(lambda: "offered" in row("web")["metrics"], what="its actions are known")
    (odd,) = client.ask(id=1, do="trigger", targets=["web"], action="odd")["results"]
    assert (odd["app"], odd["ok"]) == ("web", True)
    assert odd["value"][1:] == [10**30, "Infinity", "NaN"]
    (deep,) = client.ask(id=2, do="trigger", targets=["web"], action="deep")["results"]
    assert deep["value"] == "[" * 401 + "]" * 401
    failed = client.ask(id=3, do="trigger", targets=["web"], action="odd", args=["too many"])
    assert (failed["kind"], failed["results"][0]["ok"]) == ("failed", False)
    events = client.ask(id=4, do="events", kinds=["spawned"])["events"]
    assert [each["kind"] for each in events] == ["spawned"]

    def history() -> list[dict[str, Any]]:
        client.write({"id": 5, "do": "history", "metrics": ["rss_bytes"], "step_s": 1})
        found: list[dict[str, Any]] = []
        while "ok" not in (message := client.read()):
            found.append(message)
        assert message == {"id": 5, "ok": True}
        return found

    (series,) = wait_until(history, what="there are samples")
    assert (series["id"], series["type"], series["metric"]) == (5, "history", "rss_bytes")
    assert client.ask(id=6, do="crashes")["ok"]
    assert client.ask(id=7, do="flush", targets=["web"])["apps"][0]["error"] is None
    assert client.ask(id=8, do="delete", targets=["web"])["apps"][0]["done"] == [0]
    assert client.ask(id=9, do="list")["instances"] == []


def test_a_watch_ends_when_it_is_cancelled(client: JsonClient, tmp_path: Path) -> None:
    """Both the watch and the cancellation are answered."""
    _start(tmp_path)
    client.write({"id": 1, "do": "watch"})
    types: list[str] = []
    while "listed" not in types:
        types.append(client.read()["type"])
    assert types[0] == "instance_changed"
    client.write({"id": 2, "do": "cancel", "request": 1})
    answers = [client.answer(2), client.answer(1)]
    assert all(each["ok"] for each in answers)
    refused = client.ask(id=3, do="cancel", request=1)
    assert (refused["kind"], refused["message"]) == (
        "bad_request",
        "no request 1 is in progress",
    )


BAD = {
    "no JSON": (b"hello", "bad_request", "not an object of JSON"),
    "no object": (b"[1]", "bad_request", "not an object of JSON"),
    "not UTF-8": (b'{"id": 1, "do": "\xff"}', "bad_request", "not an object of JSON"),
    "deep": (b'{"id": 1, "a": ' + b"[" * 200_000 + b"}", "bad_request", "not an object of JSON"),
    "no id": (b'{"do": "list"}', "bad_request", '"id" must be'),
    "true as id": (b'{"id": true, "do": "list"}', "bad_request", '"id" must be'),
    "large id": (b'{"id": 9007199254740993, "do": "list"}', "bad_request", '"id" must be'),
    "unknown request": (b'{"id": 1, "do": "explode"}', "unsupported", "there are cancel,"),
    "a list as request": (b'{"id": 1, "do": []}', "unsupported", "there are cancel,"),
    "unknown key": (b'{"id": 1, "do": "stop", "instance": 0}', "bad_request", "'stop' has targets"),
    "no targets": (b'{"id": 1, "do": "stop"}', "bad_request", "missing required field `targets`"),
    "empty targets": (b'{"id": 1, "do": "stop", "targets": []}', "bad_request", "length >= 1"),
    "wrong type": (b'{"id": 1, "do": "logs", "lines": "3"}', "bad_request", "Expected `int`"),
    "too many": (b'{"id": 1, "do": "logs", "lines": 1000000}', "bad_request", "<= 100000"),
    "no time": (b'{"id": 1, "do": "events", "since": 1e300}', "bad_request", "<= 1000000000"),
    "no metrics": (b'{"id": 1, "do": "history", "metrics": "fds"}', "bad_request", "`array`"),
    "no kind": (b'{"id": 1, "do": "events", "kinds": ["exit"]}', "bad_request", "mean exited"),
    "no action": (b'{"id": 1, "do": "trigger", "targets": ["web"]}', "bad_request", "`action`"),
    "part of an app": (b'{"id": 1, "do": "delete", "targets": ["web/0"]}', "bad_request", "whole"),
    "no such app": (b'{"id": 1, "do": "stop", "targets": ["x"]}', "no_such_instance", "'x'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_request_is_refused_in_words(
    client: JsonClient, tmp_path: Path, case: str
) -> None:
    """The next request is served all the same, and nothing was changed."""
    _start(tmp_path)
    line, kind, words = BAD[case]
    client.write_raw(line + b"\n")
    refused = client.read()
    assert (refused["ok"], refused["kind"]) == (False, kind)
    assert words in refused["message"]
    (one,) = client.ask(id=9, do="list")["instances"]
    assert (one["status"], one["restarts"]) == ("online", 0)


def test_a_line_without_end_costs_no_memory(client: JsonClient) -> None:
    """It is refused once, before it is parsed, and skipped up to its newline."""
    for _ in range(64):
        client.write_raw(b'{"id": 1,' * 100_000)
    client.write_raw(b"\n")
    refused = client.read()
    assert (refused["id"], refused["kind"]) == (None, "bad_request")
    assert "at most 262144 bytes" in refused["message"]
    assert client.ask(id=2, do="ping")["ok"]
    statm = Path(f"/proc/{client.process.pid}/statm").read_text().split()
    assert int(statm[1]) * os.sysconf("SC_PAGE_SIZE") < 150 << 20


def test_requests_in_progress_are_bounded(client: JsonClient) -> None:
    """The 65th watch is refused, and so is a second one with the same id."""
    client.write(*({"id": number, "do": "watch"} for number in range(64)))
    twice = client.ask(id=0, do="list")
    assert "needs an id of its own" in twice["message"]
    many = client.ask(id=64, do="watch")
    assert (many["kind"], many["ok"]) == ("refused", False)
    client.write({"id": 65, "do": "cancel", "request": 5})
    assert client.answer(5)["ok"]
    assert client.ask(id=66, do="list")["ok"]


def test_a_read_only_bridge_changes_nothing(tmp_path: Path) -> None:
    """Whatever the client requests; looking is allowed."""
    _start(tmp_path)
    client = JsonClient("--read-only")
    try:
        assert client.hello["read_only"]
        before = row("web")
        for request in (
            {"do": "restart"}, {"do": "reload"}, {"do": "stop"}, {"do": "start"},
            {"do": "scale", "count": 3}, {"do": "signal", "signal": "KILL"}, {"do": "reset"},
            {"do": "cancel_reload"}, {"do": "flush"}, {"do": "delete"},
            {"do": "trigger", "action": "gc"},
        ):  # fmt: skip
            refused = client.ask(id=1, targets=["web"], **request)
            assert (refused["kind"], refused["ok"]) == ("refused", False)
            assert f"{request['do']} was refused" in refused["message"]
        (one,) = client.ask(id=2, do="list")["instances"]
        assert (one["pid"], one["restarts"]) == (before["pid"], before["restarts"])
    finally:
        client.close()


def test_a_client_that_does_not_read_costs_no_memory_and_loses_no_line(tmp_path: Path) -> None:
    """What it has not read waits in the log files."""
    client = JsonClient()
    try:
        _start(tmp_path, text=MUCH)
        client.write({"id": 1, "do": "logs", "lines": 100_000, "follow": True})
        (log,) = Path(os.environ["MONIT_HOME"]).glob("apps/web/logs/0.out.log")
        wait_until(lambda: log.stat().st_size > 10_000_000, what="all was printed")
        statm = Path(f"/proc/{client.process.pid}/statm").read_text().split()
        assert int(statm[1]) * os.sysconf("SC_PAGE_SIZE") < 150 << 20
        numbers = [int(client.read()["line"].split()[1]) for _ in range(10000)]
        assert numbers == [*range(10000)]
    finally:
        client.close()


def test_it_ends_with_its_input(tmp_path: Path) -> None:
    """Requests that end by themselves are answered first; others are cancelled."""
    _start(tmp_path)
    lines = [{"id": 1, "do": "watch"}, {"id": 2, "do": "restart", "targets": ["web"]}]
    done = subprocess.run(
        [*MONIT, "bridge", "--json"],
        input="".join(json.dumps(each) + "\n" for each in lines),
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    answers = {
        each["id"]: each for each in map(json.loads, done.stdout.splitlines()[1:]) if "ok" in each
    }
    assert answers[1]["ok"]
    assert answers[2]["apps"][0]["done"] == [0]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here")
def test_a_client_in_javascript(tmp_path: Path) -> None:
    """One that was written from docs/api.md alone lists, follows, watches and restarts."""
    env = {**os.environ, "MONIT_BRIDGE": f"echo Welcome; exec {' '.join(MONIT)} bridge --json"}
    env["MONIT_BRIDGE"] = f"sh -c '{env['MONIT_BRIDGE']}'"

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["node", CLIENT, *words], capture_output=True, text=True, timeout=90, env=env
        )

    path = str(script(tmp_path))
    monit("start", path, "--name", "web", "--min-uptime", "0.1s")
    pid = row("web")["pid"]
    done = run("list", "web")
    assert done.stdout == f"web/0 online {pid} 0\n", done.stderr
    done = run("follow", "web", "5")
    numbers = [int(line.split()[-1]) for line in done.stdout.splitlines()]
    assert numbers == [*range(numbers[0], numbers[0] + 5)], done.stderr
    done = run("restart", "web")
    assert "restarted web 0\n" in done.stdout, done.stderr
    assert "spawned\n" in done.stdout
    assert row("web")["pid"] != pid
    done = run("restart", "nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("no_such_instance: nothing is called 'nothing'")


def test_a_restart_that_cannot_be_done_is_no_success(home: Path, tmp_path: Path) -> None:
    """An app whose keeper and agent are dead and whose state cannot be read has no known instances;
    every command to it fails, also when all are meant."""
    _start(tmp_path)
    _end_supervision("web")
    state = home / "apps" / "web" / "state.json"
    saved = state.read_bytes()
    state.write_text("{}")
    client = JsonClient()
    try:
        assert _row_of(client)["instance"] is None
        for verb in ("restart", "stop"):
            for target in ("web", "all"):
                answer = client.ask(id=1, do=verb, targets=[target])
                assert (answer["ok"], answer["kind"]) == (False, "failed"), (verb, target)
                assert "web" in answer["message"]
    finally:
        client.close()
        state.write_bytes(saved)


def test_a_dead_app_is_no_stopped_one(client: JsonClient, tmp_path: Path) -> None:
    """A restart of all fails where nobody can restart: the worker of an app without keeper and
    agent is gone, but was not to be stopped."""
    _start(tmp_path)
    worker = row("web")["pid"]
    _end_supervision("web")
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: _row_of(client)["status"] == "stopped", what="the worker is known as dead")
    answer = client.ask(id=1, do="restart", targets=["all"])
    assert (answer["ok"], answer["kind"]) == (False, "failed")


def _end_supervision(app: str) -> None:
    """Kill keeper and agent of an app."""
    (found,) = json.loads(monit("describe", app, "--json"))
    keeper, agent = found["keeper_pid"], found["agent_pid"]
    os.kill(agent, signal.SIGSTOP)  # or it would bring the keeper back
    os.kill(keeper, signal.SIGKILL)
    os.kill(agent, signal.SIGKILL)
    wait_until(
        lambda: not psutil.pid_exists(agent) and not psutil.pid_exists(keeper), what="both are dead"
    )


def _row_of(client: JsonClient) -> dict[str, Any]:
    (found,) = client.ask(id="row", do="list", targets=["web"])["instances"]
    return found
