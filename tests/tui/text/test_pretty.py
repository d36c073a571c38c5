"""JSON lines, a field a row, with unchanged values."""

import json

from hypothesis import given
from hypothesis import strategies as st

from monit_tui.text.pretty import json_rows

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(VALUES.filter(lambda value: isinstance(value, dict | list)), st.booleans())
def test_the_value_stays_the_same(value: object, ascii_only: bool) -> None:
    """The rows of a JSON line parse as the same value."""
    rows = json_rows(json.dumps(value, ensure_ascii=ascii_only).encode())
    assert rows is not None
    assert json.loads("\n".join(rows)) == value


def test_it_looks_as_expected() -> None:
    """Each field has an indented row; numbers and strings are unchanged."""
    rows = json_rows(b'{"a": 1.50, "b": [true, {"c": "x,{}\\u001b"}], "d": {}, "e": []}')
    assert rows == [
        "{", '  "a": 1.50,', '  "b": [', "    true,", "    {", '      "c": "x,{}\\u001b"',
        "    }", "  ],", '  "d": {},', '  "e": []', "}",
    ]  # fmt: skip


def test_what_is_not_json_is_left_alone() -> None:
    """Incomplete objects, other text, invalid bytes and extreme depth are not changed."""
    for raw in (b"", b"INFO x", b'{"a": 1', b"[1,]", b"\xff{", b"{\xff}", b"[" * 60_000, b'"x"'):
        assert json_rows(raw) is None


def test_indentation_is_limited() -> None:
    """Deep nesting is indented up to a limit."""
    rows = json_rows(b"[" * 500 + b"]" * 500)
    assert rows is None or max(map(len, rows)) <= 60
