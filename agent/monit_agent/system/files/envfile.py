r"""Files of environment variables, in the format of ``docker --env-file`` and ``dotenv``.

One ``NAME=VALUE`` per line; ``#`` starts a comment, on a line of its own or after a blank;
``export`` in front is allowed. In single quotes a value is literal; in double quotes ``\n``,
``\t``, ``\"`` and ``\\`` are escapes. Nothing is expanded: ``$HOME`` stays ``$HOME``.
A value may have any byte but NUL and the newline.

Without regular expressions: the keeper reads these files too, and `re` costs it 0.4 MB.
"""

import os
import stat

from monit_agent.system.files.ownership import why_root_refuses

FILE_MAX_BYTES = 1024 * 1024

_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


class BadEnvFileError(ValueError):
    """The file cannot be read; the text is the reason, without the path."""


def parse_env_file(text: str) -> dict[str, str]:
    """Return the variables in ``text``; raise `BadEnvFileError` with the line."""
    variables: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = _without_export(stripped).partition("=")
        name = name.strip()
        if not equals or not is_variable(name):
            raise BadEnvFileError(f"line {number}: {stripped[:60]!r} is not NAME=VALUE")
        try:
            variables[name] = _value(value.strip())
        except BadEnvFileError as error:
            raise BadEnvFileError(f"line {number}: {error}") from None
    return variables


def is_variable(name: str) -> bool:
    """Return whether ``name`` can name an environment variable in every shell."""
    return name.isascii() and name.isidentifier()


OPTIONAL = "?"
"""Before the path of a file that may be missing."""


def split_optional(path: str) -> tuple[str, str]:
    """Return `OPTIONAL` or "", and the path without it."""
    return (OPTIONAL, path[1:]) if path[:1] == OPTIONAL else ("", path)


def read_env_file(path: str, *, only_regular: bool = False) -> dict[str, str]:
    """Return the variables in the file at ``path``; raise `BadEnvFileError`.

    With `OPTIONAL` before the path, a missing file has none. With ``only_regular`` a pipe or a
    device is refused: reading one could wait without end.
    """
    optional, path = split_optional(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if only_regular else 0))
        try:
            if only_regular and not stat.S_ISREG(os.fstat(fd).st_mode):
                raise BadEnvFileError("not a regular file")
            refused = why_root_refuses(path, fd)
            if refused is not None:
                raise BadEnvFileError(refused)
            raw = _read(fd)
        finally:
            os.close(fd)
    except FileNotFoundError as error:
        if optional:
            return {}
        raise BadEnvFileError(error.strerror or str(error)) from error
    except OSError as error:
        raise BadEnvFileError(error.strerror or str(error)) from error
    if len(raw) > FILE_MAX_BYTES:
        raise BadEnvFileError(f"the file has more than {FILE_MAX_BYTES} bytes")
    return parse_env_file(os.fsdecode(raw))


def _read(fd: int) -> bytes:
    raw = b""
    while len(raw) <= FILE_MAX_BYTES and (part := os.read(fd, FILE_MAX_BYTES + 1)):
        raw += part
    return raw


def _without_export(line: str) -> str:
    rest = line.removeprefix("export")
    return rest.lstrip() if rest[:1].isspace() else line


def _value(raw: str) -> str:
    if "\0" in raw:
        raise BadEnvFileError("the value contains a NUL character")
    if raw[:1] == '"':
        return _double_quoted(raw)
    if raw[:1] == "'":
        value, quote, rest = raw[1:].partition("'")
        if not quote or not _is_comment(rest):
            raise BadEnvFileError("the closing quotation mark is missing")
        return value
    return _without_comment(raw).strip()


def _double_quoted(raw: str) -> str:
    value: list[str] = []
    escaped = False
    for at, character in enumerate(raw[1:], start=1):
        if escaped:
            value.append(_ESCAPES.get(character, character))
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"' and _is_comment(raw[at + 1 :]):
            return "".join(value)
        elif character == '"':
            break
        else:
            value.append(character)
    raise BadEnvFileError("the closing quotation mark is missing")


def _is_comment(rest: str) -> bool:
    """Return whether only a comment, or nothing, follows a quoted value."""
    stripped = rest.lstrip()
    return not stripped or stripped.startswith("#")


def _without_comment(raw: str) -> str:
    for at, character in enumerate(raw):
        if character == "#" and (at == 0 or raw[at - 1].isspace()):
            return raw[:at]
    return raw
