"""Who may open the screen in a browser. Pure; standard library only.

The token in the address is what counts. The headers are checked because of web pages that the
user has open elsewhere: a name of theirs may begin to point to this machine (DNS rebinding), and a
browser lets any page open a websocket.
"""

import hmac
import re
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class AccessRules(NamedTuple):
    """The token, and the names under which a browser may know this machine."""

    token: str
    names: frozenset[str] = frozenset()

    def why_refused(self, token: str, host: str | None, origin: str | None) -> str:
        """Return why a request is refused, "" if it is not.

        ``host`` and ``origin`` are its headers. An address cannot be rebound, so only names must
        be known. What sends no Origin is no page in a browser.
        """
        name = _host_name(host)
        if not name or not (_is_address(name) or name == "localhost" or name in self.names):
            return (
                f"this machine is not known as {name or 'that'}; if it is, start monit web with "
                f"--allow-host {name or 'NAME'}"
            )
        if origin is not None and not self._is_own(origin, host or ""):
            return "another page may not open the screen"
        if not hmac.compare_digest(
            token.encode("utf-8", "surrogateescape"), self.token.encode("utf-8")
        ):
            return "the address has not the token; open the one that monit web printed"
        return ""

    def _is_own(self, origin: str, host: str) -> bool:
        """Return whether a page of this origin is from here. A proxy may change the Host header,
        so a page of a name that the user allowed is, too."""
        try:
            parts = urlsplit(origin)
            name = parts.hostname or ""
        except ValueError:
            return False
        is_own = parts.netloc.lower() == host.lower() or name in self.names
        return parts.scheme in {"http", "https"} and is_own


def _host_name(host: str | None) -> str:
    """Return the name in a Host header, "" if it is none."""
    if not _HOST.fullmatch(host or ""):
        return ""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address to listen on."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
