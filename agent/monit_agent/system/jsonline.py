"""JSON without the `json` package, which brings `re` and costs the keeper a megabyte for ever.

The same C code does the work, `_json`. It is private to Python, so it is tried at import: where
it is missing or does anything else, the package is used.

Text goes out in the form of ``os_text.py`` and comes back as ``os.fsdecode`` returns it.
"""

from collections.abc import Callable

from monit_agent.os_text import decode_texts, encode_texts, has_encoded_bytes, has_surrogates
from monit_agent.typed import Any, cast

_SAMPLE = b'{"a":[1,-2.5,1e+30,true,null,"\\u00e9\\n\\ud800"],"":{}}'
_BROKEN = (b"", b"[1,", b'{"a":}', b"1 2")

_Dump = Callable[[Any], bytes]
_Load = Callable[["bytes | bytearray"], Any]


def dump(value: Any) -> bytes:
    """Return ``value`` as one line of JSON, without its end."""
    raw = _dump(value)
    return _dump(encode_texts(value)) if has_surrogates(raw) else raw


def load(raw: bytes | bytearray) -> Any:
    """Return the value of a JSON text; raise ValueError or RecursionError when it is none."""
    value = _load(raw)
    return decode_texts(value) if has_surrogates(raw) or has_encoded_bytes(raw) else value


class _Context:
    """The attributes that the scanner reads."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def _private_functions() -> "tuple[_Dump, _Load]":
    from _json import (  # noqa: PLC0415  private: its absence is one of the errors
        encode_basestring_ascii,
        make_encoder,
        make_scanner,
    )

    scan = make_scanner(cast("Any", _Context()))
    encode = make_encoder(
        None, _refuse, encode_basestring_ascii, None, ":", ",", False, False, True
    )

    def dump_value(value: Any) -> bytes:
        return "".join(encode(value, 0)).encode("ascii")

    def load_value(raw: bytes | bytearray) -> Any:
        text = raw.decode("utf-8").strip(" \t\r\n")
        try:
            value, end = scan(text, 0)
        except StopIteration as error:
            raise ValueError(f"no value at character {error.value}") from error
        except SystemError as error:
            # 3.11's scanner looks for the exception to raise in `json.decoder`, if that is loaded
            raise ValueError("it breaks off or has something in a wrong place") from error
        if end != len(text):
            raise ValueError(f"more than one value, the second at character {end}")
        return value

    _check(dump_value, load_value)
    return dump_value, load_value


def _public_functions() -> "tuple[_Dump, _Load]":
    import json  # noqa: PLC0415  see above

    def dump_value(value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":")).encode("ascii")

    return dump_value, json.loads


def _refuse(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is no JSON")


def _check(dump_value: _Dump, load_value: _Load) -> None:
    if dump_value(load_value(_SAMPLE)) != _SAMPLE:
        raise ValueError("JSON does not come back as it was")
    for raw in _BROKEN:
        try:
            load_value(raw)
        except ValueError:
            continue
        raise ValueError("broken JSON is not refused")


try:
    _dump, _load = _private_functions()
except Exception:  # noqa: BLE001  border: whatever the private functions do now
    _dump, _load = _public_functions()
