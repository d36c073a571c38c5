"""The pipes and files of all instances."""

import signal
import time
from collections.abc import Callable, Iterable

from monit_agent.keeper.logs.discarded import DiscardedOutput
from monit_agent.keeper.logs.disk_floor import FLOOR_PAUSE_S
from monit_agent.keeper.logs.dropped import DroppedBytes
from monit_agent.keeper.logs.failing import FailingLogs, Key
from monit_agent.keeper.logs.file import LogFile
from monit_agent.keeper.logs.journal_output import JournalOutput, journal_fields
from monit_agent.keeper.logs.pipe import LogPipe
from monit_agent.keeper.logs.reading import LogReading
from monit_agent.keeper.logs.retention import LOOK_S, Retention, size_limit
from monit_agent.keeper.logs.rotated_files import OldFile
from monit_agent.keeper.logs.rotation import RotatedListing, known_end
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.upgrade.inherited import Inherited, Values
from monit_agent.supervise.spec import LogSettings
from monit_agent.system.users import RunAs
from monit_agent.typed import Any
from monit_agent.wire.logfiles import NOWHERE, chosen_path, is_one_stream, stream_names
from monit_agent.wire.paths import STREAMS, AppPaths

NEWS_S = 0.05
"""At most 20 log events a second and stream."""

NAP_S = 0.005
"""A stream that moves twice within this time is read only this often: waking for every line of a
flood would slow down the writer, which shares the pipe's lock and the cores with us."""

FULL_NAP_S = 0.02
"""The same where the file cannot be written: in this time a flood fills half of a pipe."""


REST_ROUNDS = 64
"""More than a pipe holds, also where each round ends with a rotation."""


def error_stream(settings: LogSettings) -> str:
    """Return the stream into which workers print their errors."""
    return "out" if is_one_stream(settings.out, settings.err) else "err"


