"""JavaScript and JSON literals, read without Node."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.config.formats.literals import NotLiteralError, read_literal

MODULE = """\
'use strict'
// apps
/* of the
   shop */
module.exports = {
  apps: [
    { name: "web", 'script': './a.js', // trailing
      `args`: 1 },
  ],
};
"""


def test_values_and_their_lines() -> None:
    """Comments, quotes of all kinds, trailing commas and numbers are read, each with its line."""
    text = MODULE.replace("`args`: 1", "args: [`x ${'$'}`.length]").replace(
        "[`x ${'$'}`.length]",
        "[-1.5e2, 0x1F, 1_000, null, undefined, true, `a$b\\n`, '\\u0041\\'']",
    )
    found = read_literal("/a.js", text, exported=True)
    (app,) = found.root["apps"]
    assert app["name"] == "web"
    assert app["args"] == [-150.0, 31, 1000, None, None, True, "a$b\n", "A'"]
    assert found.lines["apps", 0, "script"] == 7
    assert found.lines["apps", 0, "args", 7] == 8


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("process.env.PORT", "process.env.PORT"),
        ("`a ${b}`", "`a ${b}`"),
        ("'a' + 'b'", "+ 'b'"),
        ("path.join(__dirname)", "path.join(__dirname)"),
        ("{ ...shared }", "...shared"),
        ("{ name }", "name"),
        ("{ [key]: 1 }", "[key]: 1"),
        ("() => 1", "() => 1"),
        ("[1 2]", "2"),
        ("'open", "'open"),
        ("08x", "08x"),
    ],
)
def test_what_is_no_literal_is_named_with_its_line(value: str, what: str) -> None:
    """The first expression is named as it stands there."""
    with pytest.raises(NotLiteralError) as error:
        read_literal("/a.js", f"module.exports = {{\n  a: 1,\n  b: {value},\n}}", exported=True)
    assert (error.value.line, error.value.what) == (3, what)


@pytest.mark.parametrize(
    "text", ["", "const a = 1", "module.exports = {", "[" * 5000, "{}", "{} {}"]
)
def test_what_is_no_module_of_one_literal(text: str) -> None:
    """Other statements, unfinished and very deep texts are refused, not half read."""
    with pytest.raises(NotLiteralError):
        read_literal("/a.js", text, exported=True)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)  # fmt: skip


@given(VALUES)
def test_json_is_read_as_json(value: Any) -> None:
    """Whatever JSON holds is read as the same value."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    assert read_literal("/a.json", text, exported=False).root == json.loads(text)


def test_a_large_file_is_read_in_one_pass() -> None:
    """The line of the last of 20,000 values is right, without counting from the beginning."""
    text = "[\n" + ",\n".join(['{"a": 1}'] * 20_000) + "\n]"
    assert read_literal("/a.json", text, exported=False).lines[19_999, "a"] == 20_001
