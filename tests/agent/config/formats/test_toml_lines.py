"""Lines of keys in TOML files."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.config.files.toml_writer import toml_key, toml_value
from monit_agent.config.formats.toml_lines import Path, toml_lines

EVERYTHING = '''\
# comment [not.a.table]
title = "one = [two]" # a = 1
[apps.web] # x
run = """
[apps.fake]
a = 1
\\"""" # b
"quoted.key" = 'x # y'
a . b.c = [ # [z]
  1, "]", # one
  { d = 1, "e" = [2] },
  \'\'\'
k = 2\'\'\',
]
when = 1979-05-27 07:32:00
[[list]]
x = 1
[list.sub]
y = 2
[[list]]
x = {} # end
"\\u0041" = true'''

LINES: dict[Path, int] = {
    ("title",): 2,
    ("apps", "web"): 3,
    ("apps", "web", "run"): 4,
    ("apps", "web", "quoted.key"): 8,
    ("apps", "web", "a"): 9,
    ("apps", "web", "a", "b"): 9,
    ("apps", "web", "a", "b", "c"): 9,
    ("apps", "web", "a", "b", "c", 0): 10,
    ("apps", "web", "a", "b", "c", 1): 10,
    ("apps", "web", "a", "b", "c", 2): 11,
    ("apps", "web", "a", "b", "c", 2, "d"): 11,
    ("apps", "web", "a", "b", "c", 2, "e"): 11,
    ("apps", "web", "a", "b", "c", 2, "e", 0): 11,
    ("apps", "web", "a", "b", "c", 3): 12,
    ("apps", "web", "when"): 15,
    ("list", 0): 16,
    ("list", 0, "x"): 17,
    ("list", 0, "sub"): 18,
    ("list", 0, "sub", "y"): 19,
    ("list", 1): 20,
    ("list", 1, "x"): 21,
    ("list", 1, "A"): 22,
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_key_and_element_has_its_line(newline: str) -> None:
    """Strings, comments, arrays, inline tables and arrays of tables do not confuse the scan."""
    text = EVERYTHING.replace("\n", newline)
    tomllib.loads(text)
    found = {path: line for path, line in toml_lines(text).items() if path != ("list",)}
    assert found == LINES


KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.text(st.characters(codec="utf-8")) | st.booleans() | st.integers(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_what_the_writer_writes_is_read_and_found(document: dict[str, dict[str, Any]]) -> None:
    """Whatever keys and values are, `tomllib` reads them back, and each key's line is known."""
    lines: list[str] = []
    places: dict[Path, int] = {}
    for table, pairs in document.items():
        lines += ["# [", f"[{toml_key(table)}]"]
        places[table,] = len(lines)
        for key, value in pairs.items():
            lines += [f"{toml_key(key)} = {toml_value(value)}"]
            places[table, key] = len(lines)
    text = "\n".join(lines)
    assert tomllib.loads(text) == document
    found = toml_lines(text)
    assert {path: found[path] for path in places} == places