class Logs:
    """Moves what workers print. ``send(update)`` publishes how far streams reach."""

    def __init__(
        self,
        loop: Loop,
        paths: AppPaths,
        settings: LogSettings,
        send: Callable[[dict[str, Any]], None],
        record_event: Callable[[str, int | None, str], None],
    ) -> None:
        self._loop = loop
        self._paths = paths
        self._send = send
        self._record_event = record_event
        self._pipes: dict[Key, LogPipe] = {}
        self._moved: set[Key] = set()
        self._napping: set[Key] = set()
        self.failing = FailingLogs(loop, self._record_problem)
        self.reading = LogReading(loop, self._resume)
        self._retention = Retention(paths, record_event, self._chosen)
        self._settings = settings
        self.reader: RunAs | None = None
        """Another user as whom the workers run."""
        self._begins: dict[Key, int] = {}
        """Where the streams of an instance reached when its newest worker started."""
        self._news_at = 0.0
        self._listing = RotatedListing()
        loop.at_round_end(self._listing.forget)
        loop.on_signal(signal.SIGUSR1, self._reopen_requested)

    def configure(self, settings: LogSettings) -> None:
        """Use other settings from now on."""
        if settings != self._settings:
            self._settings = settings
            for key, pipe in self._pipes.items():
                self._move_to_place(key, pipe)
            self._set_limits()
            self._look_at_files()

    def problem(self) -> str | None:
        """Return what cannot be done with the logs at present; None when all is well."""
        return self.failing.problem() or self._retention.floor.problem or self._rotation_problem()

    def _rotation_problem(self) -> str | None:
        for pipe in self._pipes.values():
            file = pipe.file
            if file.rotation_problem is not None:
                return f"cannot rotate {file.names.log}: {file.rotation_problem}; it grows"
        return None

    def open_instance(self, instance: int, adopted: int | None = None) -> None:
        """Create and open both pipes of an instance, whose worker with the pid ``adopted`` runs;
        raise OSError."""
        for stream in STREAMS:
            if (instance, stream) not in self._pipes:
                self._open((instance, stream), adopted)
            self._begins[instance, stream] = self._pipes[instance, stream].file.end

    def begin_worker(self, instance: int, *, shared: bool) -> None:
        """Open both pipes of an instance whose next worker starts; raise OSError. ``shared`` means
        that another worker still prints into them: two at once have the same ones.

        Otherwise pipes that somebody removed are made again, and unfinished lines of the last
        worker are ended: the next one's first line is a line of its own, with its own time.
        """
        if not shared:
            self._close_removed(instance)
        self.open_instance(instance)
        if self.reader is not None:
            for stream in STREAMS:
                self._pipes[instance, stream].file.let_read(self.reader.gid)
        if not shared:
            self._finish_lines(instance)

    def worker_path(self, instance: int, stream: str) -> str:
        """Return what a worker opens to print into a stream."""
        return self._pipes[instance, stream].worker_path()

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to move on without a gap."""
        pipes = [
            {"instance": instance, "stream": stream, **pipe.hand_on(keep)}
            for (instance, stream), pipe in self._pipes.items()
        ]
        begins = [[*key, begin] for key, begin in self._begins.items()]
        return {"pipes": pipes, "stream_begins": begins, "reading": self.reading.hand_on()}

    def resume(self, inherited: Inherited) -> None:
        """Move on where the program before this one stopped."""
        given = inherited.part("logs")
        self.reading.resume(given.get("reading", {}))
        for each in given.get("pipes", ()):
            key = each["instance"], each["stream"]
            pipe = self._new_pipe(key)
            pipe.resume(inherited, each, time.monotonic())
            self._add(key, pipe, pipe.problem)
        begins = given.get("stream_begins", ())
        self._begins = {(instance, stream): begin for instance, stream, begin in begins}

    def move_rest(self, instance: int) -> None:
        """Move what is left in an instance's pipes: its worker has exited."""
        for stream in STREAMS:
            if (instance, stream) in self._pipes:
                self._move_rest((instance, stream))

    def output_ends(self, instance: int) -> dict[str, int]:
        """Return the offset at which each stream of an instance ends, after what is printed by now;
        raise OSError when there are no pipes and can be none."""
        if any((instance, stream) not in self._pipes for stream in STREAMS):
            self.open_instance(instance)
        self.move_rest(instance)
        return {stream: self._pipes[instance, stream].file.end for stream in STREAMS}

    def last_bytes_since(self, instance: int, ends: dict[str, int], most: int) -> bytes:
        """Return at most so many of the last bytes that were printed on standard error since
        `output_ends`; if there are none, on standard output."""
        self.move_rest(instance)
        for stream in (error_stream(self._settings), "out"):
            pipe = self._pipes.get((instance, stream))
            printed = b"" if pipe is None else pipe.file.read_last(ends[stream], most)
            if printed:
                return printed
        return b""

    def last_bytes_of_worker(self, instance: int, most: int) -> tuple[bytes, ...]:
        """Return at most so many of the last bytes that the newest worker of an instance printed on
        each stream."""
        keys = [(instance, stream) for stream in STREAMS]
        return tuple(
            pipe.file.read_last(self._begins[key], most)
            for key in keys
            if (pipe := self._pipes.get(key)) is not None and key in self._begins
        )

    def flush(self, instance: int) -> None:
        """Empty an instance's log files, and remove the rotated ones."""
        for stream in STREAMS:
            key = (instance, stream)
            self._retention.remove_all(key, self._pipes)
            pipe = self._pipes.get(key)
            if pipe is not None:
                before = pipe.problem
                pipe.flush(time.monotonic())
                self._record_problem(key, pipe, before)
                self._moved.add(key)

    def reopen(self) -> int:
        """Begin new files where the present ones were moved away, and return how many: after this,
        whoever moved them may change them."""
        moved = 0
        for key, pipe in self._pipes.items():
            before = pipe.problem
            moved += pipe.reopen_moved(time.monotonic())
            self._record_problem(key, pipe, before)
            self._moved.add(key)
        self.publish(at_once=True)
        return moved

    def _reopen_requested(self) -> None:
        self.reopen()

    def close_instance(self, instance: int) -> None:
        """Close the pipes of an instance that was removed. The log files stay."""
        for stream in STREAMS:
            pipe = self._pipes.get((instance, stream))
            if pipe is not None:
                self._move_rest((instance, stream))
                self._close((instance, stream))
                pipe.dropped.forget()

    def ends(self) -> list[dict[str, Any]]:
        """Return `LogEnd` of every stream."""
        return [self._log_end(key, pipe) for key, pipe in sorted(self._pipes.items())]

    def round_finished(self) -> None:
        """Publish what moved; while the disk is nearly full, look at it again soon."""
        self.publish()
        if self._retention.floor.problem is not None and not self._loop.has_alarm("disk floor"):
            again_at = time.monotonic() + FLOOR_PAUSE_S
            self._loop.set_alarm("disk floor", again_at, self._retention.look_at_disk)

    def publish(self, *, at_once: bool = False) -> None:
        """Publish how far the streams that moved reach, at most every `NEWS_S` or at once."""
        if not self._moved:
            return
        now = time.monotonic()
        if now < self._news_at and not at_once:
            self._loop.set_alarm("log news", self._news_at, self.publish)
            return
        self._news_at = now + NEWS_S
        for key in self._moved:
            pipe = self._pipes.get(key)
            if pipe is not None:
                self._send({"type": "log_changed", "log": self._log_end(key, pipe)})
        self._moved.clear()

    def _open(self, key: Key, adopted: int | None) -> None:
        worker = adopted and f"/proc/{adopted}/fd/{STREAMS.index(key[1]) + 1}"
        pipe = self._new_pipe(key)
        pipe.open(time.monotonic(), worker or None)
        self._add(key, pipe, None)

    def _close_removed(self, instance: int) -> None:
        for stream in STREAMS:
            pipe = self._pipes.get((instance, stream))
            if pipe is not None and not pipe.is_in_place():
                self._move_rest((instance, stream))
                self._close((instance, stream))

    def _finish_lines(self, instance: int) -> None:
        for stream in STREAMS:
            key = (instance, stream)
            self._move_rest(key)
            pipe = self._pipes[key]
            before = pipe.problem
            if pipe.finish_line(time.monotonic()):
                self._moved.add(key)
            self._record_problem(key, pipe, before)

    def _new_pipe(self, key: Key) -> LogPipe:
        dropped = DroppedBytes(self._paths.folder, *key)
        pipe = LogPipe(self._paths.fifo(*key), self._new_file(key, None), dropped)
        pipe.make_room = self._retention.floor.keep
        return pipe

    def _add(self, key: Key, pipe: LogPipe, known_problem: str | None) -> None:
        self._pipes[key] = pipe
        self._retention.stream_runs(key)
        self._record_problem(key, pipe, known_problem)
        self._loop.watch(pipe.fd, lambda _events: self._move_some(key))
        self._moved.add(key)
        self._set_limits()
        if not self._loop.has_alarm("log files"):
            self._loop.set_alarm("log files", time.monotonic(), self._look_at_files)

    def _new_file(self, key: Key, old: LogFile | None) -> LogFile:
        """Return the file that the settings name for a stream, to be opened."""
        chosen = self._chosen(key)
        names = stream_names(self._paths, *key, chosen)
        if chosen == NOWHERE or self._settings.to == "journald":
            end = old.end if old is not None else known_end(names, self._listing.rotated_in)
            if chosen == NOWHERE:
                return DiscardedOutput(names, end)
            return JournalOutput(names, end, journal_fields(self._paths.name, *key))
        file = LogFile(names, self._listing.rotated_in)
        if old is not None:
            file.base, file.removed_bytes = old.end, old.removed_bytes
        return file

    def _chosen(self, key: Key) -> str:
        if self._settings.to == NOWHERE:
            return NOWHERE
        return chosen_path(self._settings.out, self._settings.err, key[1])

    def _move_to_place(self, key: Key, pipe: LogPipe) -> None:
        """Continue in another file if the settings name another; offsets continue."""
        file, old = self._new_file(key, pipe.file), pipe.file
        if file.names.log == old.names.log and type(file) is type(old):
            return
        before = pipe.problem
        self._retention.forget(key)
        pipe.exchange_file(file, time.monotonic())
        self._record_problem(key, pipe, before)
        self._moved.add(key)

    def _close(self, key: Key) -> None:
        pipe = self._pipes.pop(key)
        self.failing.forget(key)
        self.reading.forget(key)
        self._moved.discard(key)
        self._napping.discard(key)
        self._loop.unwatch(pipe.fd)
        pipe.close()
        self._set_limits()

    def _move_some(self, key: Key) -> None:
        pipe = self._pipes[key]
        before, last, now = pipe.problem, pipe.moved_at, time.monotonic()
        if self.reading.must_empty(key, pipe.file):
            pipe.flush(now)
        known = pipe.file.rotations, pipe.file.removed_bytes
        moved = pipe.move_some(now, time.time_ns())
        self._record_problem(key, pipe, before)
        if (pipe.file.rotations, pipe.file.removed_bytes) != known:
            self._file_changed(key, known[1])
        if moved:
            self._moved.add(key)
        if self.reading.must_wait(key, pipe.file):
            self._napping.discard(key)
            self._loop.watch(pipe.fd, lambda _events: self._move_some(key), 0)
            return
        # a pipe that is a quarter full after a pause must be read at once
        sleepy = 0 < moved < pipe.capacity // 4 and now - last <= 2 * NAP_S
        # what waits would wake us without end
        sleepy = sleepy or pipe.problem is not None or pipe.file.is_busy
        if sleepy and key not in self._napping:
            self._napping.add(key)
            self._loop.watch(pipe.fd, lambda _events: self._move_some(key), 0)
        elif not sleepy and key in self._napping:
            self._napping.discard(key)
            self._loop.watch(pipe.fd, lambda _events: self._move_some(key))
        if self._napping and not self._loop.has_alarm("log naps"):
            all_full = all(self._pipes[each].problem is not None for each in self._napping)
            nap_s = FULL_NAP_S if all_full else NAP_S
            self._loop.set_alarm("log naps", now + nap_s, lambda: self._resume(self._napping))

    def _resume(self, keys: Iterable[Key]) -> None:
        """Move streams again that had a nap, or waited for their reader."""
        for key in list(keys):
            if key not in self._napping:
                self._loop.watch(self._pipes[key].fd, lambda _events, key=key: self._move_some(key))
            self._move_some(key)

    def _move_rest(self, key: Key) -> None:
        pipe = self._pipes[key]
        for _ in range(REST_ROUNDS):
            end, lost = pipe.file.end, pipe.dropped.count
            self._move_some(key)
            if (pipe.file.end, pipe.dropped.count) == (end, lost):
                return

    # ------------------------------------------------------------ what is kept

    def _set_limits(self) -> None:
        limit = size_limit(self._settings, len(self._pipes))
        for pipe in self._pipes.values():
            pipe.file.limit = limit

    def _sizes(self) -> dict[Key, int]:
        return {key: pipe.file.size for key, pipe in self._pipes.items()}

    def _look_at_files(self) -> None:
        """Keep the limits also where nothing is printed."""
        before = {key: self._begin(key) for key in self._pipes}
        self._retention.look(self._settings, self._sizes())
        self._retention.look_after_rest()
        self._moved |= {key for key in self._pipes if self._begin(key) != before[key]}
        self._loop.set_alarm("log files", time.monotonic() + LOOK_S, self._look_at_files)

    def _file_changed(self, key: Key, known_removed: int) -> None:
        """Note that a file was rotated, or truncated or removed by another program."""
        file = self._pipes[key].file
        removed = file.removed_bytes - known_removed
        if removed:
            text = f"{key[1]}: another program emptied {file.names.log}: {removed} bytes are gone"
            self._record_event("log_truncated", key[0], text)
        if file.last_rotated is not None:
            self._listing.forget()
            base, size, at = file.last_rotated
            file.last_rotated = None
            rotated = OldFile(
                key, base, file.names, compressed=False, size=size, length=size, at=at
            )
            self._retention.file_rotated(rotated, self._settings, self._sizes())

    def _begin(self, key: Key) -> int:
        files = self._retention.files_of(key)
        return files[0].base if files else self._pipes[key].file.base

    def _log_end(self, key: Key, pipe: LogPipe) -> dict[str, Any]:
        """Return `LogEnd` of ``wire/messages.py``."""
        instance, stream = key
        file, files = pipe.file, self._retention.files_of(key)
        dropped = self._retention.dropped_bytes.get(key, 0)
        return {
            "instance": instance,
            "stream": stream,
            "begin": self._begin(key),
            "end": file.end,
            "lost_bytes": pipe.dropped.count,
            "dropped_bytes": dropped + file.removed_bytes,
            "file_begin": file.base,
            "rotated": len(files),
            "rotated_bytes": sum(old.size for old in files),
        }

    def _record_problem(self, key: Key, pipe: LogPipe, before: str | None) -> None:
        instance, stream = key
        self.failing.note(key, pipe)
        if pipe.problem is not None and before is None:
            text = f"{stream}: cannot write {pipe.file.names.log}: {pipe.problem}"
            self._record_event("log_lost", instance, text)
        elif pipe.problem is None and before is not None:
            text = f"{stream}: writing again; {pipe.dropped.count} bytes were lost"
            self._record_event("log_resumed", instance, text)
