"""What a process is called on a screen. `short_name` is pure; `Names` remembers, so that a command
line is read only when a process is new or has become another program.

A command line may hold secrets (``--broker redis://:password@…``), and who may see an app's figures
need not see those: of arguments only the script or module is shown.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from monit_agent.observe.proctree import Proc, TreeReader

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
"""Where a title stops to be one and repeats arguments, as celery's does."""
_SPAWNED = re.compile(r"from (multiprocessing\.\w+) import ")


class _Known(NamedTuple):
    comm: str
    name: str
    started_at: float
    looks: int


class Names:
    """Names and start times of the processes of one tree."""

    def __init__(self, reader: TreeReader) -> None:
        self._reader = reader
        self._known: dict[tuple[int, float], _Known] = {}

    def update(self, processes: Sequence[Proc]) -> None:
        """Learn the names of these processes and forget all others."""
        before = self._known
        self._known = {}
        for process in processes:
            key = (process.pid, process.started)
            self._known[key] = self._look(process, before.get(key))

    def of(self, process: Proc) -> tuple[str, float]:
        """Give name and start (wall seconds) of a process of the last `update`."""
        known = self._known[process.pid, process.started]
        return known.name, known.started_at

    def _look(self, process: Proc, old: _Known | None) -> _Known:
        looks = old.looks + 1 if old else 1
        # programs name themselves a moment after they started, and some again later: the 1st, 2nd,
        # 4th, 8th … look reads anew
        if old and old.comm == process.comm and looks & (looks - 1):
            return old._replace(looks=looks)
        name = short_name(self._reader.arguments(process), process.comm)
        started_at = old.started_at if old else self._reader.started_at(process)
        return _Known(process.comm, name, started_at, looks)


def short_name(arguments: Sequence[str], comm: str) -> str:
    """Name a process after its title, or its program and script or module.

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
    """Give what an interpreter runs, "" when that is not to be seen."""
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
