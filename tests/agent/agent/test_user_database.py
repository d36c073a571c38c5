"""Questions to the user database: an answer, or none for now."""

import threading

import pytest

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
