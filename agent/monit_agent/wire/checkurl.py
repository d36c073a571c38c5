"""URLs of readiness and health checks: read here, for the command line and for the agent.

``http://HOST[:PORT][/PATH]``, or ``unix:SOCKET[:/PATH]`` for HTTP over a Unix socket.
``{port}`` (or ``$PORT``) stands for the port of the instance, ``{instance}`` for its number.
"""

from typing import NamedTuple

NO_TLS = (
    "checks speak plain http:// only; for anything else use a command, "
    "as --health-command 'curl -fsS https://…'"
)
PORTS = ("{port}", "$PORT")


class BadUrlError(ValueError):
    """The URL cannot be checked; the message says why and what to write."""


class CheckAddress(NamedTuple):
    """Where to send the request. ``socket`` is the path of a Unix socket, else ``host`` counts."""

    host: str
    port: int
    path: str
    socket: str | None = None

    @property
    def authority(self) -> str:
        """Return the value of the header ``Host``."""
        if self.socket is not None:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


def wants_port(url: str) -> bool:
    """Return whether the URL can only be read when the instance's port is known."""
    return any(word in url for word in PORTS)


def filled(url: str, port: int | None, instance: int) -> str:
    """Return the URL for one instance; raise `BadUrlError` when it needs a port that is unknown."""
    for word in PORTS:
        if word in url and port is None:
            raise BadUrlError(f"{url!r} has {word}, and the app has no port; set it with --port")
        url = url.replace(word, str(port))
    return url.replace("{instance}", str(instance))


def read_url(url: str) -> CheckAddress:
    """Read a URL that is `filled`; `BadUrlError` says what is wrong with it."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise BadUrlError(f"{url!r} has spaces or letters that a URL writes as %XX")
    scheme, colon, rest = url.partition(":")
    if scheme == "unix" and colon:
        return _read_unix(url, rest)
    if scheme.lower() == "https":
        raise BadUrlError(f"{url!r}: {NO_TLS}")
    if scheme.lower() != "http" or not rest.startswith("//"):
        raise BadUrlError(
            f"{url!r} is not a URL that can be checked; write http://127.0.0.1:8000/health, "
            "http://127.0.0.1:{port}/ or unix:/run/app.sock"
        )
    authority, _, tail = rest[2:].partition("#")[0].partition("/")
    authority, mark, query = authority.partition("?")
    if "@" in authority:
        raise BadUrlError(f"{url!r}: a user and password are not sent; use a command")
    host, port = _read_authority(url, authority)
    return CheckAddress(host, port, f"/{mark}{query}" if mark else f"/{tail}")


def _read_unix(url: str, rest: str) -> CheckAddress:
    socket, _, path = rest.partition(":")
    if not socket or (path and not path.startswith("/")):
        raise BadUrlError(f"{url!r}: write unix:/run/app.sock or unix:/run/app.sock:/health")
    return CheckAddress("", 0, path or "/", socket)


def _read_authority(url: str, authority: str) -> tuple[str, int]:
    if authority.startswith("["):
        host, bracket, port = authority[1:].partition("]")
        wrong = not bracket or (port and not port.startswith(":"))
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
        wrong = ":" in port
    if wrong or not host:
        raise BadUrlError(f"{url!r} names no host; write for example http://127.0.0.1:8000/")
    if port and not (port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        raise BadUrlError(f"{url!r}: {port!r} is not a port; write a number from 1 to 65535")
    return host, int(port or 80)
