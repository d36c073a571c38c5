"""Notices: few of them, none lost, and a queue that is bounded."""

from pathlib import Path
from typing import Any

import pytest

from monit_agent.agent.alerts.hook_queue import NoticeQueues, Waiting
from monit_agent.agent.alerts.notices import ALSO, AlertPace, Notice, make_notice
from monit_agent.wire.limits import NOTICES
from monit_agent.wire.webhook import BadWebhookError, check_webhook, redacted

WHO: dict[str, Any] = {"host": "h", "app": "web", "instance": 0}


def _notice(number: int) -> Notice:
    return make_notice("alert_fired", WHO, 1.0 + number, f"number {number}", rule="slow")


def test_the_first_notice_passes_and_those_of_its_minute_become_one() -> None:
    """The text ends with how many there are besides, and they are listed."""
    pace = AlertPace()

    assert pace.add(_notice(0), 100.0) == _notice(0)
    for number in range(1, 5):
        assert pace.add(_notice(number), 100.0 + number) is None
    assert pace.due(159.0) is None
    joined = pace.due(160.0)
    assert joined is not None
    assert joined["text"] == "web/0 on h: number 1 (+3)"
    assert joined["more"] == 3
    assert [each["text"] for each in joined["also"]] == [_notice(n)["text"] for n in (2, 3, 4)]
    assert pace.due(1000.0) is None
    assert pace.add(_notice(5), 220.0) == _notice(5)


def test_one_that_waited_alone_is_sent_as_it_is() -> None:
    """Nothing is added to a single notice."""
    pace = AlertPace()
    pace.add(_notice(0), 0.0)
    pace.add(_notice(1), 1.0)
    assert pace.due(60.0) == _notice(1)


def test_a_thousand_in_a_minute_are_counted() -> None:
    """A notice stays short; the number is right."""
    pace = AlertPace()
    pace.add(_notice(0), 0.0)
    for number in range(1000):
        pace.add(_notice(number), 1.0)
    joined = pace.due(61.0)
    assert joined is not None
    assert (len(joined["also"]), joined["more"]) == (ALSO, 999)


def test_a_queue_is_bounded_and_counts_what_it_drops(tmp_path: Path) -> None:
    """The oldest go first; what waits is there for the next agent."""
    path = str(tmp_path / "notices.json")
    queues = NoticeQueues(path, ("command", "webhook"))
    for number in range(NOTICES + 3):
        queues.add("command", _notice(number))
    assert queues.dropped == {"command": 3, "webhook": 0}
    assert queues.take("command") == Waiting(_notice(3))
    queues.put_back("command", Waiting(_notice(3), 2))

    again = NoticeQueues(path, ("command", "webhook"))
    assert again.take("command") == Waiting(_notice(3), 2)
    assert len(again.queues["command"]) == NOTICES - 1
    again.clear("command")
    assert NoticeQueues(path, ("command",)).take("command") is None


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b'{"version": 2}', b'{"version": 1}', b'{"version": 1, "waiting": {"c": [7]}}'],
)
def test_a_damaged_file_of_notices_is_left_out(tmp_path: Path, raw: bytes) -> None:
    """It ends nothing, and nothing waits."""
    (tmp_path / "notices.json").write_bytes(raw)
    assert NoticeQueues(str(tmp_path / "notices.json"), ("c",)).take("c") is None


def test_a_folder_that_is_gone_keeps_notices_in_memory(tmp_path: Path) -> None:
    """A full disk stops no notice."""
    queues = NoticeQueues(str(tmp_path / "no" / "notices.json"), ("c",))
    queues.add("c", _notice(1))
    assert queues.take("c") == Waiting(_notice(1))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.org/T0/secret?token=secret#secret", "https://hooks.example.org/…"),
        ("http://user:secret@127.0.0.1:8080/secret", "http://127.0.0.1:8080/…"),
        ("https://[::1]:9/secret", "https://[::1]:9/…"),
        ("https://[::1]", "https://[::1]/…"),
        ("HTTPS://example.org?secret", "https://example.org/…"),
    ],
)
def test_only_the_host_of_a_webhook_is_shown(url: str, shown: str) -> None:
    """Path, query, user and password may be secrets."""
    assert check_webhook(url) == url
    assert redacted(url) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "url",
    [
        "secret", "ftp://secret", "https://", "https:///secret", "http://h:99999/secret",
        "http://h:x/secret", "https://h/sec ret", "https://h/s\u00e9cret",
        "https://h/" + "x" * 5000,
        "http://:80/secret",
    ],
)  # fmt: skip
def test_an_error_about_a_webhook_does_not_quote_it(url: str) -> None:
    """A misspelled URL is a secret, too."""
    with pytest.raises(BadWebhookError) as error:
        check_webhook(url)
    assert "secret" not in str(error.value)
    assert "write https://HOST/PATH" in str(error.value) or "characters" in str(error.value)
