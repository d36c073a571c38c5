"""Checks as a user writes them."""

from collections.abc import Callable

import pytest

from monit_agent.config import checks
from monit_agent.config.errors import BadInputError
from monit_agent.supervise.spec import AppSpec, Checks

SPEC = AppSpec("web", "w.py", ("python", "w.py"), "/", "me")


def test_a_command_is_split_as_a_shell_does() -> None:
    """Quotes hold words together; nothing is expanded."""
    assert checks.parse_command("sh -c 'echo $X; exit 1'") == ("sh", "-c", "echo $X; exit 1")


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (checks.parse_command, "", "empty"),
        (checks.parse_command, "  ", "empty"),
        (checks.parse_command, "''", "empty"),
        (checks.parse_command, "a 'b", "cannot be split"),
        (checks.parse_url, "https://h/", "--health-command"),
        (checks.parse_url, "h:80", "not a URL"),
        (checks.parse_interval, "0", "too short"),
        (checks.parse_interval, "100ms", "too short"),
        (checks.parse_interval, "-1s", "not a duration"),
        (checks.parse_interval, "10", "no unit"),
        (checks.parse_timeout, "0s", "too short"),
        (checks.parse_stuck, "1s", "too short"),
    ],
)
def test_what_makes_no_sense_is_refused(
    parse: Callable[[str], object], text: str, says: str
) -> None:
    """With a word about what is wrong."""
    with pytest.raises(BadInputError) as caught:
        parse(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (SPEC._replace(checks=Checks(ready_url="http://h/", ready_command=("a",))), "choose one"),
        (SPEC._replace(checks=Checks(health_url="http://h/", health_command=("a",))), "choose one"),
        (SPEC._replace(wait_ready=True, checks=Checks(ready_command=("a",))), "--wait-ready"),
        (SPEC._replace(checks=Checks(ready_url="http://h:{port}/")), "--port"),
        (SPEC._replace(checks=Checks(health_interval_s=1.0)), "--health-url"),
        (SPEC._replace(checks=Checks(health_failures=1)), "--health-url"),
    ],
)
def test_what_contradicts_itself_is_refused(spec: AppSpec, says: str) -> None:
    """Two checks of a kind, a word and a check, a port that is not there, a rhythm of nothing."""
    with pytest.raises(BadInputError) as caught:
        checks.check_checks(spec)
    assert says in str(caught.value)


def test_what_makes_sense_passes() -> None:
    """A time-out is for readiness too, so it needs no health check."""
    spec = SPEC._replace(
        port=8000, checks=Checks(ready_url="http://h:{port}/", health_timeout_s=1.0)
    )
    assert checks.check_checks(spec) == spec
