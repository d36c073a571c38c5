"""Whatever pieces a stream comes in, its lines are whole, in order, and there once."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.cli.logs.log_requests import AgentRequests
from monit_agent.cli.logs.log_stream import BEHIND_MAX_BYTES, LogStream
from monit_agent.client.logs.lines import LINE_MAX_BYTES, StreamLine
from monit_agent.client.logs.rows import StreamKey
from monit_agent.wire.ids import local_app, local_instance
from monit_agent.wire.messages import Answer, LogPart, LogRange, LogSince, LogTail, Request

KEY = StreamKey(local_instance("web", 0), "out")


class File:
    """A log that answers as an agent does: ``data`` from logical offset ``begin`` on."""

    def __init__(self, data: bytes, begin: int = 0) -> None:
        self.data = data
        self.begin = begin
        self.requests = 0

    def __call__(self, app: str, request: Request) -> Answer:
        assert app == local_app("web")
        self.requests += 1
        end = self.begin + len(self.data)
        match request:
            case LogRange():
                start = min(max(request.start, self.begin), end)
                stop = min(end, start + request.max_bytes)
            case LogTail():
                stop = end if request.before is None else request.before
                lines = self.data[: stop - self.begin].splitlines(keepends=True)
                start = stop - sum(map(len, lines[-request.lines :]))
            case LogSince():
                start = stop = self.begin
            case _:
                raise AssertionError(request)
        data = self.data[start - self.begin : stop - self.begin]
        return LogPart(instance=0, stream="out", offset=start, data=data, begin=self.begin, end=end)


def _texts(lines: list[StreamLine]) -> list[bytes]:
    return [line.raw for line in lines]


@given(
    st.lists(st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")), max_size=30),
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["take", "lose", "twice"]))),
)
def test_lines_survive_any_pieces_losses_and_repeats(
    texts: list[bytes], pieces: list[tuple[int, str]]
) -> None:
    """Chunks that are lost are fetched, chunks that come twice count once."""
    data = b"".join(text + b"\n" for text in texts)
    stream = LogStream(KEY, AgentRequests(File(data)))
    stream.position = 0
    lines: list[StreamLine] = []
    at = 0
    for size, fate in [*pieces, (len(data), "take")]:
        chunk = data[at : at + size]
        for _ in range({"take": 1, "lose": 0, "twice": 2}[fate]):
            lines += stream.add_chunk(at, chunk, ())
        at += len(chunk)
    if at == len(data):
        lines += stream.add_chunk(at, b"", ())
    assert _texts(lines) == texts
    starts = [sum(len(text) + 1 for text in texts[:index]) for index in range(len(texts))]
    assert [line.offset for line in lines] == starts
    assert stream.unfinished_line() == []


@given(st.integers(0, 12))
def test_a_tail_returns_the_last_lines(count: int) -> None:
    """So many, also when they are in several pages."""
    texts = [b"%d" % number for number in range(50)]
    stream = LogStream(KEY, AgentRequests(File(b"".join(text + b"\n" for text in texts))))
    assert _texts(stream.tail(count)) == (texts[-count:] if count else [])


def test_live_lines_follow_on_the_tail() -> None:
    """What came between the tail and the first live chunk is neither lost nor doubled."""
    file = File(b"a\nb\nhalf")
    stream = LogStream(KEY, AgentRequests(file))
    assert _texts(stream.tail(2)) == [b"a", b"b"]
    assert stream.has_unfinished_line
    file.data += b" line\nc\nd\n"
    assert _texts(list(stream.add_chunk(16, b"d\n", ()))) == [b"half line", b"c", b"d"]


def test_an_emptied_log_leaves_a_note() -> None:
    """Bytes that are no longer in the file leave a note with their number."""
    stream = LogStream(KEY, AgentRequests(File(b"new\n", begin=1000)))
    stream.position = 400
    lines = list(stream.add_chunk(1004, b"", ()))
    assert [line.note for line in lines] == [True, False]
    assert b"600 bytes no longer there" in lines[0].raw
    assert lines[1].raw == b"new"


def test_a_stream_that_is_far_ahead_is_skipped_with_a_note() -> None:
    """More than can be fetched in reasonable time is skipped with a note."""
    file = File(b"")
    stream = LogStream(KEY, AgentRequests(file))
    stream.position = 0
    lines = list(stream.add_chunk(BEHIND_MAX_BYTES + 1, b"here\n", ()))
    assert b"skipped" in lines[0].raw
    assert lines[1].raw == b"here"
    assert file.requests == 0


def test_a_line_without_end_is_cut_into_pieces() -> None:
    """A line longer than the bound is written in pieces and loses nothing."""
    data = b"x" * (2 * LINE_MAX_BYTES + 5) + b"\n"
    stream = LogStream(KEY, AgentRequests(File(data)))
    stream.position = 0
    lines = [line for at in range(0, len(data), 60_000)
             for line in stream.add_chunk(at, data[at : at + 60_000], ())]  # fmt: skip
    assert b"".join(_texts(lines)) + b"\n" == data
    assert max(map(len, _texts(lines))) == LINE_MAX_BYTES


def test_times_never_go_back_within_a_stream() -> None:
    """A clock that was set back does not turn the order of lines around."""
    stream = LogStream(KEY, AgentRequests(File(b"")))
    lines = list(stream.add_chunk(0, b"a\nb\nc\n", ((0, 50), (2, 30), (4, 60))))
    assert [line.at_ns for line in lines] == [50, 50, 60]
