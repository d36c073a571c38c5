"""The probe is a guest: whatever a program does, it behaves as without it."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support.probe import (
    INJECT,
    VERSIONS,
    each_version,
    environment,
    interpreter,
    listening,
    python,
    run,
    two_reports,
)


@each_version
def test_it_is_silent_and_changes_nothing_that_a_program_sees(version: str) -> None:
    """Same output, same sys.path, no new modules but built-in ones, even with -W error."""
    program = "import sys; print(sorted(m for m in sys.modules), sys.path, sys.argv, sys.flags)"
    with_probe = run(program, interpreter=python(version), options=["-W", "error"])
    plain = subprocess.run(
        [python(version), "-W", "error", "-c", program], env=environment("", PYTHONPATH=""),
        capture_output=True, text=True,
    )  # fmt: skip

    new = set(json.loads(_modules(with_probe.out))) - set(json.loads(_modules(plain.stdout)))
    assert (with_probe.code, with_probe.err) == (0, "")
    others = {name for name in new if name.partition(".")[0] != "_monit_probe"}
    assert others <= {"_json", "_socket", "atexit", "gc", "math", "select", "_opcode"}
    assert with_probe.out.partition("]")[2] == plain.stdout.partition("]")[2]


def _modules(printed: str) -> str:
    return (printed.partition("]")[0] + "]").replace("'", '"')


@each_version
def test_a_fork_warns_of_nothing_and_both_keep_reporting(version: str) -> None:
    """Python 3.12 and later warn when a process with threads forks; ours is not there then."""
    ran = run(
        """
        import os, time, sys
        time.sleep(0.5)
        for _ in range(5):
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
        pid = os.fork()
        time.sleep(0.9)
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
            time.sleep(0.6)
        """,
        interpreter=python(version),
        options=["-W", "error"],
    )

    assert (ran.code, ran.err) == (0, "")
    by_pid = {report["pid"] for report in ran.full}
    assert len(by_pid) == 2
    assert ran.last["faults"] == 0, ran.last["fault"]


@each_version
def test_a_program_that_forks_all_the_time_reports_too(version: str) -> None:
    """Each fork ends our thread and starts it again, but not its second; children of
    ``preexec_fn`` and ``forkpty`` are no different."""
    ran = run(
        """
        import os, subprocess, time
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            subprocess.run(["true"], preexec_fn=os.getpid)
            pid, _ = os.forkpty()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
            os.close(_)
        """,
        interpreter=python(version),
        options=["-W", "error"],
    )

    assert (ran.code, ran.err) == (0, "")
    parents = [report for report in ran.reports if report["pid"] == ran.last["pid"]]
    assert len([report for report in parents if "hello" in report]) == 1
    assert 2 <= len(ran.full) <= 5


@each_version
def test_multiprocessing_reports_from_every_child(version: str) -> None:
    """Pools that fork and pools that spawn: each child has a probe of its own."""
    ran = run(
        """
        import multiprocessing, sys, time, os
        for way in ("fork", "spawn"):
            context = multiprocessing.get_context(way)
            child = context.Process(target=time.sleep, args=(0.8,))
            child.start(); child.join()
            assert child.exitcode == 0, child.exitcode
        """,
        interpreter=python(version),
        options=["-W", "error"],
    )

    assert (ran.code, ran.err) == (0, "")
    # the parent, the two children, and where there is one the resource tracker
    assert len({report["pid"] for report in ran.full}) in {3, 4}


@each_version
def test_forks_of_threads_are_survived(version: str) -> None:
    """Several threads fork at once, as a server with a pool does; afterwards there is a report."""
    ran = run(
        """
        import os, threading, time
        def work():
            for _ in range(20):
                pid = os.fork()
                if not pid:
                    os._exit(0)
                os.waitpid(pid, 0)
        threads = [threading.Thread(target=work) for _ in range(4)]
        [t.start() for t in threads]; [t.join() for t in threads]
        print(time.time(), flush=True)
        time.sleep(1.6)
        """,
        interpreter=python(version),
        options=["-W", "ignore"],
    )

    assert (ran.code, ran.err) == (0, "")
    assert [r for r in ran.full if "bye" not in r]
    assert ran.last["faults"] == 0, ran.last["fault"]


@each_version
def test_a_subinterpreter_has_no_probe(version: str) -> None:
    """A thread of ours in a subinterpreter would abort the process when that one ends."""
    ran = run(
        """
        import time
        try:
            import _interpreters as subs
        except ImportError:
            import _xxsubinterpreters as subs
        for _ in range(3):
            sub = subs.create()
            subs.run_string(sub, "import sys; assert '_monit_probe.install' not in sys.modules or"
                                 " not sys.modules['_monit_probe.install']._installed")
            time.sleep(0.2)
            subs.destroy(sub)
        """,
        interpreter=python(version),
    )

    assert (ran.code, ran.err) == (0, "")
    assert len({(report["pid"], report["started"]) for report in ran.reports}) == 1


@each_version
def test_a_program_that_ends_at_once_ends_at_once(version: str) -> None:
    """Nothing of ours is waited for, in 20 starts that end at different moments."""
    program = "import sys, time; time.sleep(float(sys.argv[1])); print('end', flush=True)"
    found = python(version)
    with listening() as (_, path):
        for number in range(20):
            done = subprocess.run(
                [found, "-W", "error", "-c", program, str(number / 2000)],
                env=environment(path), capture_output=True, text=True, timeout=20,
            )  # fmt: skip
            assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def test_the_last_report_comes_at_the_end() -> None:
    """A program that ends by itself says so, with its last numbers."""
    ran = run("import time; time.sleep(0.6)")

    assert ran.reports[0]["hello"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert [report["seq"] for report in ran.reports] == list(range(1, len(ran.reports) + 1))
    assert ran.reports[-1]["bye"] is True


@each_version
def test_signals_go_where_the_program_wants_them(version: str) -> None:
    """A program that blocks a signal and waits for it gets it: our thread must not take it."""
    ran = run(
        """
        import os, signal, time
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
        time.sleep(0.3)
        for number in (signal.SIGTERM, signal.SIGUSR1):
            os.kill(os.getpid(), number)
            print(signal.sigwait({number}) == number)
        """,
        interpreter=python(version),
    )

    assert (ran.code, ran.out) == (0, "True\nTrue\n")


@each_version
def test_closed_descriptors_and_a_replaced_meta_path_do_no_harm(version: str) -> None:
    """A daemonizing program closes all descriptors and opens its own; another throws away the
    import hooks. Both keep running, their files hold what they wrote, and reports still come."""
    ran = run(
        """
        import os, sys, tempfile, time
        sys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__ != "_monit_probe.hooks"]
        time.sleep(0.5)
        os.closerange(3, 256)
        files = [tempfile.TemporaryFile() for _ in range(20)]
        import asyncio
        time.sleep(1.1)
        async def main():
            await asyncio.sleep(1.2)
        asyncio.run(main())
        for file in files:
            assert file.read() == b""
        """,
        interpreter=python(version),
    )

    assert (ran.code, ran.err) == (0, "")
    assert ran.last["loops"], "a loop is found also without the finder"


def test_an_agent_that_is_gone_stalled_or_comes_back_is_not_noticed() -> None:
    """No socket, a socket nobody reads, then one again: the program runs as always, and the
    longest block of the time between is in the first report that arrives."""
    program = """
        import asyncio, sys, time
        async def main():
            await asyncio.sleep(1)
            time.sleep(0.4)
            await asyncio.sleep(0)  # the loop has gone round: it knows how long that was
            print("blocked", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        asyncio.run(main())
        print("end")
    """
    with listening() as (sock, path):
        os.unlink(path)
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)], env=environment(path),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "blocked\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
            again.bind(path)
            again.settimeout(20)
            report = json.loads(again.recv(1 << 20))
            while "gc" not in report:
                report = json.loads(again.recv(1 << 20))
            assert "hello" in report
            assert max(loop["max"] for loop in report["loops"]) > 0.35
            assert any(block["max"] > 0.35 for block in report["blocked"])
        out, err = process.communicate("\n", timeout=20)
    del sock
    assert (process.returncode, out, err) == (0, "end\n", "")


def test_nobody_reading_blocks_nothing() -> None:
    """With the agent stopped and its queue full the program's rhythm stays as it was."""
    program = """
        import time
        begun = time.perf_counter()
        for _ in range(4):
            time.sleep(0.5)
        print("end")
    """
    with listening() as (sock, path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            while _fits(filler, path):
                pass
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], env=environment(path),
            capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        del sock
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def _fits(filler: socket.socket, path: str) -> bool:
    try:
        filler.sendto(b"{}", path)
    except BlockingIOError:
        return False
    return True


@each_version
def test_the_switch_turns_it_off(version: str) -> None:
    """MONIT_PROBE=0: no report, no thread, no module."""
    ran = run(
        "import sys, time; print('_monit_probe' in sys.modules); time.sleep(0.6)",
        interpreter=python(version),
        env={"MONIT_PROBE": "0"},
    )

    assert (ran.code, ran.out, ran.err, ran.reports) == (0, "False\n", "", [])


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7", *VERSIONS])
def test_the_next_sitecustomize_runs_as_without_us(version: str, tmp_path: Path) -> None:
    """A sitecustomize of the user's is found, is the one in sys.modules, and its errors are
    written as Python writes them; Pythons too old for the probe have nothing but that."""
    found = python(version)
    theirs = tmp_path / "sitecustomize.py"
    theirs.write_text("import sys\nsys.stderr.write('theirs\\n')\n")
    program = "import sys; print(sys.modules['sitecustomize'].__file__)"

    def runs(first: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [found, "-c", program],
            env=environment("/nowhere", PYTHONPATH=f"{first}{tmp_path}"),
            capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, done.stdout.replace(".pyc", ".py"), done.stderr

    assert runs(f"{INJECT}:") == runs("") == (0, f"{theirs}\n", "theirs\n")
    theirs.write_text("raise ValueError('theirs')\n")
    assert runs(f"{INJECT}:") == runs("")


def test_gevents_patches_do_not_reach_it() -> None:
    """A program that replaces time.sleep, locks and threads with its own, as gevent does, still
    has reports, from a real thread."""
    ran = run(
        """
        import _thread, time, os
        real = time.sleep
        def broken(*arguments, **more):
            raise RuntimeError("replaced")
        time.sleep = _thread.start_new_thread = broken
        os.fork = os.read = os.close = time.perf_counter = time.time = broken
        while not passed("replaced"):
            real(0.02)
        os._exit(0)
    """,
        gates={"replaced": two_reports},
    )

    assert (ran.code, ran.err) == (0, "")
    assert ran.last["faults"] == 0, ran.last["fault"]


def test_a_sigpipe_that_kills_is_not_raised_by_us() -> None:
    """A program that lets SIGPIPE kill it keeps running when the agent is gone."""
    ran = run("""
        import os, signal, time
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.unlink(os.environ["MONIT_PROBE_SOCK"])
        time.sleep(1.6)
        print("alive")
    """)

    assert (ran.code, ran.out) == (0, "alive\n")


def test_exec_keeps_the_pid_and_begins_a_new_count() -> None:
    """A program that replaces itself differs from the one before in when its probe started."""
    ran = run("""
        import os, sys, time
        time.sleep(0.5)
        if len(sys.argv) < 2:
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(0.6)"])
    """)

    assert len({report["pid"] for report in ran.reports}) == 1
    assert len({report["started"] for report in ran.reports}) == 2


def test_a_keyboard_interrupt_ends_a_program_as_always() -> None:
    """SIGINT reaches the main thread at once, although there is another that could take it."""
    with listening() as (_, path):
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"],
            env=environment(path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode in (130, -signal.SIGINT)
    assert err.rstrip().endswith("KeyboardInterrupt")


def test_some_interpreter_is_there_for_these_tests() -> None:
    """The versions above are skipped where they are missing, but not all of them."""
    assert any(interpreter(version) for version in VERSIONS)
