r"""Paths, arguments and variables as text that every parser of JSON and msgpack accepts.

Linux allows any byte in them but NUL. Python holds a byte that is not UTF-8 as a lone surrogate
(``os.fsdecode``), which neither UTF-8 nor strict JSON can carry. In messages, in ``state.json``, in
``--json`` and in config files the byte ``0xNN`` (80 to FF) is the character U+10FENN of the last
private use area, which JSON writes as ``\udbff\udeNN``. The bytes of a real character from
U+10FE80 to U+10FEFF are written one by one in the same way, so that nothing is ambiguous.

This is the only place that knows this form: `to_unicode` and `from_unicode` are called where text
leaves and enters (``wire/codec.py``, ``system/jsonline.py``, ``cli/render/output.py``, and the
readers and writers of config files). Everywhere else text is what ``os.fsdecode`` returns.

Standard library only: the keeper uses it.
"""

from collections.abc import Callable

from monit_agent.typed import Any, cast

_FIRST, _LAST = 0x10FE80, 0x10FEFF
_BYTE_TO_SURROGATE = 0xDC00
_SURROGATES = range(0xD800, 0xE000)
_BYTES_AS_SURROGATES = range(0xDC80, 0xDD00)
_BASE = _FIRST - 0x80
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"

ENCODED_PREFIXES = (b"\xf4\x8f\xba", b"\xf4\x8f\xbb")
"""How the characters U+10FE80 to U+10FEFF begin in UTF-8: a message without them needs no
decoding."""

_JSON_SURROGATES = (b"\\ud", b"\\uD")


class _ToUnicode:
    """The table of `str.translate` for `to_unicode`."""

    def __getitem__(self, point: int) -> str:
        if point in _BYTES_AS_SURROGATES:
            return chr(point - _BYTE_TO_SURROGATE + _BASE)
        if point in _SURROGATES:
            return _UNKNOWN
        if _FIRST <= point <= _LAST:
            return "".join(chr(byte + _BASE) for byte in chr(point).encode())
        raise LookupError(point)


class _FromUnicode:
    """The table of `str.translate` for `from_unicode`."""

    def __getitem__(self, point: int) -> str:
        if _FIRST <= point <= _LAST:
            return chr(point - _BASE + _BYTE_TO_SURROGATE)
        if point in _SURROGATES and point not in _BYTES_AS_SURROGATES:
            return _UNKNOWN
        raise LookupError(point)


_TO_UNICODE, _FROM_UNICODE = _ToUnicode(), _FromUnicode()


def to_unicode(text: str) -> str:
    """Return text of ``os.fsdecode`` in the form that messages and files carry. Surrogates that
    stand for no byte become U+FFFD."""
    return text if _is_plain(text) else text.translate(_TO_UNICODE)


def from_unicode(text: str) -> str:
    """Return what `to_unicode` was given, as ``os.fsdecode`` writes it."""
    if _is_plain(text):
        return text
    decoded = text.translate(_FROM_UNICODE)
    if decoded == text:
        return text
    # bytes that make a character together become that character, as in a path
    return decoded.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def escape_bytes(text: str) -> str:
    r"""Return text of ``os.fsdecode`` for people: its bytes that are not UTF-8 as ``\xNN``."""
    if text.isascii():
        return text
    known = from_unicode(to_unicode(text))
    return known.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def encode_texts(value: Any) -> Any:
    """Return plain data (maps, lists, texts …) with `to_unicode` of each text in it."""
    return _map_texts(value, to_unicode)


def decode_texts(value: Any) -> Any:
    """Return plain data with `from_unicode` of each text in it."""
    return _map_texts(value, from_unicode)


def has_encoded_bytes(raw: bytes | bytearray) -> bool:
    """Return whether UTF-8 text in ``raw`` may hold characters that stand for bytes."""
    return any(prefix in raw for prefix in ENCODED_PREFIXES)


def has_surrogates(raw: bytes | bytearray) -> bool:
    """Return whether the JSON text ``raw`` may have a surrogate written as an escape."""
    return any(escape in raw for escape in _JSON_SURROGATES)


def _is_plain(text: str) -> bool:
    """Return whether a text holds neither surrogates nor characters that stand for bytes. The
    codec finds out a hundred times faster than a look at each character."""
    if text.isascii():
        return True
    try:
        return not has_encoded_bytes(text.encode())
    except UnicodeEncodeError:
        return False


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return {_map_texts(key, change): _map_texts(each, change) for key, each in items}
    if isinstance(value, list | tuple):
        return [_map_texts(each, change) for each in cast("list[Any]", value)]
    return value
