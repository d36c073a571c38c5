"""What a stream had to drop, and what it took out of its pipe and could not write yet.

Both are kept in memory for the next keeper: a count that ended with its keeper would make losses
invisible, and without the rest of a line two halves of different lines would become one.
"""

from monit_agent.keeper.upgrade.inherited import Values, bytes_of, text_of
from monit_agent.system.claim import memory_name
from monit_agent.system.memory.memory_folder import (
    names_in_memory,
    read_memory_file,
    remove_memory_file,
    write_memory_file,
)
from monit_agent.system.suppress import suppress

_EXTENSION = ".dropped"


class DroppedBytes:
    """The account of one stream of the app in ``folder``."""

    def __init__(self, folder: str, instance: int, stream: str) -> None:
        self._name = memory_name(folder, f"{instance}.{stream}{_EXTENSION}")
        self._unwritten = b""
        self.count = 0
        """How many bytes were dropped."""
        self.inside_line = False
        """The last byte that was dropped is not the end of a line."""

    def load(self) -> bytes:
        """Take over the account of an earlier keeper; return the bytes that must be written before
        what is in the pipe."""
        raw = read_memory_file(self._name)
        if raw is None:
            return b""
        head, _, unwritten = raw.partition(b"\n")
        count, _, inside_line = head.partition(b" ")
        if not count.isdigit():
            return b""
        self.count, self.inside_line = int(count), inside_line == b"1"
        self._unwritten = unwritten
        return unwritten

    def hand_on(self) -> Values:
        """Return the account for the next program."""
        unwritten = text_of(self._unwritten)
        return {"count": self.count, "inside_line": self.inside_line, "unwritten": unwritten}

    def resume(self, given: Values) -> bytes:
        """Take over the account of the program before this one, as `load`."""
        self.count, self.inside_line = given["count"], given["inside_line"]
        self._unwritten = bytes_of(given["unwritten"])
        return self._unwritten

    def add(self, count: int, *, inside_line: bool, unwritten: bytes) -> None:
        """Count dropped bytes; ``unwritten`` are those that were taken out of the pipe besides."""
        self.count += count
        self.inside_line = inside_line
        self._save(unwritten)

    def note_unwritten(self, unwritten: bytes) -> None:
        """Note what must be written before what is in the pipe."""
        if unwritten != self._unwritten:
            self._save(unwritten)

    def forget(self) -> None:
        """Remove the account: the stream is gone."""
        remove_memory_file(self._name)

    def _save(self, unwritten: bytes) -> None:
        self._unwritten = unwritten
        with suppress(OSError):  # then this keeper knows it, and the next one does not
            head = b"%d %d\n" % (self.count, self.inside_line)
            write_memory_file(self._name, head + unwritten)


def forget_dropped(folder: str) -> None:
    """Remove the accounts of all streams of an app: it was deleted, or is a new one."""
    prefix = memory_name(folder, "")
    for name in names_in_memory():
        if name.startswith(prefix) and name.endswith(_EXTENSION):
            remove_memory_file(name)
