"""Questions to the user database: an answer, or none for now."""

import subprocess
import threading

import pytest

from monit_agent.agent import user_database
from monit_agent.agent.user_database import NoAnswerError, UserDatabase
from support.waiting import wait_until


def answer_or_none(users: UserDatabase, key: object) -> object:
    try:
        return users.ask(key, lambda: "asked again")
    except NoAnswerError:
        return None


def test_a_late_answer_is_had_later() -> None:
    """Who asked the same again gets the answer to the first question, also behind another one."""
    users, gate = UserDatabase(), threading.Event()
    with pytest.raises(NoAnswerError, match="does not answer"):
        users.ask("one", lambda: gate.wait() and "first")
    with pytest.raises(NoAnswerError):
        users.ask("other", lambda: "second")
    gate.set()
    assert wait_until(lambda: answer_or_none(users, "other"), what="an answer") == "second"
    assert wait_until(lambda: answer_or_none(users, "one"), what="an answer") == "first"


def test_what_a_lookup_raises_is_raised() -> None:
    """As if there were no thread."""

    def fail() -> None:
        raise KeyError("nobody")

    with pytest.raises(KeyError, match="nobody"):
        UserDatabase().ask("one", fail)


def test_an_answer_that_nobody_fetches_delays_no_other_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who asks for the first time waits for the answer."""
    users, gate, answered = UserDatabase(), threading.Event(), threading.Event()
    with pytest.raises(NoAnswerError):
        users.ask("abandoned", lambda: gate.wait() and "late")
    with pytest.raises(NoAnswerError):
        users.ask("behind", lambda: answered.set() or "late, too")
    gate.set()
    assert answered.wait(60)
    assert wait_until(lambda: answer_or_none(users, "behind"), what="an answer") == "late, too"
    monkeypatch.setattr(user_database, "WAIT_S", 60.0)
    assert users.ask("another", lambda: subprocess.call(["true"])) == 0
