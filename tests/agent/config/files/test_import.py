"""Files of supervisor and process-compose, written as a monit.toml."""

import os
import subprocess
from pathlib import Path

import pytest

from monit_agent.config.app import Launch, user_name
from monit_agent.config.files.app_tables import entries_text
from monit_agent.config.files.config import make_launches, open_foreign, read_config

ENVIRON = {"PATH": os.environ["PATH"], "STAGE": "test"}

SUPERVISOR = """\
; comment
[supervisord]
nodaemon=true
[program:web]
command=sleep 100 --name "%(program_name)s 50%%" ; inline
directory=sub
environment=A="x,y",B='%(ENV_STAGE)s',C=plain
numprocs=2
process_name=%(program_name)s_%(process_num)02d
autorestart=unexpected
exitcodes=0,3
stopsignal=QUIT
stopwaitsecs=20
startsecs=5
startretries=4
stopasgroup=true
user=nobody
stdout_logfile=/dev/null
stdout_logfile_maxbytes=50MB
stdout_logfile_backups=10
[program:job]
command=sleep 1 && true
autorestart=false
[group:shop]
programs=web
[eventlistener:x]
command=x
"""

COMPOSE = """\
version: "0.5"
processes:
  web:
    command: sleep 100 && echo $HOME
    working_dir: sub
    environment: [A=1, "B=$x"]
    replicas: 2
    namespace: shop
    availability: {restart: on_failure, max_restarts: 4, backoff_seconds: 2}
    shutdown: {signal: 2, timeout_seconds: 20}
    readiness_probe: {exec: {command: "true"}}
    liveness_probe:
      http_get: {host: 127.0.0.1, port: 8000, path: /up}
      period_seconds: 7
      failure_threshold: 2
    depends_on: {job: {condition: process_completed}}
  job:
    command: sleep 1
    availability: {restart: "no"}
"""


def _imported(folder: Path, name: str, text: str) -> tuple[dict[str, Launch], str]:
    """Return the apps that the written monit.toml starts, and the notes."""
    (folder / "sub").mkdir()
    (folder / name).write_text(text)
    source = open_foreign(str(folder / name), ENVIRON)
    assert source.faults == []
    path = folder / "monit.toml"
    path.write_text("\n".join(entries_text(source.entries(None), {})))
    found = make_launches(read_config(str(path), None, ENVIRON), ENVIRON)
    notes = "\n".join(f"{note.place.line}: {note.text}" for note in source.notes)
    return {launch.spec.name: launch for launch in found}, notes


def test_supervisor(tmp_path: Path) -> None:
    """Commands, folders, variables, numbers, signals and times have their counterparts."""
    found, notes = _imported(
        tmp_path, "supervisord.conf", SUPERVISOR.replace("nobody", user_name())
    )
    web, job = found["web"].spec, found["job"].spec
    assert web.args == ("100", "--name", "web 50%")
    assert (web.cwd, web.namespace, web.instances) == (f"{tmp_path}/sub", "shop", 2)
    assert found["web"].named == {"A": "x,y", "B": "test", "C": "plain"}
    assert (web.policy.stop_exit_codes, web.policy.stop_signal) == ((0, 3), 3)
    assert (web.policy.kill_timeout_s, web.policy.min_uptime_s) == (20, 5)
    assert (web.policy.max_restarts, web.policy.kill_mode) == (4, "group")
    assert (job.argv[1:], job.policy.restart) == (("-c", "sleep 1 && true"), "never")
    assert (web.worker_user, web.log.out) == (user_name(), "none")
    assert (web.log.max_size_bytes, web.log.max_files) == (50 * 1024**2, 10)
    assert "26: [eventlistener:x]" in notes


