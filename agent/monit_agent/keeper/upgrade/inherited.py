"""What a keeper hands on to the program that takes its place in the same process.

`execve` keeps the pid, the children and every descriptor that is marked for it. Descriptors keep
their numbers, so a part of the keeper hands on plain values, with numbers among them. They go into
a file in memory: nothing here needs a disk.

A part that is missing, or a key of a part, belongs to another version: what can be found out
otherwise is, as after the death of a keeper.
"""

import os

from monit_agent.system import jsonline
from monit_agent.system.memory.anonymous_file import anonymous_file, read_anonymous_file
from monit_agent.system.suppress import suppress
from monit_agent.typed import Any, cast

FORMAT = 1
"""It changes only when an older version must not read what a newer one hands on."""

Values = dict[str, Any]


class BadInheritanceError(ValueError):
    """What another version handed on cannot be read by this one."""


class HandedOn:
    """Values by part, and the descriptors that must outlive this program."""

    def __init__(self) -> None:
        self.parts: dict[str, Values] = {}
        self._kept: list[int] = []

    def keep(self, fd: int) -> int:
        """Return the number of a descriptor that the next program gets."""
        self._kept.append(fd)
        return fd

    def write(self) -> int:
        """Return a file in memory with all values; raise OSError."""
        parts = {"format": FORMAT, "kept": self._kept, "parts": self.parts}
        return anonymous_file("monit-keeper", jsonline.dump(parts))

    def let_outlive(self, *more: int) -> None:
        """Let the descriptors outlive this program."""
        for fd in (*self._kept, *more):
            os.set_inheritable(fd, True)

    def take_back(self) -> None:
        """Undo `let_outlive`: this program stays, and its children must not get them."""
        for fd in self._kept:
            os.set_inheritable(fd, False)


class Inherited:
    """What the program before this one handed on; empty in a keeper that was started."""

    def __init__(
        self, parts: dict[str, Values] | None = None, kept: list[int] | None = None
    ) -> None:
        self._parts = parts or {}
        self._unused = {*(kept or ())}

    def part(self, name: str) -> Values:
        """Return the values of a part; none if there are none."""
        return self._parts.get(name, {})

    def take(self, fd: int) -> int:
        """Return a descriptor that is ours from now on; raise `BadInheritanceError`."""
        if fd not in self._unused:
            raise BadInheritanceError(f"descriptor {fd} was not handed on")
        self._unused.discard(fd)
        return fd

    def protect(self) -> None:
        """Keep all descriptors from the processes that this one starts."""
        for fd in self._unused:
            os.set_inheritable(fd, False)

    def close_unused(self) -> None:
        """Close what no part of this version has taken."""
        for fd in self._unused:
            with suppress(OSError):
                os.close(fd)
        self._unused.clear()


NOTHING_INHERITED = Inherited()


def read_inherited(fd: int) -> Inherited:
    """Return what is in the file in memory; raise `BadInheritanceError`."""
    try:
        plain: Any = jsonline.load(read_anonymous_file(fd))
        if plain["format"] != FORMAT:
            raise BadInheritanceError(
                f"it is handed on in format {plain['format']}, and this version reads {FORMAT}"
            )
        return Inherited(
            cast("dict[str, Values]", plain["parts"]), cast("list[int]", plain["kept"])
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise BadInheritanceError(f"what is handed on cannot be read: {error}") from error


def text_of(raw: bytes | bytearray) -> str:
    """Return bytes as text that JSON can hold; `bytes_of` returns the bytes."""
    return raw.decode("latin-1")


def bytes_of(text: str) -> bytes:
    """Return the bytes that `text_of` made into text."""
    return text.encode("latin-1")
