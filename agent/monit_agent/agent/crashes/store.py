"""The crash reports of one app on disk, one file each, readable JSON.

A report is written as a whole or not at all. The newest of each instance are kept, and a limited
number of the app's. What cannot be written stays in memory and is tried again.
"""

import contextlib
import os
from collections.abc import Iterable

import msgspec

from monit_agent.agent.journal import log
from monit_agent.system.files.own_file import read_own_file
from monit_agent.system.files.replaced_file import replace_file
from monit_agent.wire.limits import CRASH_BYTES, CRASHES, CRASHES_APP
from monit_agent.wire.messages import Crashes, CrashesPart, CrashReport

UNWRITTEN = 10
"""Reports that cannot be written and are tried again."""

_SUFFIX = ".json"
_DIGITS = 15

Key = tuple[int, int]
"""Instance, and milliseconds of the wall clock at its exit."""


def key_of(report: CrashReport) -> Key:
    """Return what names a report."""
    return exit_key(report.instance, report.exit.at)


def exit_key(instance: int, at: float) -> Key:
    """Return what names the report of an exit."""
    return instance, round(at * 1000)


class CrashStore:
    """The reports in ``folder``. Nothing here raises."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._unwritten: dict[Key, CrashReport] = {}
        self._problem: str | None = None

    def newest(self) -> dict[int, int]:
        """Return when each instance crashed last, in milliseconds, as far as there are reports."""
        return {instance: at for at, instance in sorted((at, who) for who, at in self._keys())}

    def add(self, report: CrashReport) -> None:
        """Write a report, and remove those that are too many."""
        self._unwritten[key_of(report)] = report
        self.write_waiting()

    def write_waiting(self) -> None:
        """Write what could not be written before."""
        if not self._unwritten:
            return
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            for key, report in list(self._unwritten.items()):
                replace_file(self._path(key), encode_report(report))
                del self._unwritten[key]
        except OSError as error:
            self._report(f"cannot write crash reports in {self._folder}: {error.strerror}")
            for key in list(self._unwritten)[:-UNWRITTEN]:
                del self._unwritten[key]
        else:
            self._report(None)
        self._prune()

    def read(self, instance: int | None, limit: int) -> list[CrashReport]:
        """Return the newest reports of an instance, or of all, newest first; one that cannot be
        read is left out."""
        keys = self._keys() | self._unwritten.keys()
        chosen = [key for key in keys if instance in (None, key[0])]
        newest = sorted(chosen, key=lambda key: (key[1], key[0]), reverse=True)[:limit]
        reports = (self._unwritten.get(key) or self._read(key) for key in newest)
        return [report for report in reports if report is not None]

    def _read(self, key: Key) -> CrashReport | None:
        try:
            return msgspec.json.decode(read_own_file(self._path(key)), type=CrashReport)
        except (OSError, msgspec.MsgspecError, ValueError):
            return None  # removed just now, or of a version that this one cannot read

    def _keys(self) -> set[Key]:
        with contextlib.suppress(OSError):
            found = (_key_in(name) for name in os.listdir(self._folder))
            return {key for key in found if key is not None}
        return set()

    def _prune(self) -> None:
        keys = sorted(self._keys(), key=lambda key: key[1], reverse=True)
        counts: dict[int, int] = {}
        for number, key in enumerate(keys):
            counts[key[0]] = counts.get(key[0], 0) + 1
            if counts[key[0]] > CRASHES or number >= CRASHES_APP:
                with contextlib.suppress(OSError):
                    os.unlink(self._path(key))

    def _path(self, key: Key) -> str:
        instance, at = key
        return os.path.join(self._folder, f"{instance}.{at:0{_DIGITS}d}{_SUFFIX}")

    def _report(self, problem: str | None) -> None:
        if problem != self._problem:
            log("crash reports are written again" if problem is None else problem)
            self._problem = problem


def answer_crashes(store: CrashStore, request: Crashes) -> CrashesPart:
    """Return the reports that were asked for."""
    limit = min(max(request.limit, 0), CRASHES)
    return CrashesPart(reports=tuple(store.read(request.instance, limit)))


def encode_report(report: CrashReport) -> bytes:
    """Return the bytes of a report, at most `CRASH_BYTES`: the oldest lines are left out first."""
    raw = msgspec.json.encode(report)
    while len(raw) > CRASH_BYTES and report.lines:
        report = msgspec.structs.replace(report, lines=report.lines[1 + len(report.lines) // 4 :])
        raw = msgspec.json.encode(report)
    if len(raw) > CRASH_BYTES:
        raw = msgspec.json.encode(msgspec.structs.replace(report, at=(), figures={}, before=()))
    return raw


def _key_in(name: str) -> Key | None:
    parts: Iterable[str] = name.removesuffix(_SUFFIX).split(".")
    instance, at = (*parts, "")[:2]
    known = name.endswith(_SUFFIX) and instance.isdecimal() and at.isdecimal()
    return (int(instance), int(at)) if known and len(at) == _DIGITS else None
