"""The only writer to stdout, which is data; what is said to the person goes to stderr."""

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from monit_agent.cli.outcome import CommandError, Exit


def write_lines(lines: Iterable[str]) -> None:
    """Write lines of text, each ended; characters the encoding lacks are written escaped."""
    text = "".join(f"{line}\n" for line in lines)
    encoding = sys.stdout.encoding or "utf-8"
    write_raw(text.encode(encoding, errors="backslashreplace"))


def write_raw(data: bytes) -> None:
    """Write bytes as they are."""
    if not data:
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up_stdout()
        raise CommandError(
            Exit.FAILED, f"cannot write to standard output: {error.strerror or error}"
        ) from error


def write_json(value: Any) -> None:
    """Write one JSON document, indented for people, ASCII for every terminal."""
    write_lines([json.dumps(value, indent=2)])


def write_json_line(value: Any) -> None:
    """Write one JSON object on one line."""
    write_lines([json.dumps(value)])


def say(text: str) -> None:
    """Tell the person something; a closed stderr is no reason to fail."""
    encoding = sys.stderr.encoding or "utf-8"
    try:
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stderr.flush()
    except OSError:
        return


def complain(text: str) -> None:
    """Tell the person what went wrong."""
    say(f"monit: {text}")


def give_up_stdout() -> None:
    """After a broken pipe: let Python flush its buffers to nowhere when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
