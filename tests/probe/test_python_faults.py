"""Programs that do what programs should not: same output and exit code as without the probe.

Each runs without the probe, with an agent that reads, with one that is stopped, with none at all.
"""

import os
import re
import socket
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from support.matrix import diagonal
from support.probe import (
    DEADLINE_S,
    INJECT,
    VERSIONS,
    available,
    each_version,
    environment,
    listening,
    python,
    run,
    two_reports,
)

WORK = """
import asyncio, threading, time
async def main():
    thread = threading.Thread(target=time.sleep, args=(0.3,))
    thread.start()
    await asyncio.sleep(0.6)
    thread.join()
    print("worked", flush=True)
asyncio.run(main())
"""
PROGRAMS = {
    "closes everything": """
        import os, sys, time
        print("before", flush=True)
        os.closerange(0, 4096)
        time.sleep(0.6)
        found = [os.open("/dev/null", os.O_RDWR) for _ in range(10)]
        os._exit(7 if found == list(range(10)) else 8)
    """,
    "closes everything and ends as usual": """
        import os, sys, time
        print("before", flush=True)
        os.closerange(0, 4096)
        time.sleep(0.6)
        sys.exit(3)
    """,
    "SIGPIPE kills": """
        import os, signal, time
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        time.sleep(0.6)
        print("alive", flush=True)
        reader, writer = os.pipe()
        os.close(reader)
        os.write(writer, b"x")
    """,
    "threads fork": """
        import os, threading, time
        def work():
            for _ in range(10):
                pid = os.fork()
                if not pid:
                    os.write(1, b"child\\n")
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
        threads = [threading.Thread(target=work) for _ in range(4)]
        [each.start() for each in threads]
        time.sleep(0.5)
        [each.join() for each in threads]
        print("end")
    """,
    "subinterpreters": """
        import os, time
        try:
            import _interpreters as subs
        except ImportError:
            import _xxsubinterpreters as subs
        for number in range(5):
            sub = subs.create()
            subs.run_string(sub, "import os, asyncio.events; os.write(1, b'sub')")
            time.sleep(0.15)
            subs.destroy(sub)
    """,
    "another meta_path": """
        import sys, time
        sys.meta_path = [each for each in sys.meta_path if isinstance(each, type)]
        time.sleep(0.5)
        import asyncio
        asyncio.run(asyncio.sleep(0.6))
        print("end", len(sys.meta_path))
    """,
    "no meta_path": """
        import sys, time
        sys.meta_path.clear()
        time.sleep(0.5)
        import colorsys
    """,
    "_exit at once": """
        import os
        os.write(1, b"gone")
        os._exit(5)
    """,
    "16 descriptors": """
        import os, resource, time
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
        def all_that_there_are():
            found = []
            try:
                while True:
                    found.append(os.open("/dev/null", os.O_RDONLY))
            except OSError as error:
                return error.errno, found
        for _ in range(3):
            error, found = all_that_there_are()
            time.sleep(0.4)
            print(error, len(found) >= 12, flush=True)
            [os.close(each) for each in found]
    """,
    "executes itself": """
        import os, sys, time
        count = int(sys.argv[1]) if len(sys.argv) > 1 else 0
        print("turn", count, flush=True)
        time.sleep(0.45 if count == 3 else 0.01)
        if count < 8:
            os.execv(sys.executable, [sys.executable, "program.py", str(count + 1)])
    """,
    "becomes a daemon": """
        import os, time
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        time.sleep(0.6)
        print("daemon")
    """,
    "is traced": """
        import sys, threading, time
        seen = []
        def trace(frame, event, argument):
            file = frame.f_code.co_filename
            if file.endswith("program.py") or "monit_" in file:
                seen.append((event, frame.f_code.co_name, frame.f_lineno))
            return trace
        def work():
            time.sleep(0.5)
            return 1
        sys.settrace(trace); threading.settrace(trace)
        sys.setprofile(trace); threading.setprofile(trace)
        thread = threading.Thread(target=work)
        thread.start(); work(); thread.join()
        sys.settrace(None); sys.setprofile(None)
        print(sorted(set(seen), key=str))
    """,
    "a task and a thread fail": """
        import asyncio, threading, time
        threading.excepthook = lambda args: print("thread", args.exc_value, flush=True)
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start(); thread.join()
        async def main():
            await asyncio.sleep(0.6)
            raise ValueError("theirs")
        asyncio.run(main())
    """,
    "aborts": """
        import os, time
        time.sleep(0.5)
        os.abort()
    """,
}
SETTINGS = {
    "malloc=debug": {"PYTHONMALLOC": "debug"},
    "warnings are errors": {"PYTHONWARNINGS": "error"},
    "developer mode": {"PYTHONDEVMODE": "1"},
    "tracemalloc": {"PYTHONTRACEMALLOC": "5"},
    "asyncio debugged": {"PYTHONASYNCIODEBUG": "1"},
    "no bytecode": {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONOPTIMIZE": "2"},
}


SLOW = re.compile(r"Executing <.*> took \d+\.\d+ seconds\n")


class Printed(NamedTuple):
    """What a user sees of a program that is over."""

    code: int
    out: str
    err: str


@contextmanager
def _agents(folder: Path) -> Iterator[dict[str, dict[str, str]]]:
    """Return the environment that each case adds to the plain one."""
    with listening() as (_, reads), listening() as (_, stopped):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            try:
                while True:
                    filler.sendto(b"{}", stopped)
            except BlockingIOError:
                pass
        paths = {"reads": reads, "stopped": stopped, "gone": str(folder / "none.sock")}
        yield {
            "without": {"PYTHONPATH": str(folder), "MONIT_PROBE_SOCK": ""},
            **{
                name: {"PYTHONPATH": f"{INJECT}:{folder}", "MONIT_PROBE_SOCK": path}
                for name, path in paths.items()
            },
        }


def _all_cases(
    program: str, folder: Path, interpreter: str, env: Mapping[str, str]
) -> dict[str, Printed]:
    """Run a program in all cases at once; return what each printed."""
    (folder / "program.py").write_text(textwrap.dedent(program))
    with _agents(folder) as agents:
        running = {
            name: subprocess.Popen(
                [interpreter, "-W", "ignore", "program.py"] if not env
                else [interpreter, "program.py"],
                cwd=folder, env=environment("", **{**env, **more}), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for name, more in agents.items()
        }  # fmt: skip
        try:
            ended = {name: each.communicate(timeout=DEADLINE_S) for name, each in running.items()}
        finally:
            for each in running.values():
                each.kill()
                each.wait()
    return {name: Printed(running[name].returncode, *printed) for name, printed in ended.items()}


def _without_slowness(printed: Printed) -> Printed:
    """Leave out that something took more than 0.1 s, which asyncio's debug mode reports."""
    lines = printed.err.splitlines(keepends=True)
    return printed._replace(err="".join(x for x in lines if not SLOW.match(x)))


def _assert_alike(printed: dict[str, Printed]) -> None:
    plain = printed.pop("without")
    assert printed == dict.fromkeys(printed, plain)


@pytest.mark.parametrize(("name", "version"), diagonal(PROGRAMS, VERSIONS, available()))
def test_a_difficult_program_behaves_as_without_the_probe(
    name: str, version: str, tmp_path: Path
) -> None:
    """Output, errors and exit code are the same, whatever became of the agent."""
    _assert_alike(_all_cases(PROGRAMS[name], tmp_path, python(version), {}))


@pytest.mark.parametrize(("name", "version"), diagonal(SETTINGS, VERSIONS, available()))
def test_the_interpreters_own_checks_find_nothing(name: str, version: str, tmp_path: Path) -> None:
    """With Python's debugging settings a program of loop and threads says only what is its own."""
    printed = _all_cases(WORK, tmp_path, python(version), SETTINGS[name])

    assert printed["without"].out == "worked\n"
    _assert_alike({case: _without_slowness(each) for case, each in printed.items()})


@each_version
def test_a_users_own_customizing_happens_as_ever(version: str, tmp_path: Path) -> None:
    """Sitecustomize and usercustomize of the user's own run, once each, in this order."""
    for name in ("sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text(f"print('{name}', __file__, flush=True)\n")
    program = "import sys; print(sys.path, 'sitecustomize' in sys.modules)"
    printed = _all_cases(program, tmp_path, python(version), {"PYTHONNOUSERSITE": ""})

    assert os.path.join(tmp_path, "sitecustomize.py") in printed["without"].out
    _assert_alike({case: _without_slowness(each) for case, each in printed.items()})


@each_version
def test_threads_that_fork_at_once_leave_one_thread_of_ours(version: str) -> None:
    """Each fork ends the probe's thread and begins it again; six at once begin but one."""
    program = """
        import os, sys, threading
        sys.setswitchinterval(1e-7)
        def work():
            for _ in range(60):
                pid = os.fork()
                if not pid:
                    os._exit(0)
                os.waitpid(pid, 0)
        threads = [threading.Thread(target=work) for _ in range(6)]
        [each.start() for each in threads]
        [each.join() for each in threads]
        while not passed("reports"):
            threading.Event().wait(0.01)
        print(len(os.listdir("/proc/self/task")) - 1)
    """
    ran = run(
        program,
        interpreter=python(version),
        options=("-W", "ignore"),
        gates={"reports": two_reports},
    )

    assert (ran.out, ran.err) == ("1\n", "")
