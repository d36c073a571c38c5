"""The words of ``monit logs`` that ``cli/quick_logs.py`` understands. All else, and every wrong
word, is left to ``cli/verbs/logs.py``: None is returned for it."""

from collections.abc import Sequence

from monit_agent.cli.logs.log_query import LINES, MOST_LINES
from monit_agent.logtext.expression import Expression
from monit_agent.os_text import to_unicode
from monit_agent.typed import TYPE_CHECKING, Any, NamedTuple
from monit_agent.wire.limits import SEARCH_CONTEXT, SEARCH_PATTERN

if TYPE_CHECKING:
    from monit_agent.wire.messages import Stream

_SWITCHES: dict[str, tuple[str, Any]] = {
    "-f": ("follow", True), "--follow": ("follow", True), "--no-follow": ("follow", False),
    "-i": ("ignore_case", True), "--ignore-case": ("ignore_case", True),
    "--count": ("counts", True),
    "--err": ("only", "err"), "--out": ("only", "out"),
    "--raw": ("bare", True),
    "--json": ("as_json", True),
}  # fmt: skip

_NUMBERS = {
    "-n": ("lines", MOST_LINES), "--lines": ("lines", MOST_LINES),
    "-A": ("after", SEARCH_CONTEXT), "--after": ("after", SEARCH_CONTEXT),
    "-B": ("before", SEARCH_CONTEXT), "--before": ("before", SEARCH_CONTEXT),
    "-C": ("context", SEARCH_CONTEXT), "--context": ("context", SEARCH_CONTEXT),
}  # fmt: skip
"""Field and largest number."""

_DIGITS = 6


class QuickWords(NamedTuple):
    """What the words of a command say."""

    targets: tuple[str, ...]
    expression: Expression | None
    lines: int = LINES
    follow: bool = True
    ignore_case: bool = False
    after: int | None = None
    before: int | None = None
    context: int = 0
    counts: bool = False
    only: "Stream | None" = None
    bare: bool = False
    as_json: bool = False


def read_words(words: Sequence[str]) -> QuickWords | None:
    """Return what the words after ``monit logs`` say; None where that is for somebody else."""
    fields: dict[str, Any] = {}
    targets: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            targets.append(word)
        elif word in _SWITCHES:
            name, fields[name] = _SWITCHES[word]
        elif not _read_value(word, rest, fields):
            return None
    if any(":" in target or not target for target in targets):
        return None
    return _checked(tuple(targets), fields)


def _read_value(word: str, rest: list[str], fields: dict[str, Any]) -> bool:
    """Read an option with a value, which ``rest`` may begin with; return whether it is known."""
    name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
    if not equals and word[:2] in _NUMBERS and word[2:]:
        name, value = word[:2], word[2:]
    elif not equals:
        if not rest:
            return False
        value = rest.pop(0)
    if name == "--grep":
        fields["grep"] = value
        return not value.startswith("-")
    field, most = _NUMBERS.get(name, ("", 0))
    if not (field and value.isascii() and value.isdigit() and len(value) <= _DIGITS):
        return False
    fields[field] = int(value)
    return int(value) <= most


def _checked(targets: tuple[str, ...], fields: dict[str, Any]) -> QuickWords | None:
    """Return the words if they do not contradict each other."""
    text = fields.pop("grep", "")
    follow = fields.pop("follow", None)
    counts = fields.get("counts", False)
    follows = not counts and follow is not False
    is_shipped = follows and fields.get("as_json", False) and not text
    if (follow and counts) or is_shipped or len(text) > SEARCH_PATTERN or to_unicode(text) != text:
        return None
    try:
        ignore_case = fields.get("ignore_case", False)
        expression = Expression(text, ignore_case=ignore_case) if text else None
    except ValueError:
        return None
    fields = {**fields, "expression": expression, "follow": follows}
    return QuickWords(targets=targets or ("all",), **fields)
