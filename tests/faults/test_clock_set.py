"""The wall clock is set under a running app, as far as its processes see it (libfaketime)."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.command_line import command, keeper_pid
from support.waiting import wait_until

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)

pytestmark = [
    pytest.mark.usefixtures("home"),
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed here"),
]

PRINTS = "while :; do echo line; sleep 0.1; done"


class Clock:
    """The clock of all processes that are started with `env`, in seconds from the real one."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)
        self.env = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }

    def set(self, seconds: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self._file)
        self.seconds = seconds

    def now(self) -> float:
        return time.time() + self.seconds

    def monit(self, *words: str) -> str:
        done = command(*words, env=self.env)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def described(self) -> dict[str, Any]:
        return json.loads(self.monit("describe", "web", "--json"))[0]

    def wait_for(self, what: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.described()
            return found if done(found) else None

        return wait_until(look, what=what)


def clock_events(found: dict[str, Any]) -> list[str]:
    events: list[dict[str, str]] = found["history"]["events"]
    return [each["text"] for each in events if each["kind"] == "clock_changed"]


def at_full_hour(found: dict[str, Any], clock: Clock) -> bool:
    """Return whether the next restart is within an hour of what the clock shows."""
    at = found["config"]["cron_next_at"]
    return at is not None and 0 < at - clock.now() <= 3600 and at % 3600 == 0


def test_the_clock_is_set(tmp_path: Path) -> None:
    """Forward, far back, and to its place: an event says each, uptime runs on, the schedule comes
    once for all the times that were passed over and is computed again, and logs and history go
    on."""
    clock = Clock(tmp_path)
    clock.monit(
        "start", "--name", "web", "--cron", "0 * * * *", "--min-uptime", "0.1s",
        "--log-max-size", "64k", "--", "sh", "-c", PRINTS,
    )  # fmt: skip
    first = clock.wait_for("the schedule is known", lambda found: at_full_hour(found, clock))
    clock.set(7200)
    found = clock.wait_for(
        "the schedule came once",
        lambda found: found["restarts"] == 1 and found["status"] == "online"
        and at_full_hour(found, clock),
    )  # fmt: skip
    assert found["pid"] != first["pid"]
    clock.set(-86_400)
    clock.wait_for("it is noticed", lambda found: len(clock_events(found)) == 2)
    back = clock.wait_for("it is computed again", lambda found: at_full_hour(found, clock))
    assert (back["pid"], back["restarts"], back["status"]) == (found["pid"], 1, "online")
    assert found["uptime_s"] <= back["uptime_s"] < 3600
    forward, backward = clock_events(back)
    assert forward.startswith("the clock was set forward by 7")
    assert backward.startswith("the clock was set back by 9")
    length = next(each["end"] for each in back["logs"] if each["stream"] == "out")
    clock.wait_for("lines are kept", lambda found: found["logs"][0]["end"] > length)
    assert "line" in clock.monit("logs", "web", "--no-follow", "-n", "3")
    history = json.loads(clock.monit("history", "web", "--since", "1m", "--json"))
    assert history
    assert back["config"]["keeper_pid"] == keeper_pid("web")
