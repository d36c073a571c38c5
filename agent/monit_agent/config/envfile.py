r"""Files of environment variables, as ``docker --env-file`` and ``dotenv`` know them.

One ``NAME=VALUE`` a line; ``#`` begins a comment, on its own line or after a blank;
``export`` in front is allowed. In single quotes a value is taken as it is; in double quotes
``\n``, ``\t``, ``\"`` and ``\\`` are read. Nothing is expanded: ``$HOME`` stays ``$HOME``.
"""

import re

from monit_agent.config.errors import BadInputError
from monit_agent.config.units import is_variable

FILE_MAX_BYTES = 1024 * 1024

_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")
_COMMENT = re.compile(r"(?:^|\s)#.*")


def parse_env_file(text: str, path: str) -> dict[str, str]:
    """Give the variables in ``text``; errors say ``path`` and the line."""
    variables: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = re.sub(r"^export\s+", "", stripped).partition("=")
        name = name.strip()
        if not equals or not is_variable(name):
            raise BadInputError(f"{path}, line {number}: {stripped[:60]!r} is not NAME=VALUE")
        variables[name] = _value(value.strip(), f"{path}, line {number}")
    return variables


def _value(raw: str, where: str) -> str:
    if "\0" in raw:
        raise BadInputError(f"{where}: a value cannot hold a NUL")
    if raw.startswith('"'):
        found = _DOUBLE.fullmatch(raw)
        unescaped = found and _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[0]), found[1])
    elif raw.startswith("'"):
        found = _SINGLE.fullmatch(raw)
        unescaped = found and found[1]
    else:
        return _COMMENT.sub("", raw).strip()
    if unescaped is None:
        raise BadInputError(f"{where}: the quotation mark is not closed on the same line")
    return unescaped


def read_env_file(path: str) -> dict[str, str]:
    """Give the variables in the file at ``path``; errors name ``--env-file`` and the reason."""
    try:
        with open(path, "rb") as file:
            raw = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise BadInputError(f"--env-file {path}: {error.strerror or error}") from error
    if len(raw) > FILE_MAX_BYTES:
        raise BadInputError(f"--env-file {path}: larger than {FILE_MAX_BYTES} bytes")
    try:
        return parse_env_file(raw.decode(), path)
    except UnicodeDecodeError as error:
        raise BadInputError(f"--env-file {path}: not UTF-8 text ({error.reason})") from error
