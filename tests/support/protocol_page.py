"""The tables of messages and limits in agent/PROTOCOL.md, and those of requests and records in
docs/api.md. Run this file to write them.

Types, defaults and words are those of the classes in ``wire/messages.py``, ``wire/bridge.py``,
``agent/keeper/messages.py`` and ``client/public/``, read from their source.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from monit_agent.keeper.commands import REQUEST_FIELDS
from monit_agent.wire import limits

AGENT = Path(__file__).parent.parent.parent / "agent"
PAGE = AGENT / "PROTOCOL.md"
MESSAGES = AGENT / "monit_agent" / "wire" / "messages.py"
KEEPER_MESSAGES = AGENT / "monit_agent" / "agent" / "keeper" / "messages.py"
BRIDGE_MESSAGES = AGENT / "monit_agent" / "wire" / "bridge.py"
PUBLIC = AGENT / "monit_agent" / "client" / "public"
API_PAGE = AGENT.parent / "docs" / "api.md"
LIMITS = AGENT / "monit_agent" / "wire" / "limits.py"

MARK = "<!-- made by .venv/bin/python tests/support/protocol_page.py: -->\n"
"""What follows this line of the page is made from the types."""

UNITS = (
    ("_bytes", "bytes"), ("_percent", "percent"), ("_ms", "milliseconds"), ("_ns", "nanoseconds"),
    ("_per_s", "per second"), ("_s", "seconds"), ("_at", "seconds since 1970"),
)  # fmt: skip
"""The unit of a field, by the end of its name."""

WORDS = {
    "int": "integer", "float": "number", "str": "text", "bool": "true or false", "bytes": "bytes",
    "None": "null", "Any": "any JSON",
}  # fmt: skip


class Field(NamedTuple):
    """A field of a message."""

    name: str
    kind: ast.expr
    default: ast.expr | None
    text: str


class Kind(NamedTuple):
    """A message or a record in one."""

    name: str
    tag: str | None
    is_array: bool
    text: str
    fields: list[Field]


class Source:
    """The classes of one file, and the names of its types."""

    def __init__(self, path: Path) -> None:
        self.kinds: dict[str, Kind] = {}
        self.aliases: dict[str, ast.expr] = {}
        self._bases: dict[str, set[str]] = {}
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                self.kinds[node.name] = _kind(node)
                for base in node.bases:
                    self._bases.setdefault(ast.unparse(base), set()).add(node.name)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.aliases[node.targets[0].id] = node.value

    def children(self, name: str) -> set[str]:
        """Return the names of the classes whose base is this one."""
        return self._bases.get(name, set())

    def union(self, name: str) -> Iterator[Kind]:
        """Return the members of a union in the order of the file."""
        named = {node.id for node in ast.walk(self.aliases[name]) if isinstance(node, ast.Name)}
        yield from (kind for each, kind in self.kinds.items() if each in named)


def _kind(node: ast.ClassDef) -> Kind:
    words = {word.arg: word.value for word in node.keywords}
    tag = words.get("tag")
    fields: list[Field] = []
    for number, line in enumerate(node.body):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            text = _text(node.body[number + 1 :])
            fields.append(Field(line.target.id, line.annotation, line.value, text))
    return Kind(
        node.name,
        str(tag.value) if isinstance(tag, ast.Constant) else None,
        "array_like" in words,
        ast.get_docstring(node) or "",
        fields,
    )


def _text(after: list[ast.stmt]) -> str:
    first = after[0] if after else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return str(first.value.value)
    return ""


def plain(text: str) -> str:
    """Return the words of a docstring as Markdown on one line; a limit with its value."""
    text = re.sub(r"`limits\.(\w+)`", lambda found: f"{getattr(limits, found[1])}", text)
    text = re.sub(r"``([^`]+)``", r"`\1`", " ".join(text.split()))
    return re.sub(r"\bNone\b", "null", text).replace("|", "\\|")


class Page:
    """Writes kinds with the names of one source."""

    def __init__(self, *sources: Source) -> None:
        self._kinds = {name: kind for each in sources for name, kind in each.kinds.items()}
        self._aliases = {name: value for each in sources for name, value in each.aliases.items()}

    def lines(self, kind: Kind) -> Iterator[str]:
        """Return a section for a kind."""
        named = f"`{kind.tag}` ({kind.name})" if kind.tag else f"`{kind.name}`"
        yield from ("", f"#### {named}", "", plain(kind.text))
        if kind.is_array:
            yield from ("", "An array of these values in this order:")
        if not kind.fields:
            return
        yield from (
            "",
            "| key | type | unit | if absent | meaning |",
            "| --- | --- | --- | --- | --- |",
        )
        for field in kind.fields:
            yield (
                f"| `{field.name}` | {self.type_text(field.kind)} | {unit(field)} "
                f"| {self.default_text(field)} | {plain(field.text)} |"
            )

    def type_text(self, node: ast.expr) -> str:  # noqa: PLR0911 (a table of forms)
        """Return a type in words."""
        match node:
            case ast.Constant(value=None):
                return "null"
            case ast.Constant(value=str(name)):
                return self.type_text(ast.parse(name, mode="eval").body)
            case ast.Name(id=name) if name in WORDS:
                return WORDS[name]
            case ast.Name(id=name) if name in self._kinds:
                return f"`{name}`"
            case ast.Name(id=name):
                return self.type_text(self._aliases[name])
            case ast.BinOp(left=left, right=right):
                return f"{self.type_text(left)} or {self.type_text(right)}"
            case ast.Subscript(value=ast.Name(id=name), slice=inner):
                return self._generic(name, inner.elts if isinstance(inner, ast.Tuple) else [inner])
            case _:
                raise ValueError(ast.unparse(node))

    def _generic(self, name: str, parts: list[ast.expr]) -> str:
        if name == "Annotated":
            return self.type_text(parts[0])
        if name == "Literal":
            return ", ".join(f"`{ast.literal_eval(part)}`" for part in parts)
        if name == "dict":
            return f"map from {self.type_text(parts[0])} to {self.type_text(parts[1])}"
        if isinstance(parts[-1], ast.Constant) and parts[-1].value is ...:
            return f"list of {self.type_text(parts[0])}"
        return f"[{', '.join(self.type_text(part) for part in parts)}]"

    def default_text(self, field: Field) -> str:  # noqa: PLR0911 (the same)
        """Return what a field is that is left out; empty where it is always there."""
        match field.default:
            case None:
                return ""
            case ast.Constant(value=None):
                return "null"
            case ast.Constant(value=bool(value)):
                return str(value).lower()
            case ast.Constant(value=value):
                return f"`{value!r}`" if isinstance(value, str | bytes) else str(value)
            case ast.Name(id="PROTOCOL_VERSION"):
                return str(limits.PROTOCOL_VERSION)
            case ast.Call():
                return "all of its defaults"
            case ast.Tuple(elts=[_, *_]):
                return f"`{json.dumps(ast.literal_eval(field.default))}`"
            case _:
                return "empty"


def unit(field: Field) -> str:
    """Return the unit of a field; empty where it has none."""
    if field.name == "at":
        return "seconds since 1970"
    return next((text for end, text in UNITS if field.name.endswith(end)), "")


def limit_lines() -> Iterator[str]:
    """Return the table of limits."""
    yield from ("", "| limit | value | reason |", "| --- | --- | --- |")
    body = ast.parse(LIMITS.read_text(encoding="utf-8")).body
    for number, node in enumerate(body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            yield f"| `{name}` | {getattr(limits, name)} | {plain(_text(body[number + 1 :]))} |"


def message_lines() -> Iterator[str]:
    """Return all messages, field by field."""
    wire, keeper, bridge = map(Source, (MESSAGES, KEEPER_MESSAGES, BRIDGE_MESSAGES))
    page = Page(wire, keeper, bridge)
    groups: list[tuple[str, Iterable[Kind]]] = [
        ("Header of a published message", [wire.kinds["Header"]]),
        ("Updates: the payload of `event.<app>`", wire.union("Update")),
        ("Requests to an agent", wire.union("Request")),
        ("Answers of an agent", wire.union("Answer")),
    ]
    shown: set[str] = set()
    yield from _intro()
    for title, kinds in groups:
        yield from ("", f"### {title}")
        for kind in kinds:
            shown.add(kind.name)
            yield from page.lines(kind)
    of_keeper = [keeper.kinds[name] for name in ("KeeperAnswer", "KeeperSnapshot", "LogChanged")]
    bases = {"Record", "RequestRecord", "Figures"}
    yield from ("", "### Records in these messages")
    for name, kind in wire.kinds.items():
        if name not in shown | bases:
            yield from page.lines(kind)
    yield from ("", "### Messages of a keeper", "")
    yield "| `do` | fields besides `id` and `do` |"
    yield "| --- | --- |"
    yield "| `hello` | `pid`, `role`; others are ignored |"
    for do, fields in REQUEST_FIELDS.items():
        yield f"| `{do}` | {', '.join(f'`{field}`' for field in fields)} |"
    for kind in of_keeper:
        yield from page.lines(kind)
    yield from ("", "### Messages between `monit bridge` and its client")
    for kind in bridge.kinds.values():
        if kind.tag is not None:
            yield from page.lines(kind)
    yield from ("", "### Limits")
    yield from limit_lines()


def _intro() -> Iterator[str]:
    yield from (
        "",
        "A message is a map; its keys are texts, as the tables name them.",
        "The heading has the value of the key `type`, where there is one.",
        'A key with something in the column "if absent" may be left out and has that value then.',
        'A map "from integer" has integers as keys in msgpack, and texts of digits in JSON.',
        "Ignore a key of an answer or an update that you do not know.",
        "An agent refuses such a key of a request.",
    )


def protocol_page() -> str:
    """Return the text of the page: its head as it is, and the tables."""
    head = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    return head + MARK + "\n".join([*message_lines(), ""])


API_ITEMS = (
    "WatchedChange", "PrintedLine", "LostBytes", "CommandReport", "HistorySeries", "CrashRecord",
)  # fmt: skip
"""What a request of ``docs/api.md`` sends before its answer."""

API_NESTED = ("Exit", "Health", "Metric", "WatchState", "AlertRecord")
"""Records of agents that an ``Instance`` has."""


def api_lines() -> Iterator[str]:
    """Return the tables of requests, of what they send, and of records."""
    requests, records = Source(PUBLIC / "api_requests.py"), Source(PUBLIC / "records.py")
    hello, wire = Source(PUBLIC.parent / "bridge" / "json_bridge.py"), Source(MESSAGES)
    page = Page(wire, records, requests, hello)
    targets = requests.kinds["CommandRequest"].fields
    yield from ("", "### The first line", *page.lines(hello.kinds["JsonHello"]))
    yield from ("", "### Requests", "", "Besides `id` and `do`, a request has these keys.")
    for kind in requests.union("AnyRequest"):
        is_command = kind.name in requests.children("CommandRequest")
        fields = [*targets, *kind.fields] if is_command else kind.fields
        yield from page.lines(kind._replace(fields=fields))
    yield from ("", "### What comes before an answer")
    for name in API_ITEMS:
        yield from page.lines(records.kinds[name])
    yield from ("", "### Records")
    for name, kind in records.kinds.items():
        if name not in API_ITEMS:
            yield from page.lines(kind)
    for name in API_NESTED:
        yield from page.lines(wire.kinds[name])


def api_page() -> str:
    """Return the text of docs/api.md: its head as it is, and the tables."""
    head = API_PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    return head + MARK + "\n".join([*api_lines(), ""])


if __name__ == "__main__":
    API_PAGE.write_text(api_page(), encoding="utf-8")
    PAGE.write_text(protocol_page(), encoding="utf-8")
