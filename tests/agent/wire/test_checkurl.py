"""URLs that can be checked, and those that cannot."""

import pytest

from monit_agent.wire.checkurl import BadUrlError, CheckAddress, filled, read_url, wants_port

GOOD = {
    "http://127.0.0.1:8000/health": CheckAddress("127.0.0.1", 8000, "/health"),
    "HTTP://localhost": CheckAddress("localhost", 80, "/"),
    "http://[::1]:81/a?b=c#d": CheckAddress("::1", 81, "/a?b=c"),
    "http://h?x=1": CheckAddress("h", 80, "/?x=1"),
    "unix:/run/a.sock": CheckAddress("", 0, "/", "/run/a.sock"),
    "unix:a.sock:/up?x": CheckAddress("", 0, "/up?x", "a.sock"),
}
BAD = {
    "https://h/": "https://…",
    "ftp://h/": "write http://",
    "localhost:8000": "write http://",
    "/health": "write http://",
    "http:/h": "write http://",
    "http://": "names no host",
    "http://:80/": "names no host",
    "http://h:0/": "not a port",
    "http://h:99999/": "not a port",
    "http://h:8o/": "not a port",
    "http://[::1/": "names no host",
    "http://a:b@h/": "user and password",
    "http://h/a b": "%XX",
    "http://h/\r\nX: y": "%XX",
    "http://h/ü": "%XX",
    "unix:": "write unix:",
    "unix:/a.sock:up": "write unix:",
    "": "write http://",
}


@pytest.mark.parametrize("url", GOOD)
def test_what_can_be_requested_is_read(url: str) -> None:
    """Host, port, path and query, or the path of a Unix socket."""
    assert read_url(url) == GOOD[url]


@pytest.mark.parametrize("url", BAD)
def test_what_cannot_be_requested_says_what_to_write(url: str) -> None:
    """No line break, no other protocol, no half address gets as far as a socket."""
    with pytest.raises(BadUrlError) as caught:
        read_url(url)
    assert BAD[url] in str(caught.value)


def test_an_instance_has_its_own_port_and_number_in_the_url() -> None:
    """Both spellings of the port; a URL that needs one is refused without."""
    assert filled("http://h:{port}/{instance}", 8001, 3) == "http://h:8001/3"
    assert filled("http://h:$PORT/", 8001, 3) == "http://h:8001/"
    assert filled("http://h/", None, 0) == "http://h/"
    assert wants_port("http://h:$PORT/")
    with pytest.raises(BadUrlError, match="--port"):
        filled("http://h:{port}/", None, 0)


def test_the_host_header_names_what_was_requested() -> None:
    """With a port where it is not the usual one, brackets around IPv6."""
    hosts = [read_url(url).authority for url in ("http://h", "http://h:81", "http://[::1]:81")]
    assert hosts == ["h", "h:81", "[::1]:81"]
    assert read_url("unix:/a").authority == "localhost"
