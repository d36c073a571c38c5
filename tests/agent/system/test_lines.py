"""Lines out of the bytes of a stream."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.system.lines import LineBuffer


@given(st.lists(st.sampled_from([b"", b"a", b"\n", b"b\n\nc", b"\n\n", b"\r\n"])))
def test_lines_do_not_depend_on_the_pieces_they_came_in(pieces: list[bytes]) -> None:
    """Any pieces of a stream make the same lines, and the rest waits for its newline."""
    buffer = LineBuffer(1000)
    lines = [line for piece in pieces for line in buffer.add(piece)]
    lines += buffer.add(b"\n")
    assert b"\n".join(lines) + b"\n" == b"".join(pieces) + b"\n"


def test_only_the_line_that_is_not_complete_can_be_too_long() -> None:
    """The limit keeps memory bounded; a line that is complete needs no more of it."""
    buffer = LineBuffer(4)
    assert buffer.add(b"12345678\n1234") == [b"12345678"]
    assert not buffer.is_too_long
    assert buffer.add(b"5") == []
    assert buffer.is_too_long
    buffer.clear()
    assert buffer.add(b"rest\n") == [b"rest"]
