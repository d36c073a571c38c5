"""LineRings that outlive the selection, and one view whose rows keep their numbers."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.logs.logbook import READING_FACTOR, Logbook
from monit_agent.client.logs.rows import LogGap, LogLine
from monit_agent.client.source import LogChunk
from monit_agent.wire.ids import local_app, local_instance
from monit_agent.wire.messages import LogPart

ZERO, ONE = local_instance("web", 0), local_instance("web", 1)


class Feeder:
    """Prints lines of several streams and remembers their offsets."""

    def __init__(self, book: Logbook) -> None:
        self.book = book
        self.ends: dict[tuple[int, str], int] = {}

    def feed(self, data: bytes, at_ns: int, instance: int = 0, stream: str = "out") -> LogChunk:
        offset = self.ends.get((instance, stream), 0)
        self.ends[instance, stream] = offset + len(data)
        chunk = LogChunk(local_instance("web", instance), stream, offset, data, ((offset, at_ns),))  # type: ignore[arg-type]
        self.book.add_chunk(chunk, at_ns / 1e9)
        return chunk


def view(book: Logbook) -> list[bytes]:
    merged = book.merged
    rows = [merged.row(seq) for seq in range(merged.first, merged.end)]
    return [row.raw if isinstance(row, LogLine) else b"<gap>" for row in rows]


def part(chunk: LogChunk, begin: int = 0) -> LogPart:
    return LogPart(
        instance=chunk.identity.instance, stream=chunk.stream, offset=chunk.offset, data=chunk.data,
        times=chunk.times, begin=begin, end=chunk.offset + len(chunk.data),
    )  # fmt: skip


def test_history_is_merged_by_time() -> None:
    """Lines of several streams that were fetched stand in the order of their times."""
    book = Logbook()
    book.select([ZERO, ONE])
    for instance, stream, times in ((0, "out", (1, 4)), (0, "err", (3,)), (1, "out", (2, 5))):
        data = b"".join(b"%d\n" % at for at in times)
        pairs = tuple((2 * place, at) for place, at in enumerate(times))
        answer = LogPart(
            instance=instance, stream=stream, offset=0, data=data, times=pairs,
            begin=0, end=len(data),
        )  # type: ignore[arg-type]  # fmt: skip
        book.add_part(local_app("web"), answer, 0.0, at_line_start=True)
    assert book.flush(0.0).reshaped
    assert view(book) == [b"1", b"2", b"3", b"4", b"5"]


def test_live_lines_come_in_the_order_of_arrival() -> None:
    """One flush is sorted by time; a later flush never goes before an earlier one."""
    book = Logbook()
    book.select([ZERO, ONE])
    feeder = Feeder(book)
    feeder.feed(b"late\n", 20, instance=0)
    feeder.feed(b"early\n", 10, instance=1)
    assert book.flush(0.0).appended == 2
    feeder.feed(b"older than both\n", 5, instance=1)
    assert book.flush(0.0).appended == 1
    assert view(book) == [b"early", b"late", b"older than both"]


def test_a_clock_that_steps_back_keeps_a_streams_order() -> None:
    """Lines of one stream stay in the order in which they were printed, whatever their times."""
    book = Logbook()
    book.select([ZERO])
    feeder = Feeder(book)
    feeder.feed(b"one\n", 100)
    feeder.feed(b"two\n", 50)
    feeder.feed(b"three\n", 70)
    book.flush(0.0)
    assert view(book) == [b"one", b"two", b"three"]
    book.rebuild()
    assert view(book) == [b"one", b"two", b"three"]


def test_rings_are_bounded_per_instance() -> None:
    """A noisy instance drops its own oldest lines and not those of a quiet one."""
    book = Logbook(1000)
    book.select([ZERO, ONE])
    feeder = Feeder(book)
    feeder.feed(b"quiet\n", 1, instance=1)
    for at in range(100):
        feeder.feed(b"noise\n" * 100, 10 + at)
        book.flush(0.0)
    book.rebuild()
    lines = view(book)
    assert lines.count(b"noise") <= 1100
    assert b"quiet" in lines


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_numbers_of_rows_never_change(sizes: list[int]) -> None:
    """While lines come and old ones go, a row that is there keeps its number."""
    book = Logbook(300)
    book.select([ZERO])
    feeder = Feeder(book)
    seen: dict[int, int] = {}
    for at, size in enumerate(sizes):
        feeder.feed(b"".join(b"%d\n" % n for n in range(size)), at + 1)
        book.flush(0.0)
        merged = book.merged
        assert len(merged) <= 300 + max(sizes)
        for seq in range(merged.first, merged.end):
            offset = merged.row(seq).offset
            assert seen.setdefault(seq, offset) == offset
            if seq % 37 == 0:
                assert merged.find(merged.row(seq).key, offset) == seq


def test_reading_keeps_what_is_read() -> None:
    """While somebody reads nothing goes from the view; what no longer fits is counted, and is
    there when he lets go."""
    book = Logbook(100)
    book.select([ZERO])
    feeder = Feeder(book)
    feeder.feed(b"".join(b"%d\n" % n for n in range(100)), 1)
    book.flush(0.0)
    book.begin_reading()
    first = book.merged.first
    for at in range(20):
        feeder.feed(b"flood\n" * 100, at + 2)
        book.flush(0.0)
    assert book.merged.first == first
    assert view(book)[:2] == [b"0", b"1"]
    assert len(book.merged) + book.missed_rows == 2100
    assert len(book.merged) <= 100 * READING_FACTOR + 100
    book.end_reading()
    assert view(book)[-1] == b"flood"
    assert book.missed_rows == 0


def test_what_is_in_the_view_when_reading_begins_survives_a_rebuild() -> None:
    """Rows that the ring had dropped but the view still shows are kept, without a false gap."""
    book = Logbook(100)
    book.select([ZERO])
    feeder = Feeder(book)
    for at in range(30):
        feeder.feed(b"%d\n" % at * 7, at + 1)
        book.flush(0.0)
    before = view(book)
    book.begin_reading()
    book.rebuild()
    assert view(book) == before


def test_going_back_shows_what_was_there() -> None:
    """Lines of an instance are still there after another was looked at."""
    book = Logbook()
    feeder = Feeder(book)
    book.select([ZERO])
    feeder.feed(b"mine\n", 1)
    book.flush(0.0)
    book.select([ONE])
    assert view(book) == []
    book.select([ZERO])
    assert view(book) == [b"mine"]


def test_lines_of_others_are_not_in_the_view() -> None:
    """Bytes of an instance that is not selected never show."""
    book = Logbook()
    feeder = Feeder(book)
    book.select([ZERO])
    feeder.feed(b"other\n", 1, instance=1)
    assert book.flush(0.0).appended == 0
    assert view(book) == []


def test_an_unfinished_line_shows_after_a_while() -> None:
    """A prompt appears after 0.3 s, keeps its row, and later lines come behind it."""
    book = Logbook()
    book.select([ZERO])
    feeder = Feeder(book)
    feeder.feed(b"name? ", 1_000_000_000)
    assert book.flush(1.0).appended == 0
    assert book.due_at is not None
    assert book.flush(book.due_at).appended == 1
    assert book.due_at is None
    seq = book.merged.first
    feeder.feed(b"Ada\nnext\n", 2_000_000_000)
    done = book.flush(2.0)
    assert (done.appended, done.grew) == (1, True)
    assert view(book) == [b"name? Ada", b"next"]
    assert book.merged.first == seq


def test_a_gap_is_a_row_in_its_place() -> None:
    """What was skipped stands between the lines around it."""
    book = Logbook()
    book.select([ZERO])
    feeder = Feeder(book)
    feeder.feed(b"before\n", 1)
    feeder.ends[0, "out"] += 500
    feeder.feed(b"after\n", 3)
    book.flush(0.0)
    assert view(book) == [b"before", b"<gap>", b"after"]
    gap = book.merged.row(book.merged.first + 1)
    assert isinstance(gap, LogGap)
    assert gap.end - gap.start == 500


def test_older_lines_come_before_and_say_so() -> None:
    """An answer with older lines builds the view again, in order."""
    book = Logbook()
    book.select([ZERO])
    feeder = Feeder(book)
    old = feeder.feed(b"", 1)._replace(data=b"old\n")
    feeder.ends[0, "out"] = 4
    feeder.feed(b"new\n", 2)
    book.flush(0.0)
    book.add_part(local_app("web"), part(old), 0.0, at_line_start=True)
    assert book.flush(0.0).reshaped
    assert view(book) == [b"old", b"new"]


def test_many_instances_share_the_room() -> None:
    """A thousand instances get smaller rings, so that memory stays bounded."""
    book = Logbook()
    book.select([local_instance("web", n) for n in range(1000)])
    assert book.room == 200


def test_rings_of_many_apps_are_not_all_kept() -> None:
    """Of instances that were only looked at, the longest unseen are forgotten."""
    book = Logbook()
    for number in range(200):
        book.select([local_instance("web", number)])
    assert book.rings.has_lines_of(local_instance("web", 199))
    assert not book.rings.has_lines_of(local_instance("web", 0))


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.booleans()), max_size=60))
def test_a_ring_with_gaps_is_bounded_too(chunks: list[tuple[int, bool, bool]]) -> None:
    """Stretches that were skipped keep no older lines alive, nor do lines that had no end before
    them: an app that is left and selected again takes no more room each time."""
    book = Logbook(lines_per_instance=100)
    book.select([ZERO])
    feeder = Feeder(book)
    for at, (lines, skips, unfinished) in enumerate(chunks, 1):
        if skips:
            feeder.ends[0, "out"] = feeder.ends.get((0, "out"), 0) + 1000
        feeder.feed(b"a line\n" * 10 * lines + b"and" * unfinished, at)
        book.flush(at / 1e9)
        book.select([ZERO])
        assert book.rings.rows_of(ZERO) <= 100 + 120 + 2 * len(chunks)
        assert len(book.merged) <= 100 + 120 + 2 * len(chunks)


def test_lines_of_instances_that_are_gone_are_dropped() -> None:
    """An instance that no longer exists keeps no lines; one that does has them as before."""
    book = Logbook()
    feeder = Feeder(book)
    for instance in (0, 1):
        book.select([local_instance("web", instance)])
        feeder.feed(b"line\n", 1, instance=instance)
        book.flush(0.0)
    book.rings.keep_existing(lambda one: one == ONE)
    assert not book.rings.has_lines_of(ZERO)
    assert book.rings.rows_of(ZERO) == 0
    assert book.rings.rows_of(ONE) == 1
