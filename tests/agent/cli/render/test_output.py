"""The writer of stdout and stderr: every encoding, a full disk, a reader that left."""

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.render import output


@contextmanager
def stream(name: str, target: Path | int, encoding: str = "utf-8") -> Iterator[None]:
    """Let ``sys.stdout`` or ``sys.stderr`` write to a real file or descriptor."""
    before = getattr(sys, name)
    raw = io.FileIO(target if isinstance(target, int) else str(target), "w")
    text = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    setattr(sys, name, text)
    try:
        yield
    finally:
        setattr(sys, name, before)
        with suppress(OSError):  # what could not be written is tried once more
            text.close()


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("utf-8", "● café\n".encode()), ("latin-1", b"\\u25cf caf\xe9\n"), ("ascii", rb"\u25cf caf")],
)
def test_characters_that_the_encoding_lacks_are_escaped(
    tmp_path: Path, encoding: str, written: bytes
) -> None:
    """A locale without them must not make a command fail, on either stream."""
    out, err = tmp_path / "out", tmp_path / "err"
    with stream("stdout", out, encoding), stream("stderr", err, encoding):
        output.write_lines(["● café"])
        output.write_message("● café")
    assert out.read_bytes().startswith(written)
    assert err.read_bytes() == out.read_bytes()


def test_a_surrogate_is_written_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A file name that is not UTF-8 is part of many errors."""
    output.write_lines(["a\udcffb"])
    output.write_error("a\udcffb\x1b[31m\nb")
    assert capsys.readouterr() == ("a\\xffb\n", "monit: a\\xffb^[[31m\nb\n")


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    """It reads the same whatever the encoding of the pipe is."""
    value = {"name": "café", "lone": "\udcff", "none": None}
    output.write_json(value)
    output.write_json_line(value)
    written = capsys.readouterr().out
    assert written.isascii()
    assert json.loads(written.splitlines()[-1]) == {**value, "lone": "\U0010feff"}
    assert written.count("\n") == 6


def test_a_full_disk_is_an_error_of_the_command() -> None:
    """It names the reason; afterwards Python can close the stream without another error."""
    with stream("stdout", Path("/dev/full")), pytest.raises(CommandError) as failed:
        output.write_lines(["one"])
    assert failed.value.code is ExitCode.FAILED
    assert str(failed.value) == "cannot write to standard output: No space left on device"


def test_a_reader_that_left_is_no_error_of_ours() -> None:
    """``monit logs | head`` ends as any command does: `main` handles it."""
    reads, writes = os.pipe()
    os.close(reads)
    with stream("stdout", writes):
        with pytest.raises(BrokenPipeError):
            output.write_raw(b"x")
        output.write_raw(b"")


def test_a_message_that_cannot_be_written_is_no_error() -> None:
    """The exit code of the command stays its own."""
    with stream("stderr", Path("/dev/full")):
        output.write_error("nobody reads this")
