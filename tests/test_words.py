"""The words that users read: one thing has one name, in plain English.

CONTRIBUTING.md has the glossary. This test holds its banned words out of the help pages, out of
texts in the code, and old forms out of the first words of docstrings.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from monit_agent.cli.main import monit
from monit_agent.cli.verb_table import VERBS, load_verb

ROOT = Path(__file__).parent.parent
AGENT, TUI = ROOT / "agent" / "monit_agent", ROOT / "tui" / "monit_tui"

BANNED = re.compile(
    r"\b("
    r"happenings?|heirs?|begotten|unborn|mourn(s|ed|ing)?|bur(y|ies|ied|ying)|patience|"
    r"wanted|wish(es|ed)?|asked|troubles?|culprits?|held up|holds? up|"
    r"complain(s|ed|ing)?|tell(s|ing)?|told|said|"
    r"go(es|ing)? on|went on|anew|shall|lenient(ly)?|unstable|"
    r"errands?|outfits?|quiesc\w+|having lived"
    r")\b",
    re.IGNORECASE,
)
"""Whole words of the glossary's column "not" that have no other use in this program's texts."""

OLD_DOCSTRING = re.compile(r"(Gives?(?! up\b)|Tells?|Says?)\b")

TEXT_ROOMS = (
    *(AGENT / room for room in ("cli", "config", "client", "keeper", "agent", "supervise")),
    TUI,
)
"""Rooms whose texts reach a terminal; ``replay`` writes what imaginary apps print."""


def _sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def _texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the strings of several words that are not docstrings."""
    bare = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in bare:
            continue
        if isinstance(node.value, str) and " " in node.value:
            yield node


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_pages_have_no_banned_word(verb: str) -> None:
    """Every help page uses the words of the glossary."""
    command = load_verb(verb) if verb else monit
    # with the settings of the program: click keeps the names of --help that a command had first
    settings = monit.context_settings
    page = command.get_help(click.Context(command, info_name=verb or "monit", **settings))
    assert [found[0] for found in BANNED.finditer(page)] == []


def test_texts_have_no_banned_word() -> None:
    """No text in the code that a user may read has a banned word."""
    found = [
        f"{_relative(path)}:{text.lineno}: {word[0]}"
        for path in _sources(*TEXT_ROOMS)
        for text in _texts(ast.parse(path.read_text()))
        for word in BANNED.finditer(str(text.value))
    ]
    assert found == []


def test_docstrings_say_what_is_returned() -> None:
    """A docstring says "Return …" and not "Give …"."""
    found: list[str] = []
    for path in _sources(AGENT, TUI):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                if OLD_DOCSTRING.match(text):
                    found.append(f"{_relative(path)}: {text.splitlines()[0]}")
    assert found == []
