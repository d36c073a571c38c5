"""When `monit run` ends by itself, and with which exit code."""

from typing import Any

import pytest

from monit_agent.foreground.outcome import exit_code, instance_standing
from monit_agent.foreground.plan import ExitOn


def record(status: str, *, code: int | None = None, killed_by: int | None = None,
           desired: str = "running") -> dict[str, Any]:  # fmt: skip
    """Return an instance whose last exit was as described."""
    has_exit = code is not None or killed_by is not None
    exits = [{"code": code, "signal": killed_by}] if has_exit else []
    return {"status": status, "desired": desired, "exits": exits}


ONLINE = record("online")
CRASHED = record("errored", code=3)
DONE = record("stopped", code=0)
GAVE_UP = record("stopped", code=5)
KILLED = record("errored", killed_by=9)
PAUSED = record("stopped", desired="stopped", code=0)
UNRUNNABLE = record("errored")
LEFT_WITH_0 = record("errored", code=0)


@pytest.mark.parametrize(
    ("apps", "exit_on", "code"),
    [
        ([[ONLINE]], "any", None),
        ([[record("backoff", code=1)]], "any", None),
        ([[CRASHED]], "any", 3),
        ([[KILLED]], "any", 137),
        ([[UNRUNNABLE]], "any", 1),
        ([[LEFT_WITH_0]], "any", 1),
        ([[DONE]], "any", 0),
        ([[GAVE_UP]], "any", 5),
        ([[PAUSED]], "any", None),
        ([[ONLINE, CRASHED]], "any", 3),
        ([[ONLINE, CRASHED]], "all", None),
        ([[ONLINE], [CRASHED]], "any", 1),
        ([[ONLINE], [CRASHED]], "all", None),
        ([[DONE], [CRASHED]], "all", 1),
        ([[DONE], [DONE]], "all", 0),
        ([[ONLINE], [DONE]], "any", None),
        ([[PAUSED], [CRASHED]], "all", None),
        ([[CRASHED]], "never", None),
        ([[DONE]], "never", None),
        ([[], [DONE]], "any", None),
        ([], "any", 0),
    ],
)
def test_the_end(apps: list[list[dict[str, Any]]], exit_on: ExitOn, code: int | None) -> None:
    """A single app's own code, 1 for one of several, none while something can still run."""
    standings = {
        str(number): [(each, instance_standing(each)) for each in instances]
        for number, instances in enumerate(apps)
    }
    assert exit_code(standings, exit_on) == code


def test_an_exit_code_that_means_done_is_a_success() -> None:
    """What --stop-exit-codes names is not a failure."""
    finished = record("stopped", code=7)
    assert exit_code({"web": [(finished, instance_standing(finished, [7]))]}, "any") == 0
