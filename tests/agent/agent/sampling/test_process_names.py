"""What processes are called: enough to distinguish them, and nothing that may be a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.process_names import NAME_MOST, ProcessNames, short_name

SPAWN = "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5, pipe_handle=9)"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["/usr/sbin/nginx"], "nginx"),
        (["nginx: worker process"], "nginx: worker process"),
        (["gunicorn: worker [app:app]"], "gunicorn: worker [app:app]"),
        (["/venv/bin/python3.12", "/venv/bin/gunicorn", "-w", "2"], "python3.12 gunicorn"),
        (["python3", "-X", "dev", "-u", "-m", "celery", "-A", "app"], "python3 -m celery"),
        (["python3", "-c", SPAWN, "--multiprocessing-fork"], "python3 multiprocessing.spawn"),
        (["python3", "-c", "login('secret')"], "python3 -c"),
        (["node", "--max-old-space-size=512", "/srv/cluster.js", "x"], "node cluster.js"),
        (["node", "-r", "/opt/preload.js", "app.js"], "node app.js"),
        (["java", "-cp", "a.jar", "-jar", "/srv/shop.jar"], "java shop.jar"),
        (["-bash"], "bash"),
        (["/opt/My Shop/run"], "run"),
        (["redis-server *:6379"], "redis-server *:6379"),
    ],
)  # fmt: skip
def test_a_process_is_named_after_its_title_or_its_script(arguments: list[str], name: str) -> None:
    """Program and script or module are shown, or the title that a program gave itself."""
    assert short_name(arguments, "comm") == name


@pytest.mark.parametrize(
    "arguments",
    [
        ["mysql", "--password=secret"],
        ["bash", "-c", "curl -u me:secret https://example.org"],
        ["/usr/bin/env", "TOKEN=secret", "python3", "app.py"],
        ["[celeryd: celery@shop:MainProcess] -active- (worker --broker redis://:secret@db)"],
        ["worker redis://:secret@db"],
        ["worker token=secret"],
        ["python3", "app.py", "--token", "secret"],
    ],
)
def test_arguments_stay_where_they_are(arguments: list[str]) -> None:
    """Neither arguments nor what a title repeats of them is shown."""
    name = short_name(arguments, "comm")
    assert "secret" not in name
    assert name


@given(st.lists(st.text(max_size=100), max_size=5), st.text(max_size=16))
def test_any_name_is_printable_and_short(arguments: list[str], comm: str) -> None:
    """Whatever a process calls itself, a screen can show it."""
    name = short_name(arguments, comm)
    assert 0 < len(name) <= NAME_MOST
    assert name.isprintable()


class _Reader:
    """Process 7 is whatever ``says`` is; counts how often that is read."""

    def __init__(self) -> None:
        self.says = ["sh"]
        self.reads = 0

    def tree(self, root: int) -> list[Proc]:
        return [_proc(pid=root)]

    def uss_bytes(self, root: int) -> int | None:
        return root

    def pss_bytes(self, pid: int) -> int | None:
        return pid

    def arguments(self, process: Proc) -> list[str]:
        self.reads += process.pid == 7
        return self.says

    def started_at(self, process: Proc) -> float:
        return process.started


def _proc(pid: int = 7, comm: str = "sh", started: float = 1.0) -> Proc:
    return Proc(pid, 1, started, 0.0, 0.0, 0, 1, 0, comm)


def test_a_command_line_is_read_seldom() -> None:
    """A thousand looks at a process that stays what it is read its arguments ten times."""
    reader = _Reader()
    names = ProcessNames(reader)

    for _ in range(1000):
        names.update([_proc()])

    assert reader.reads == 10
    assert names.of(_proc()) == ("sh", 1.0)


def test_a_process_that_becomes_another_program_gets_its_name() -> None:
    """What a shell replaces itself with is seen at the next look, as is a pid used again."""
    reader = _Reader()
    names = ProcessNames(reader)
    for _ in range(3):
        names.update([_proc()])

    reader.says = ["redis-server *:6379"]
    names.update([_proc(comm="redis-server")])
    assert names.of(_proc())[0] == "redis-server *:6379"

    reader.says = ["nginx"]
    names.update([_proc(comm="redis-server", started=2.0)])
    assert names.of(_proc(started=2.0))[0] == "nginx"
