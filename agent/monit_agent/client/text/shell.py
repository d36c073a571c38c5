"""Commands as a shell reads them."""

import re
import shlex
from collections.abc import Iterable

from monit_agent.client.text.sanitize import escape_controls
from monit_agent.wire.messages import AppRecord

_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\x1b": "\\e", "\\": "\\\\", "'": "\\'"}


def script_words(record: AppRecord) -> tuple[str, ...]:
    """Return what the user typed to start an app: the script and its arguments."""
    script = record.script.split(" ", 1) if record.script.startswith("-m ") else [record.script]
    return (*script, *record.args)


def shell_words(words: Iterable[str]) -> str:
    """Return words that can be copied into a shell; those with control characters or bytes that
    are not UTF-8 as ``$'…'``, which bash, zsh and ksh read."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if word.isprintable() and escape_controls(word) == word:
        return shlex.quote(word)
    return "$'" + re.sub(r"[\\']|[^\x20-\x7e]", _escape, word) + "'"


def _escape(found: "re.Match[str]") -> str:
    character = found[0]
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable() and escape_controls(character) == character:
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
