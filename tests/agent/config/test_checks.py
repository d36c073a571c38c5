"""Checks as a user writes them."""

from collections.abc import Callable

import pytest

from monit_agent.config import values
from monit_agent.config.checks import refuse_contradictions
from monit_agent.config.errors import BadInputError
from monit_agent.config.options import BY_KEY
from monit_agent.supervise.spec import AppSpec, Checks, RestartPolicy


def _parser(key: str) -> Callable[[str], object]:
    return lambda text: values.parse_option(BY_KEY[key], text)


SPEC = AppSpec("web", "w.py", ("python", "w.py"), "/", "me")


def test_a_command_is_split_as_a_shell_does() -> None:
    """Quotes hold words together; nothing is expanded."""
    assert values.parse_command("sh -c 'echo $X; exit 1'") == ("sh", "-c", "echo $X; exit 1")


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (values.parse_command, "", "empty"),
        (values.parse_command, "  ", "empty"),
        (values.parse_command, "''", "empty"),
        (values.parse_command, "a 'b", "cannot be split"),
        (values.parse_url, "https://h/", "--health-command"),
        (values.parse_url, "h:80", "not a URL"),
        (_parser("health.interval"), "0", "too short"),
        (_parser("health.interval"), "100ms", "too short"),
        (_parser("health.interval"), "-1s", "not a duration"),
        (_parser("health.interval"), "10", "no unit"),
        (_parser("health.timeout"), "0s", "too short"),
        (_parser("restart-stuck"), "1s", "too short"),
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
        (SPEC._replace(checks=Checks(ready_url="http://h/", ready_command=("a",))), "not both"),
        (SPEC._replace(checks=Checks(health_url="http://h/", health_command=("a",))), "not both"),
        (SPEC._replace(wait_ready=True, checks=Checks(ready_command=("a",))), "--wait-ready"),
        (SPEC._replace(checks=Checks(ready_url="http://h:{port}/")), "--port"),
        (SPEC._replace(checks=Checks(health_interval_s=1.0)), "--health-url"),
        (SPEC._replace(checks=Checks(health_failures=1)), "--health-url"),
        (SPEC._replace(policy=RestartPolicy(reload_command=("a",), reload_signal=1)), "not both"),
        (SPEC._replace(policy=RestartPolicy(reload_signal=15)), "SIGTERM stops the worker"),
        (SPEC._replace(policy=RestartPolicy(reload_signal=9)), "SIGKILL stops the worker"),
        (
            SPEC._replace(policy=RestartPolicy(reload_command=("kill", "-HUP", "$MAINPID"))),
            "sh -c 'kill -HUP $MAINPID'",
        ),
        (
            SPEC._replace(policy=RestartPolicy(reload_command=("do", "a b", "p=${MAINPID}", ""))),
            """write sh -c 'do '"'"'a b'"'"' p=${MAINPID} '"'"''"'"'', or""",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(spec: AppSpec, says: str) -> None:
    """Two checks of a kind, a word and a check, a port that is not there, a rhythm of nothing."""
    with pytest.raises(BadInputError) as caught:
        refuse_contradictions(spec, {})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "words", [("sh", "-c"), ("bash", "-ec"), ("sh", "-e", "-lc"), ("doas", "sh", "-xc")]
)
def test_a_reload_command_of_a_shell_may_use_mainpid(words: tuple[str, ...]) -> None:
    """Whatever other options the shell has."""
    command = (*words, "kill -HUP $MAINPID")
    spec = SPEC._replace(policy=RestartPolicy(reload_command=command))
    assert refuse_contradictions(spec, {}) == spec


def test_what_makes_sense_passes() -> None:
    """A time-out is for readiness too, so it needs no health check."""
    spec = SPEC._replace(
        port=8000, checks=Checks(ready_url="http://h:{port}/", health_timeout_s=1.0)
    )
    assert refuse_contradictions(spec, {}) == spec
