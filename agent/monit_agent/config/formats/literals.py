"""JavaScript files that hold nothing but literals, and JSON with comments, read without Node.

Of 54 ecosystem files of public repositories 40 are of this kind. The json5 package reads the same
syntax, but names no lines for what is well formed and takes 40 times as long.
"""

import re
from typing import Any

from monit_agent.config.formats.documents import ValueDocument
from monit_agent.config.formats.toml_lines import Path
from monit_agent.os_text import decode_texts

DEPTH_MAX = 50
"""Deeper than any config file; Python's own limit is 1000 frames."""

DIGITS_MAX = 300
"""More than a float can hold; Python refuses to convert thousands of digits."""

_GAP = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(
    r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\"|`((?:[^`\\$]|\\.|\$(?!\{))*)`", re.DOTALL
)
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9A-Fa-f_]+|0[oO][0-7_]+|0[bB][01_]+|"
    r"(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?)(?![\w$])"
)
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9A-Fa-f]+)\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(\r\n|.))", re.DOTALL
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0",
            "\n": "", "\r\n": ""}  # fmt: skip
_CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None}
_BEFORE = re.compile(
    r"(?:(?:'use strict'|\"use strict\")\s*;?)?"
    r"(?:\s|//[^\n]*|/\*.*?\*/)*(?:module\.exports\s*=|export\s+default\b)",
    re.DOTALL,
)


class NotLiteralError(ValueError):
    """The text has something that is no literal; ``line`` is where, ``what`` is its beginning."""

    def __init__(self, line: int, what: str) -> None:
        self.line = line
        self.what = what
        super().__init__(f"line {line}: {what}")


def read_literal(path: str, text: str, *, exported: bool) -> ValueDocument:
    """Return the values of a text that is one literal; ``exported`` by a JavaScript module.

    Raise `NotLiteralError` at the first thing that is none.
    """
    reader = _LiteralReader(text)
    root = reader.document(exported=exported)
    return ValueDocument(path, decode_texts(root), reader.lines)


class _LiteralReader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._counted = (0, 1)

    def document(self, *, exported: bool) -> Any:
        self._skip()
        if exported:
            found = _BEFORE.match(self.text, self.at)
            if found is None:
                raise self._problem()
            self.at = found.end()
            self._skip()
        value = self._value(())
        self._skip()
        if exported and self._next() == ";":
            self.at += 1
            self._skip()
        if self.at < len(self.text):
            raise self._problem()
        return value

    def _value(self, path: Path) -> Any:
        if len(path) > DEPTH_MAX:
            raise self._problem()
        self.lines[path] = self._line()
        first = self._next()
        if first == "{":
            value = self._object(path)
        elif first == "[":
            value = self._array(path)
        elif first and first in "'\"`":
            value = self._string()
        else:
            value = self._scalar()
        return value

    def _object(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        while self._skip() != "}":
            start = self.at
            key = self._key()
            if self._skip() != ":":
                self.at = start
                raise self._problem()
            self.at += 1
            self._skip()
            found[key] = self._value((*path, key))
            self._comma("}")
        self.at += 1
        return found

    def _array(self, path: Path) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while self._skip() != "]":
            found.append(self._value((*path, len(found))))
            self._comma("]")
        self.at += 1
        return found

    def _comma(self, end: str) -> None:
        following = self._skip()
        if following == ",":
            self.at += 1
        elif following != end:
            raise self._problem()

    def _key(self) -> str:
        if self._next() in ("'", '"'):
            return self._string()
        found = _WORD.match(self.text, self.at) or re.compile(r"[0-9]+").match(self.text, self.at)
        if found is None:
            raise self._problem()
        self.at = found.end()
        return found[0]

    def _string(self) -> str:
        found = _STRING.match(self.text, self.at)
        if found is None:
            raise self._problem()
        self.at = found.end()
        raw = next(part for part in found.groups() if part is not None)
        return _ESCAPE.sub(_unescaped, raw)

    def _scalar(self) -> Any:
        found = _NUMBER.match(self.text, self.at)
        if found:
            if len(found[0]) > DIGITS_MAX:
                raise self._problem()
            self.at = found.end()
            return _number(found[0].replace("_", ""))
        word = _WORD.match(self.text, self.at)
        if word is None or word[0] not in _CONSTANTS:
            raise self._problem()
        self.at = word.end()
        return _CONSTANTS[word[0]]

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _skip(self) -> str:
        """Skip blanks and comments; return the next character, "" at the end."""
        found = _GAP.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self._next()

    def _line(self) -> int:
        """Return the line of the next character; counted from the last one, in one pass."""
        before, line = self._counted
        line += self.text.count("\n", before, self.at)
        line -= self.text.count("\n", self.at, before)
        self._counted = (self.at, line)
        return line

    def _problem(self) -> NotLiteralError:
        rest = self.text[self.at : self.at + 60].partition("\n")[0].strip()
        return NotLiteralError(self._line(), rest.rstrip(" ,;}]") or rest)


def _number(text: str) -> int | float:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    if digits[:2].lower() in ("0x", "0o", "0b"):
        return sign * int(digits, 0)
    return sign * (int(digits) if digits.isdigit() else float(digits))


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code:
        return chr(min(int(code, 16), 0x10FFFF))
    return _ESCAPES.get(found[4], found[4])
