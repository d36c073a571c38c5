"""URLs of webhooks: read here, for config files and for the agent. Pure.

Such a URL is often a secret: nothing prints one, and no error quotes it. Not `urllib.parse`, whose
import takes longer than all that `monit list` does with one.
"""

LONGEST = 4096


class BadWebhookError(ValueError):
    """The text is no URL of a webhook; the message says why and does not quote it."""


def check_webhook(url: str) -> str:
    """Return the URL; raise `BadWebhookError`."""
    form = "write https://HOST/PATH or http://HOST:PORT/PATH"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise BadWebhookError(f"the URL has spaces, or letters that a URL writes as %XX; {form}")
    if len(url) > LONGEST:
        raise BadWebhookError(f"the URL has more than {LONGEST} characters")
    scheme, authority = _parts(url)
    host, colon, port = authority.rpartition(":")
    if colon and not port.endswith("]"):
        has_port = port.isdigit() and 0 < int(port[:6]) < 65536
    else:
        host, has_port = authority, True
    if scheme not in ("http", "https") or not host or not has_port:
        raise BadWebhookError(f"the URL is not one of a webhook; {form}")
    return url


def redacted(url: str) -> str:
    """Return ``https://HOST/…``: all that may be shown of a webhook."""
    if not url:
        return ""
    scheme, authority = _parts(url)
    return f"{scheme}://{authority}/…"


def _parts(url: str) -> tuple[str, str]:
    """Return scheme, and host and port without a user and a password."""
    scheme, _, rest = url.partition("://")
    for end in "/?#\\":
        rest = rest.partition(end)[0]
    return scheme.lower(), rest.rpartition("@")[2]
