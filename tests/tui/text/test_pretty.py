"""JSON lines spread over rows, without changing what they say."""

import json

from hypothesis import given
from hypothesis import strategies as st

from monit_tui.text.pretty import pretty

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(VALUES.filter(lambda value: isinstance(value, dict | list)), st.booleans())
def test_the_value_stays_the_same(value: object, ascii_only: bool) -> None:
    """What is spread over rows reads back as the same value."""
    rows = pretty(json.dumps(value, ensure_ascii=ascii_only).encode())
    assert rows is not None
    assert json.loads("\n".join(rows)) == value


def test_it_looks_as_expected() -> None:
    """One field a row, indented; numbers and strings as they were printed."""
    rows = pretty(b'{"a": 1.50, "b": [true, {"c": "x,{}\\u001b"}], "d": {}, "e": []}')
    assert rows == [
        "{", '  "a": 1.50,', '  "b": [', "    true,", "    {", '      "c": "x,{}\\u001b"',
        "    }", "  ],", '  "d": {},', '  "e": []', "}",
    ]  # fmt: skip


def test_what_is_not_json_is_left_alone() -> None:
    """Half objects, other text, nonsense bytes and absurd depth are not touched."""
    for raw in (b"", b"INFO x", b'{"a": 1', b"[1,]", b"\xff{", b"{\xff}", b"[" * 60_000, b'"x"'):
        assert pretty(raw) is None


def test_depth_does_not_run_off_the_screen() -> None:
    """Deep nesting is indented only so far."""
    rows = pretty(b"[" * 500 + b"]" * 500)
    assert rows is None or max(map(len, rows)) <= 60