def test_process_compose(tmp_path: Path) -> None:
    """Commands, variables, replicas, restarts and probes have their counterparts."""
    pytest.importorskip("yaml")
    found, notes = _imported(tmp_path, "process-compose.yaml", COMPOSE)
    web, job = found["web"].spec, found["job"].spec
    assert web.argv[1:] == ("-c", "sleep 100 && echo $HOME")
    assert (web.cwd, web.namespace, web.instances) == (f"{tmp_path}/sub", "shop", 2)
    assert found["web"].named == {"A": "1", "B": "$x"}
    assert (web.policy.restart, web.policy.restart_delay_s) == ("on-failure", 2.0)
    assert (web.policy.max_restarts, web.policy.stop_signal) == (4, 2)
    assert web.checks.ready_command == ("true",)
    assert web.checks.health_url == "http://127.0.0.1:8000/up"
    assert (web.checks.health_interval_s, web.checks.health_failures) == (7, 2)
    assert job.policy.restart == "never"
    assert "has no counterpart" not in notes
    assert web.after == ("job=done",)
    assert "depends_on" not in notes


def test_processes_of_a_program_of_supervisor(tmp_path: Path) -> None:
    """Each has its number in the command, and one file for both streams where that is asked for."""
    found, notes = _imported(
        tmp_path,
        "supervisord.conf",
        "[program:web]\ncommand=serve --port 80%(process_num)02d --id %(process_num)d\nnumprocs=2\n"
        "process_name=%(program_name)s_%(process_num)02d\n"
        "redirect_stderr=true\nstdout_logfile=%(here)s/%(program_name)s.log\n",
    )
    web = found["web"].spec
    numbers = "80$(printf %02d $MONIT_INSTANCE) --id $MONIT_INSTANCE"
    assert web.argv[1:] == ("-c", f"serve --port {numbers}")
    assert web.log.out == web.log.err == f"{tmp_path}/web.log"
    assert notes == ""


def test_the_number_of_a_process_of_supervisor_within_quotes(tmp_path: Path) -> None:
    """A shell replaces it there, too."""
    found, notes = _imported(
        tmp_path,
        "supervisord.conf",
        "[program:web]\nnumprocs=2\n"
        """command=/bin/echo 'a "%(process_num)02d' "it's %(process_num)d" 'b'%(process_num)d\n""",
    )
    argv = found["web"].spec.argv
    done = subprocess.run(argv, env={"MONIT_INSTANCE": "7"}, capture_output=True, check=True)
    assert done.stdout == b"a \"07 it's 7 b7\n"
    assert notes == ""


def test_what_all_processes_of_a_compose_file_share(tmp_path: Path) -> None:
    """Variables of the file are each process's, unless it has its own; anchors are no news."""
    pytest.importorskip("yaml")
    text = (
        "environment: [A=1, B=1]\nx-base: &base {working_dir: sub}\nprocesses:\n"
        "  web: {<<: *base, command: sleep 1, environment: [B=2]}\n  job: {command: sleep 1}\n"
    )
    found, notes = _imported(tmp_path, "process-compose.yaml", text)
    assert found["web"].named == {"A": "1", "B": "2"}
    assert found["job"].named == {"A": "1", "B": "1"}
    assert (found["web"].spec.cwd, notes) == (f"{tmp_path}/sub", "")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("x.conf", "[program:a\n", "1: not a file of supervisor"),
        ("x.conf", "[program:a]\ncommand=sleep 1\nstopsignal=FOO\n", "3: stopsignal: 'FOO'"),
        ("x.conf", "[program:a]\ncommand=x\nstartsecs=soon\n", "3: startsecs: 'soon' is not"),
        ("x.conf", "[program:a]\nenvironment=A\n", "2: environment: not NAME="),
        ("x.yaml", "processes: {a: 3}", "1: a process is a table"),
        ("x.yaml", "processes:\n  a:\n    command: x\n    replicas: many", "4: replicas: 'many'"),
        ("x.yaml", "processes:\n  a: {shutdown: 3}", "2: shutdown: not a table"),
    ],
)
def test_faults(name: str, text: str, why: str, tmp_path: Path) -> None:
    """What cannot be read is named with its line."""
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    (tmp_path / name).write_text(text)
    faults = open_foreign(str(tmp_path / name), ENVIRON).faults
    assert any(f"{fault.place.line}: {fault.text}".startswith(why) for fault in faults), faults
