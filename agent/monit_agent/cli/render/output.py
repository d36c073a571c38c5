"""The only writer to stdout and stderr: data goes to stdout, messages to stderr."""

import os
import sys
from collections.abc import Iterable

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.render.command_name import with_own_name
from monit_agent.cli.render.visible import visible
from monit_agent.os_text import encode_texts, escape_bytes
from monit_agent.typed import Any


def write_lines(lines: Iterable[str]) -> None:
    """Write lines of text, each with a newline; characters that the encoding lacks are escaped,
    and so are bytes that are not UTF-8."""
    text = escape_bytes("".join(f"{line}\n" for line in lines))
    encoding = sys.stdout.encoding or "utf-8"
    write_raw(text.encode(encoding, errors="backslashreplace"))


def write_raw(data: bytes) -> None:
    """Write bytes without changing them."""
    if not data:
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        raise CommandError(
            ExitCode.FAILED, f"cannot write to standard output: {error.strerror or error}"
        ) from error


def write_json(value: Any) -> None:
    """Write one JSON document, indented, in ASCII."""
    write_lines([_json(value, 2)])


def write_json_line(value: Any) -> None:
    """Write one JSON object on one line."""
    write_lines([_json(value, None)])


def _json(value: Any, indent: int | None) -> str:
    import json  # noqa: PLC0415 — only where JSON is written

    text = json.dumps(value, indent=indent)
    return json.dumps(encode_texts(value), indent=indent) if "\\ud" in text else text


def write_message(text: str) -> None:
    """Write a message to stderr, with control characters made visible: it may quote the name of a
    file, or a worker. A closed stderr is not an error."""
    encoding = sys.stderr.encoding or "utf-8"
    text = with_own_name(text)
    safe = "\n".join(map(visible, text.split("\n")))
    try:
        sys.stderr.write(safe.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stderr.flush()
    except OSError:
        return


def write_error(text: str) -> None:
    """Write an error to stderr."""
    write_message(f"monit: {text}")


def write_interrupted() -> None:
    """Write to stderr that Ctrl-C ended the command."""
    write_error("interrupted; the apps keep running")


def discard_stdout() -> None:
    """Redirect stdout to the null device, so that Python can flush its buffers when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
