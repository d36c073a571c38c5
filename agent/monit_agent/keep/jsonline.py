"""JSON without the `json` package, which brings `re` and costs the keeper a megabyte for ever.

The work is done by the same C code, `_json`; where an interpreter lacks it the package is used.
"""

from monit_agent.supervise.typed import Any, cast

try:
    from _json import encode_basestring_ascii, make_encoder, make_scanner
except ImportError:
    import json

    def dump(value: Any) -> bytes:
        """Give ``value`` as one line of JSON, without its end."""
        return json.dumps(value, separators=(",", ":")).encode("ascii")

    def load(raw: bytes | bytearray) -> Any:
        """Give the value of a JSON text; ValueError or RecursionError when it is none."""
        return json.loads(raw)
else:

    class _Context:
        """What the scanner wants to know."""

        strict = True
        object_hook = None
        object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = float

    _scan = make_scanner(cast("Any", _Context()))

    def dump(value: Any) -> bytes:
        """Give ``value`` as one line of JSON, without its end."""
        return "".join(_encode(value, 0)).encode("ascii")

    def load(raw: bytes | bytearray) -> Any:
        """Give the value of a JSON text; ValueError or RecursionError when it is none."""
        text = raw.decode("utf-8").strip(" \t\r\n")
        try:
            value, end = _scan(text, 0)
        except StopIteration as error:
            raise ValueError(f"no value at character {error.value}") from error
        except SystemError as error:
            # 3.11's scanner looks for the exception to raise in `json.decoder`, if that is loaded
            raise ValueError("it breaks off or has something in a wrong place") from error
        if end != len(text):
            raise ValueError(f"more than one value, the second at character {end}")
        return value

    def _unknown(value: Any) -> Any:
        raise TypeError(f"{type(value).__name__} is no JSON")

    _encode = make_encoder(
        None, _unknown, encode_basestring_ascii, None, ":", ",", False, False, True
    )
