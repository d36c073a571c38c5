"""How ``monit logs`` writes lines: for a terminal, for a pipe, as JSON and byte by byte."""

import json

import pytest

from monit_agent.cli.render.log_lines import LogWriter
from monit_agent.cli.render.terminal import TerminalTraits
from monit_agent.client.logs.lines import StreamLine
from monit_agent.client.logs.rows import StreamKey
from monit_agent.wire.ids import local_instance
from monit_agent.wire.messages import Stream

PIPE = TerminalTraits(is_tty=False, width=80, colour=False, unicode=True)
TTY = PIPE._replace(is_tty=True, colour=True)


def line(
    raw: bytes, instance: int = 0, stream: Stream = "out", offset: int = 0, **fields: bool
) -> StreamLine:
    key = StreamKey(local_instance("web", instance), stream)
    return StreamLine(key, offset, 1_500_000_000, raw, **fields)


def written(
    capsys: pytest.CaptureFixture[str],
    *lines: StreamLine,
    screen: TerminalTraits = PIPE,
    as_json: bool = False,
    bare: bool = False,
) -> tuple[str, str]:
    LogWriter(screen, as_json=as_json, bare=bare).write(lines)
    return capsys.readouterr()


def test_prefixes_are_as_wide_as_the_widest(capsys: pytest.CaptureFixture[str]) -> None:
    """So the text of every line begins in the same column."""
    out, _ = written(capsys, line(b"a"), line(b"b", 12, "err"))
    assert out == "web/0      | a\nweb/12 err | b\n"


def test_a_stream_that_comes_later_can_have_its_room_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The columns do not move when its first line comes."""
    writer = LogWriter(PIPE, as_json=False, bare=False)
    writer.widen([line(b"", 12, "err").key])
    writer.write([line(b"a")])
    assert capsys.readouterr().out == "web/0      | a\n"


def test_a_pipe_gets_text_without_colours(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal is often at its other end: no escape sequence gets through, nothing is hidden."""
    out, _ = written(capsys, line(b"\x1b[31mred\x1b[0m \x1b]0;title\x07"), line(b"10%\r20%\r"))
    first, second = out.splitlines()
    assert "red" in first
    assert "\x1b" not in out
    assert "\x07" not in out
    assert second == "web/0 | 10%^M20%"


def test_a_terminal_gets_the_colours_of_the_app(capsys: pytest.CaptureFixture[str]) -> None:
    """And no other sequence; lines of stderr have a red prefix."""
    out, _ = written(capsys, line(b"\x1b[31mred\x1b[2J", stream="err"), screen=TTY)
    assert out.startswith("\x1b[31mweb/0 err | \x1b[0m")
    assert "\x1b[31mred" in out.partition("|")[2]
    assert "\x1b[2J" not in out
    plain, _ = written(capsys, line(b"\x1b[31mred"), screen=TTY._replace(colour=False))
    assert plain == "web/0 | red\n"


def test_each_line_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    """With where it stands, from when it is, and bytes that are not UTF-8 replaced."""
    out, _ = written(capsys, line(b"a\xff\x1b", 1, "err", 7), as_json=True)
    assert json.loads(out) == {
        "host": "",
        "app": "web",
        "instance": 1,
        "stream": "err",
        "offset": 7,
        "at": 1.5,
        "level": None,
        "context": False,
        "count": 1,
        "lines": 1,
        "line": "a\ufffd\x1b",
    }
    unknown, _ = written(capsys, line(b"a")._replace(at_ns=0), as_json=True)
    assert json.loads(unknown)["at"] is None


@pytest.mark.parametrize("as_json", [True, False])
def test_remarks_of_monit_are_not_among_the_data(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    """For a program that reads, they go to stderr; a person finds them in their place."""
    remark = line(b"5 bytes skipped", note=True)
    assert written(capsys, remark, as_json=as_json, bare=not as_json) == (
        "",
        "monit: web/0: 5 bytes skipped\n",
    )
    assert written(capsys, remark) == ("web/0 | 5 bytes skipped\n", "")


def test_bare_bytes_are_those_that_were_printed(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Nothing is added to an unended line that continues, colours stay, bytes stay."""
    writer = LogWriter(PIPE, as_json=False, bare=True)
    writer.write([line(b"\x1b[31m\xff", ended=False), line(b" more\r", offset=6)])
    assert capfdbinary.readouterr().out == b"\x1b[31m\xff more\r\n"


def test_an_unended_line_of_another_stream_is_ended(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Else two streams, or two places of one, would share a line."""
    writer = LogWriter(PIPE, as_json=False, bare=True)
    writer.write([line(b"a", ended=False), line(b"b", 1), line(b"c", ended=False)])
    writer.write([line(b"d", offset=99)])
    assert capfdbinary.readouterr().out == b"a\nb\nc\nd\n"


def test_bare_text_on_a_terminal_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    """Only a pipe gets bytes as they are."""
    out, _ = written(capsys, line(b"\x1b]0;title\x07x"), screen=TTY, bare=True)
    assert "\x1b]" not in out
    assert out.endswith("x\n")
