"""Plain data to msgpack and back, for clients that send few small requests: importing msgspec and
the types of all messages takes longer than what they do.

A map of texts, numbers, bytes and None is all that a request holds, and what comes back is nested
in lists. Whoever handles many messages uses ``wire/codec.py``, which also checks their types.
"""

import struct

from monit_agent.typed import Any

_FIXED_MAP, _FIXED_LIST, _FIXED_TEXT = 0x80, 0x90, 0xA0

_NUMBERS = {
    0xCA: struct.Struct(">f"), 0xCB: struct.Struct(">d"),
    0xCC: struct.Struct(">B"), 0xCD: struct.Struct(">H"),
    0xCE: struct.Struct(">I"), 0xCF: struct.Struct(">Q"),
    0xD0: struct.Struct(">b"), 0xD1: struct.Struct(">h"),
    0xD2: struct.Struct(">i"), 0xD3: struct.Struct(">q"),
}  # fmt: skip
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
"""How many bytes the length takes, by the byte before it."""
_TEXTS = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_LISTS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


def pack(fields: dict[str, Any]) -> bytes:
    """Return a map of texts, integers of 64 bits, floats, truth values and None; at most 15
    fields."""
    parts = [bytes([_FIXED_MAP | len(fields)])]
    for name, value in fields.items():
        parts += [_packed_text(name), _packed(value)]
    return b"".join(parts)


def _packed(value: Any) -> bytes:
    if isinstance(value, str):
        return _packed_text(value)
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    code = 0xCB if isinstance(value, float) else 0xD3
    return bytes([code]) + _NUMBERS[code].pack(value)


def _packed_text(text: str) -> bytes:
    raw = text.encode()
    return b"\xdb" + len(raw).to_bytes(4, "big") + raw


def unpack(raw: bytes) -> Any:
    """Return what ``raw`` holds, lists as tuples. Raise ValueError, LookupError or `struct.error`
    for anything else than one value."""
    reader = _Reader(raw)
    value = reader.next_value()
    if reader.at != len(raw):
        raise ValueError("something follows the value")
    return value


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.at = 0
        self._raw = raw

    def next_value(self) -> Any:
        code = self._raw[self.at]
        self.at += 1
        if code < _FIXED_MAP:
            return code
        if code >= 0xE0:
            return code - 0x100
        if code in _NUMBERS:
            kind = _NUMBERS[code]
            self.at += kind.size
            return kind.unpack_from(self._raw, self.at - kind.size)[0]
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        return self._with_size(code)

    def _with_size(self, code: int) -> Any:
        if code in _BYTES:
            return self._cut(self._size(_BYTES[code]))
        if code in _TEXTS or _FIXED_TEXT <= code < 0xC0:
            size = self._size(_TEXTS[code]) if code in _TEXTS else code & 0x1F
            return self._cut(size).decode()
        if code in _LISTS or _FIXED_LIST <= code < _FIXED_TEXT:
            size = self._size(_LISTS[code]) if code in _LISTS else code & 0x0F
            return tuple([self.next_value() for _ in range(size)])
        if code in _MAPS or code < _FIXED_LIST:
            size = self._size(_MAPS[code]) if code in _MAPS else code & 0x0F
            return {self.next_value(): self.next_value() for _ in range(size)}
        raise ValueError(f"the byte {code:#x} begins no value that is known here")

    def _size(self, width: int) -> int:
        return int.from_bytes(self._cut(width), "big")

    def _cut(self, size: int) -> bytes:
        found = self._raw[self.at : self.at + size]
        if len(found) != size:
            raise ValueError("the value is cut off")
        self.at += size
        return found
