"""How long it takes to search a gigabyte of an app's log, beside grep and tail on the same file.

The app prints the gigabyte under monit, which keeps it in one plain file. All is in the page cache
then, for both. Of the agent the time of the request is measured, as the screen sends it; of `monit
logs` the time of the whole command.
"""

import os
import subprocess
import time
from collections.abc import Callable
from functools import partial

from common import STRAIGHT, BenchmarkError, Figure, Monit, alternate, monit, say, wait_for

from monit_agent.client.commands.blocking import request_and_wait
from monit_agent.client.live.live_source import LiveSource
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import LogPart, LogSearch, LogTail, SearchPart

MEGABYTES = 1024
QUICK_MEGABYTES = 128
NEEDLE = "needle_in_haystack"
"""Once, in the first line."""

OFTEN = "checkout failed"
"""Once in each megabyte."""

SEARCHED = (
    ("a text with rare letters", NEEDLE, ()),
    ("a text that is there often", OFTEN, ()),
    ("a text in any case", OFTEN, ("-i",)),
    ("a text in each line", "status=200", ()),
)
"""What, which text, and an option of both programs."""

KEEP_ALL = ("--log-max-size", "none", "--log-max-total", "none", "--log-max-files", "0")


def measure(quick: bool) -> list[Figure]:
    """Return the times of the last lines, of a whole search, and of the first hit."""
    megabytes, rounds = (QUICK_MEGABYTES, 3) if quick else (MEGABYTES, 9)
    say(f"  {megabytes} MB, {rounds} rounds")
    with monit() as manager:
        manager.start("talker", "talker.py", str(megabytes), NEEDLE, OFTEN, options=KEEP_ALL)
        path = manager.log_file("talker")
        wait_for(lambda: os.path.getsize(path) >= megabytes << 20, "all is printed", 300)
        _check(manager, path)
        logs = partial(_command, manager, "logs", "talker", "--out", "--no-follow")
        ask = _Agent(manager)
        figures = [
            (
                "the last 100 lines, request",
                {STRAIGHT: _other("tail", "-n", "100", path), "monit": ask.tail},
            ),
            (
                "the last 100 lines, command",
                {STRAIGHT: _other("tail", "-n", "100", path), "monit": partial(logs, "-n", "100")},
            ),
            *(
                (
                    f"all searched for {what}, command against grep",
                    {
                        STRAIGHT: _other("grep", "-c", *option, text, path),
                        "monit": partial(logs, *option, "--grep", text, "--count"),
                    },
                )
                for what, text, option in SEARCHED
            ),
            (
                "first hit from the end, request",
                {STRAIGHT: _first_by_tac(path), "monit": ask.first_hit},
            ),
        ]
        found = [
            Figure(f"{megabytes} MB of log: {what}", "ms", alternate(rounds, each))
            for what, each in figures
        ]
        ask.close()
    return found


def _check(manager: Monit, path: str) -> None:
    """Raise `BenchmarkError` when monit does not find what grep finds."""
    for text in (NEEDLE, OFTEN):
        ours = manager.run("logs", "talker", "--out", "--no-follow", "--grep", text, "--count")
        words = ["grep", "-c", text, path]
        theirs = subprocess.run(words, capture_output=True, text=True, check=False)
        if ours.split()[0] != theirs.stdout.strip():
            raise BenchmarkError(f"{text}: monit counts {ours}, grep {theirs.stdout}")


class _Agent:
    """Sends requests as the screen does."""

    def __init__(self, manager: Monit) -> None:
        self._source = LiveSource(manager.home)
        self._ask = partial(request_and_wait, self._source, local_app("talker"))
        self._tail = LogTail(instance=0, stream="out", lines=100)
        self._search = LogSearch(instance=0, stream="out", pattern=OFTEN, limit=1)

    def tail(self) -> float:
        """Return the milliseconds of the last lines."""
        began = time.perf_counter()
        answer = self._ask(self._tail)
        if not isinstance(answer, LogPart) or answer.data.count(b"\n") != 100:
            raise BenchmarkError(f"no lines: {str(answer)[:200]}")
        return (time.perf_counter() - began) * 1000

    def first_hit(self) -> float:
        """Return the milliseconds until the newest line that matches is there."""
        began = time.perf_counter()
        answer = self._ask(self._search)
        if not isinstance(answer, SearchPart) or len(answer.lines) != 1:
            raise BenchmarkError(f"no hit: {str(answer)[:200]}")
        return (time.perf_counter() - began) * 1000

    def close(self) -> None:
        """Close the sockets."""
        self._source.close()


def _command(manager: Monit, *words: str) -> float:
    return _timed([*manager.command, *words], manager.environment)


def _other(*words: str) -> Callable[[], float]:
    return partial(_timed, list(words), None)


def _first_by_tac(path: str) -> Callable[[], float]:
    return partial(_timed, ["sh", "-c", f'tac "$0" | grep -m1 "{OFTEN}"', path], None)


def _timed(words: list[str], environment: dict[str, str] | None) -> float:
    began = time.perf_counter()
    # not into the null device, for which grep looks no further than the first match
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(words)} ended with {done.returncode}")
    return (time.perf_counter() - began) * 1000
