"""Steps of 10 seconds and of a minute on disk: `history.db`, one row for 360 steps of an instance.

Each metric is compressed by itself, its bytes sorted by significance: an hour of 23 figures takes
some 20 kB. Rows are replaced, never deleted: the row of the hour of a day ago has the slot of
today's, so that nothing grows and a full disk needs no room to heal. There is no fsync: a power cut
may cost the last chunks, a killed process costs none.
"""

import contextlib
import os
import sqlite3
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from monit_agent.agent.history.second import Name
from monit_agent.agent.history.steps import HistoryStep, Steps
from monit_agent.agent.journal import log
from monit_agent.wire.messages import EventRecord, MetricKind

SCHEMA = 1

STEPS = 360
"""Steps in one row: an hour of 10 seconds, six hours of minutes."""

EVENTS_MAX = 10_000
"""Events that are kept, some 2 MB: a crash loop of one a minute for a week."""


class Tier(NamedTuple):
    """A length of steps, and how many rows of `STEPS` are kept of each instance."""

    step_s: int
    rows: int

    @property
    def row_s(self) -> int:
        """Return the seconds that one row covers."""
        return self.step_s * STEPS


TENS = Tier(10, 25)
"""A day, and the hour that is being replaced."""

MINUTES = Tier(60, 121)
"""30 days."""

_TABLES = """
CREATE TABLE IF NOT EXISTS steps (
  step_s INTEGER, instance INTEGER, slot INTEGER, begin INTEGER, data BLOB,
  PRIMARY KEY (step_s, instance, slot)
);
CREATE TABLE IF NOT EXISTS events (
  slot INTEGER PRIMARY KEY, number INTEGER, at REAL, seq INTEGER, data BLOB, UNIQUE (at, seq)
);
"""


class UnusableError(Exception):
    """The file is of a newer version, or cannot be opened at present."""


class _Column(msgspec.Struct, array_like=True):
    """One metric of a row."""

    name: str
    own: bool
    kind: MetricKind
    unit: str
    data: bytes


_encoder = msgspec.msgpack.Encoder()
_columns = msgspec.msgpack.Decoder(list[_Column])
_event = msgspec.msgpack.Decoder(EventRecord)


class HistoryFile:
    """The file at ``path``; opened at the first use. What fails raises `UnusableError`, and is
    tried again at the next use."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def write(self, tier: Tier, instance: int, begin: int, steps: Steps) -> None:
        """Write the row of an instance that begins at the wall time ``begin``."""
        columns = [
            _Column(*name, data=_pack(column, begin // tier.step_s))
            for name, column in steps.items()
        ]
        slot = begin // tier.row_s % tier.rows
        row = tier.step_s, instance, slot, begin, _encoder.encode(columns)
        self._execute("INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?)", [row])

    def begins(self, tier: Tier, instance: int, since: float, until: float) -> set[int]:
        """Return the begin of each row of an instance that reaches into this time."""
        query = (
            "SELECT begin FROM steps WHERE step_s = ? AND instance = ? AND begin > ? AND begin < ?"
        )
        found = self._query(query, (tier.step_s, instance, since - tier.row_s, until))
        return {begin for (begin,) in found}

    def read(
        self, tier: Tier, instance: int, begin: int, names: frozenset[str] | None
    ) -> Steps | None:
        """Return a row's steps of the metrics called ``names`` (None: of all); None when there is
        no such row."""
        query = "SELECT data FROM steps WHERE step_s = ? AND instance = ? AND begin = ?"
        found = self._query(query, (tier.step_s, instance, begin))
        if not found:
            return None
        try:
            columns = _columns.decode(found[0][0])
            return {
                Name(each.name, each.own, each.kind, each.unit): _unpack(
                    each.data, begin // tier.step_s
                )
                for each in columns
                if names is None or each.name in names
            }
        except (msgspec.DecodeError, zlib.error, ValueError) as error:
            raise UnusableError(f"{self._path}: a damaged row: {error}") from error

    def write_events(self, events: Iterable[EventRecord]) -> None:
        """Keep these events, oldest first; those that are kept already stay as they are."""
        events = list(events)
        known = set(
            self._query("SELECT at, seq FROM events WHERE at >= ?", (min(e.at for e in events),))
        )
        new = [event for event in events if (event.at, event.seq) not in known]
        ((last,),) = self._query("SELECT coalesce(max(number), 0) FROM events", ())
        rows = [
            (number % EVENTS_MAX, number, event.at, event.seq, _encoder.encode(event))
            for number, event in enumerate(new, last + 1)
        ]
        self._execute("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?)", rows)

    def events(self, since: float, until: float, limit: int) -> list[EventRecord]:
        """Return the newest ``limit`` events of this time, oldest first."""
        query = "SELECT data FROM events WHERE at >= ? AND at < ? ORDER BY number DESC LIMIT ?"
        found = self._query(query, (since, until, limit))
        with contextlib.suppress(msgspec.DecodeError):
            return [_event.decode(data) for (data,) in reversed(found)]
        return []

    def _execute(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        try:
            with self._open() as db:
                db.executemany(statement, rows)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _query(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._open().execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> UnusableError:
        """Close the file; one that is no database any more is set aside for a new one."""
        self.close()
        if getattr(error, "sqlite_errorcode", None) in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        ):
            self._set_aside(str(error))
        return UnusableError(f"{self._path}: {error}")

    def _set_aside(self, why: str) -> None:
        for end in ("-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.unlink(self._path + end)
        with contextlib.suppress(OSError):
            os.rename(self._path, self._path + ".damaged")
            log(f"{self._path} is damaged ({why}); it is kept as .damaged, a new one is begun")

    def _open(self) -> sqlite3.Connection:
        if self._db is not None and not os.path.exists(self._path):
            self.close()  # the folder was removed
        if self._db is None:
            db = sqlite3.connect(self._path, timeout=0.2)
            with contextlib.ExitStack() as unprepared:
                unprepared.callback(db.close)
                self._prepare(db)
                unprepared.pop_all()
            self._db = db
        return self._db

    def _prepare(self, db: sqlite3.Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA:
            raise UnusableError(
                f"{self._path} has the format {version} of a newer monit; this one reads {SCHEMA}"
            )
        with contextlib.suppress(OSError):  # it says so itself when it cannot be written
            os.chmod(self._path, 0o600)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_TABLES)
        db.execute(f"PRAGMA user_version = {SCHEMA}")


def _pack(column: dict[int, HistoryStep], first: int) -> bytes:
    """Return the steps as four arrays of floats, the bytes of the same significance together."""
    parts = [array("f", bytes(4 * STEPS)) for _ in range(4)]
    for number, step in column.items():
        for part, value in zip(parts, step, strict=True):
            part[number - first] = value
    if sys.byteorder == "big":
        for part in parts:
            part.byteswap()
    raw = b"".join(part.tobytes() for part in parts)
    return zlib.compress(b"".join(raw[place::4] for place in range(4)), 1)


def _unpack(data: bytes, first: int) -> dict[int, HistoryStep]:
    sorted_bytes = zlib.decompress(data)
    size = 4 * STEPS
    raw = bytearray(4 * size)
    for place in range(4):
        raw[place::4] = sorted_bytes[place * size : (place + 1) * size]
    numbers = array("f", bytes(raw))
    if sys.byteorder == "big":
        numbers.byteswap()
    low, high, total, count = (numbers[part * STEPS : (part + 1) * STEPS] for part in range(4))
    steps = map(HistoryStep, low, high, total, map(int, count))
    return {number: step for number, step in enumerate(steps, first) if step.samples}
