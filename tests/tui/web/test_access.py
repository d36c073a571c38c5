"""Who may open the screen in a browser."""

import pytest

from monit_tui.web.access import AccessRules, is_loopback

RULES = AccessRules("secret", frozenset({"monit.example.com"}))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:9210", None),
        ("127.0.0.1:9210", "http://127.0.0.1:9210"),
        ("localhost:7000", "http://localhost:7000"),
        ("LOCALHOST", "https://localhost"),
        ("[::1]:9210", "http://[::1]:9210"),
        ("192.0.2.7:9210", "http://192.0.2.7:9210"),
        ("monit.example.com", "https://monit.example.com"),
        ("127.0.0.1:9210", "https://monit.example.com"),
    ],
)
def test_pages_of_this_machine_may(host: str, origin: str | None) -> None:
    """An address, localhost and names that the user allowed; whatever the port of a tunnel is."""
    assert RULES.why_refused("secret", host, origin) == ""


@pytest.mark.parametrize(
    "host",
    [
        None, "", "evil.example", "localhost.evil.example", "evil.example:9210", "127.0.0.1.evil",
        "a@localhost", "localhost/..", "[::1", "localhost:x", "\xff",
    ],
)  # fmt: skip
def test_a_name_that_was_bound_to_this_machine_may_not(host: str | None) -> None:
    """A Host header with an unknown name is refused, and the text says what to do (DNS
    rebinding)."""
    assert "--allow-host" in RULES.why_refused("secret", host, None)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example", "null", "", "http://localhost:9211", "file://127.0.0.1:9210",
        "http://127.0.0.1:9210.evil.example", "http://[", "https://evil.monit.example.com",
    ],
)  # fmt: skip
def test_another_page_may_not(origin: str) -> None:
    """A page of another origin is refused even with the token."""
    assert "another page" in RULES.why_refused("secret", "127.0.0.1:9210", origin)


@pytest.mark.parametrize(
    "token", ["", "secre", "secret ", "SECRET", "sécret", "\udcff", "favicon.ico"]
)
def test_without_the_token_nobody_may(token: str) -> None:
    """Only the whole token counts."""
    assert "token" in RULES.why_refused(token, "localhost", None)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("", False), ("10.0.0.1", False),
        ("127.0.0.1.evil.example", False),
    ],
)  # fmt: skip
def test_only_this_machine_reaches_loopback(host: str, expected: bool) -> None:
    """A name other than localhost may mean any address."""
    assert is_loopback(host) == expected
