"""The man pages in ``docs/man``, made from the commands themselves; run to write them again."""

import re
from pathlib import Path

import click

from monit_agent.cli.main import EXAMPLES, TARGETS
from monit_agent.cli.verb_table import GROUPS, VERBS, load_verb

FOLDER = Path(__file__).parents[2] / "docs" / "man"

EXIT_CODES = """\
0 done, 1 failed, 2 wrong usage, 3 no such target, 4 an app's agent does not answer."""

FILES = """\
$MONIT_HOME, by default ~/.local/state/monit: a folder for each app, with its logs and state."""

HELP_OPTION = ("-h, --help", "Show this message and exit.")
"""Of every command. click makes it at a command's first use, for the program or the test that uses
it."""


def man_pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    pages = {"monit.1": _overview(), "pmonit.1": ".so man1/monit.1\n"}
    for verb in VERBS:
        pages[f"monit-{verb}.1"] = _page(verb, load_verb(verb))
    return pages


def _overview() -> str:
    parts = [
        _head("monit", "run apps, keep them running, and monitor them in the terminal"),
        _section("SYNOPSIS", ".B monit\n[TARGET...]\n.br\n.B monit\nVERB [OPTIONS] [ARGS]"),
    ]
    for group in GROUPS:
        rows = [(f"monit-{name}(1)", v.summary) for name, v in VERBS.items() if v.group == group]
        parts.append(_section(group.upper(), _definitions(rows)))
    parts += [
        _section("TARGETS", _verbatim(TARGETS.partition("\n")[2])),
        _section("EXAMPLES", _verbatim(EXAMPLES.partition("\n")[2])),
        _section("EXIT STATUS", _escaped(EXIT_CODES)),
        _section("FILES", _escaped(FILES)),
    ]
    return "".join(parts)


def _page(verb: str, command: click.Command) -> str:
    ctx = click.Context(command, info_name=f"monit {verb}")
    usage = " ".join(command.collect_usage_pieces(ctx))
    parts = [
        _head(f"monit-{verb}", VERBS[verb].summary.rstrip(".")),
        _section("SYNOPSIS", f".B monit {verb}\n{_escaped(usage)}"),
        _section("DESCRIPTION", _paragraphs(command.help or "")),
        _section("OPTIONS", _definitions([*_options(ctx), HELP_OPTION])),
    ]
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            part = command.get_command(ctx, name)
            assert part is not None
            inner = click.Context(part, info_name=name, parent=ctx)
            pieces = " ".join(part.collect_usage_pieces(inner))
            body = (
                f".B monit {verb} {name}\n{_escaped(pieces)}\n.PP\n{_paragraphs(part.help or '')}"
            )
            options = _definitions(_options(inner))
            parts.append(_section(f"MONIT {verb} {name}".upper(), f"{body}\n{options}".rstrip()))
    if command.epilog:
        parts.append(_section("NOTES", _paragraphs(command.epilog)))
    return "".join([*parts, _section("SEE ALSO", ".BR monit (1)")])


def _options(ctx: click.Context) -> list[tuple[str, str]]:
    params = [each for each in ctx.command.params if isinstance(each, click.Option)]
    records = [each.get_help_record(ctx) for each in params]
    return [record for record in records if record is not None]


def _head(name: str, summary: str) -> str:
    title = f'.TH {name.upper()} 1 "" "monit" "monit manual"'
    return f"{title}\n.SH NAME\n{name} \\- {_escaped(summary)}\n"


def _section(title: str, body: str) -> str:
    return f".SH {_escaped(title)}\n{body}\n" if body.strip() else ""


def _definitions(rows: list[tuple[str, str]]) -> str:
    return "\n".join(f".TP\n.B {_escaped(term.strip())}\n{_escaped(text)}" for term, text in rows)


def _paragraphs(text: str) -> str:
    """Return click's text, whose blocks that begin with a backspace keep their lines."""
    blocks = re.split(r"\n\s*\n", text.strip("\n"))
    parts = [
        _verbatim(block.strip("\n").partition("\n")[2])
        if block.lstrip().startswith("\b")
        else _escaped(" ".join(block.split()))
        for block in blocks
    ]
    return "\n.PP\n".join(parts)


def _verbatim(text: str) -> str:
    return f".nf\n{_escaped(text)}\n.fi"


def _escaped(text: str) -> str:
    """Return text that roff prints as it is."""
    text = text.replace("\u00a0", " ").replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in text.split("\n"))


def write_man_pages() -> None:
    """Write all pages, and remove those of verbs that are gone."""
    FOLDER.mkdir(exist_ok=True)
    pages = man_pages()
    for old in FOLDER.glob("*.1"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    write_man_pages()
