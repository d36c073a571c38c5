"""The short name of a process. `short_name` is pure; `ProcessNames` caches, so that a command line
is read only when a process is new or has become another program.

A command line may hold secrets (``--broker redis://:password@…``), and who may see an app's figures
need not see those: of arguments only the script or module is shown.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.proctree import TreeReader

NAME_MOST = 64
"""Characters of a name."""

_SHELLS = ("sh", "bash", "dash", "zsh", "ash", "ksh", "fish")
_INTERPRETERS = re.compile(
    r"(?:python|pypy|node|nodejs|ruby|perl|php|deno|bun|java|{})[\d.]*t?".format("|".join(_SHELLS))
)
_VALUED = frozenset({
    "-W", "-X", "-r", "--require", "--import", "--loader", "-I", "-cp", "-classpath",
    "--class-path", "-O", "-o", "--check-hash-based-pycs", "--env-file", "-C", "--conditions",
})  # fmt: skip
"""Options of interpreters whose value is a word of its own; a wrong guess only names less."""
_CODE = frozenset({"-c", "-e", "--eval", "-p", "--print", "-pe", "-lc"})
_SECRET = re.compile(r"\s+(?=[-(\"'{])|\s+\S*(?:://|=)")
"""Where a title ends and arguments follow, as in celery's titles."""
_SPAWNED = re.compile(r"from (multiprocessing\.\w+) import ")


class _CachedName(NamedTuple):
    comm: str
    name: str
    started_at: float
    readings: int


class ProcessNames:
    """Names and start times of the processes of one tree."""

    def __init__(self, reader: TreeReader) -> None:
        self._reader = reader
        self._known: dict[tuple[int, float], _CachedName] = {}

    def update(self, processes: Sequence[Proc]) -> None:
        """Read the names of these processes; drop all others."""
        before = self._known
        self._known = {}
        for process in processes:
            key = (process.pid, process.started)
            self._known[key] = self._read(process, before.get(key))

    def of(self, process: Proc) -> tuple[str, float]:
        """Return name and start (wall seconds) of a process of the last `update`."""
        known = self._known[process.pid, process.started]
        return known.name, known.started_at

    def _read(self, process: Proc, old: _CachedName | None) -> _CachedName:
        readings = old.readings + 1 if old else 1
        # programs set their title a moment after they started, and some again later: the 1st, 2nd,
        # 4th, 8th … call reads it again
        if old and old.comm == process.comm and readings & (readings - 1):
            return old._replace(readings=readings)
        name = short_name(self._reader.arguments(process), process.comm)
        started_at = old.started_at if old else self._reader.started_at(process)
        return _CachedName(process.comm, name, started_at, readings)


def short_name(arguments: Sequence[str], comm: str) -> str:
    """Return a name made of the title of a process, or of its program and script or module.

    ``["/usr/bin/python3", "-m", "celery", "-A", "app"]`` is ``python3 -m celery``.
    """
    words = [word for word in arguments if word] or [comm]
    first, rest = words[0], words[1:]
    if not rest and " " in first and not first.startswith("/"):
        return _printable(_SECRET.split(first, maxsplit=1)[0])
    program = _base(first).removeprefix("-")
    if _INTERPRETERS.fullmatch(program):
        return _printable(f"{program} {_script(rest)}".rstrip())
    return _printable(program)


def _script(words: Sequence[str]) -> str:
    """Return what an interpreter runs; "" when the arguments do not show it."""
    skipped = False
    for place, word in enumerate(words):
        if skipped:
            skipped = False
        elif word in ("-m", "-jar") and place + 1 < len(words):
            target = words[place + 1]
            return f"-m {target}" if word == "-m" else _base(target)
        elif word in _CODE:
            spawned = _SPAWNED.match(words[place + 1]) if place + 1 < len(words) else None
            return spawned[1] if spawned else word
        elif word in _VALUED:
            skipped = True
        elif not word.startswith("-"):
            return _base(word)
    return ""


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _printable(text: str) -> str:
    shown = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return shown.strip()[:NAME_MOST] or "?"
