"""Which hosts a user means: names of ssh's, separated by commas, and groups of ``hosts.toml``.

``hosts.toml`` is in the user's config folder (``~/.config/monit/hosts.toml``)::

    [prod]
    hosts = ["web1", { ssh = "deploy@web2", name = "web2", path = "/opt/monit/bin/monit" }]
"""

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple, cast

from monit_agent.client.targets import LOCALHOST

CONNECTING_AT_ONCE = 4
"""Hosts that are dialled at the same time: sshd drops some of many that come together."""

LOGIN_S = 15.0
"""How long ssh, the login and the start of the bridge may take."""

_KEYS = ("ssh", "name", "path", "home")
_NAME = re.compile(r"[A-Za-z0-9_.@-]+")


class HostError(ValueError):
    """A host or a group that cannot be used; the text says what to do."""


class Host(NamedTuple):
    """One machine and how it is reached."""

    name: str
    """How it is called here: before the colon of a target, and in the list."""
    ssh: str
    """What ssh is given: a name of ssh's, maybe with a user."""
    path: str = "monit"
    """The command there."""
    home: str | None = None
    """``$MONIT_HOME`` there; None for the user's own."""

    @property
    def is_local(self) -> bool:
        """Return whether it is this machine."""
        return self.ssh == LOCALHOST


def hosts_file(environ: Mapping[str, str]) -> str:
    """Return the path of ``hosts.toml``."""
    folder = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(folder):
        folder = os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(folder, "monit", "hosts.toml")


def parse_hosts(texts: Iterable[str], path: str) -> tuple[Host, ...]:
    """Return the hosts that ``web1,deploy@web2`` and ``@group`` mean, each once; raise `HostError`.

    ``path`` is that of ``hosts.toml``, which is read when a group is named."""
    found: dict[str, Host] = {}
    for word in (word.strip() for text in texts for word in text.split(",")):
        if not word:
            continue
        for host in _group(word[1:], path) if word.startswith("@") else [_host(word)]:
            known = found.setdefault(host.name, host)
            if known != host:
                raise HostError(
                    f"two hosts are called {host.name}: {known.ssh} and {host.ssh}; "
                    "give one of them another name in hosts.toml"
                )
    return tuple(found.values())


def read_groups(path: str) -> dict[str, list[Host]]:
    """Return the groups of ``hosts.toml``; none when there is no such file. Raise `HostError`."""
    import tomllib  # noqa: PLC0415 — only for a group

    try:
        with open(path, "rb") as file:
            content: dict[str, object] = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise HostError(f"cannot read {path}: {error}") from error
    return {group: _read_group(path, group, value) for group, value in content.items()}


def _group(name: str, path: str) -> list[Host]:
    groups = read_groups(path)
    if name in groups:
        return groups[name]
    near = get_close_matches(name, groups, n=1)
    known = ", ".join(f"@{each}" for each in groups)
    there = f"it has {known}" if groups else f'write one: [{name}] and hosts = ["web1"]'
    guess = f"; did you mean @{near[0]}?" if near else ""
    raise HostError(f"there is no group {name!r} of hosts in {path}; {there}{guess}")


def _read_group(path: str, group: str, value: object) -> list[Host]:
    place = f"{path}: [{group}]"
    hosts = cast("dict[str, object]", value).get("hosts") if isinstance(value, dict) else None
    if not isinstance(hosts, list):
        raise HostError(f'{place} needs a list: hosts = ["web1", "deploy@web2"]')
    return [_read_host(place, each) for each in cast("list[object]", hosts)]


def _read_host(place: str, value: object) -> Host:
    if isinstance(value, str):
        return _host(value, place)
    if not isinstance(value, dict):
        raise HostError(f"{place}: a host is a name or a table with ssh, not {value!r}")
    table = cast("dict[str, object]", value)
    for key, text in table.items():
        if key not in _KEYS:
            raise HostError(f"{place}: a host has no key {key!r}; it has {', '.join(_KEYS)}")
        if not isinstance(text, str) or not text or "\n" in text:
            raise HostError(f"{place}: {key} is a text of one line")
    if "ssh" not in table:
        raise HostError(f"{place}: a host needs ssh, the name that ssh knows it by")
    ssh, home = str(table["ssh"]), table.get("home")
    name, path = str(table.get("name", _plain_name(ssh))), str(table.get("path", "monit"))
    return _checked(Host(name, ssh, path, None if home is None else str(home)), place)


def _host(word: str, place: str = "--host") -> Host:
    """Return the host of ``deploy@web2``, which is called ``web2``."""
    return _checked(Host(_plain_name(word), word), place)


def _plain_name(ssh: str) -> str:
    return ssh.rpartition("@")[2]


def _checked(host: Host, place: str) -> Host:
    if _is_ipv6(host.ssh):
        if ":" in host.name:  # which ends the name of a host in a target
            raise HostError(
                f"{place}: an IPv6 address needs a name, in hosts.toml: "
                f'{{ ssh = "{host.ssh}", name = "db" }}, or in ~/.ssh/config'
            )
        words = (host.name,)
    else:
        words = (host.name, host.ssh)
    for word in words:
        if word.startswith("-") or not _NAME.fullmatch(word):
            raise HostError(
                f"{place}: {word!r} is no name of a host; ports, users and keys belong into "
                "~/.ssh/config, and the name given there here"
            )
    return host


def _is_ipv6(word: str) -> bool:
    """Return whether ssh is given an IPv6 address, maybe with a user."""
    user, at, address = word.rpartition("@")
    if ":" not in address or (at and (user.startswith("-") or not _NAME.fullmatch(user))):
        return False
    import ipaddress  # noqa: PLC0415 — hosts have names, as a rule

    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True
