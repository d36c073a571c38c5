"""The page for users of pm2, made from the table of words. Run this file to write it."""

from collections.abc import Iterable
from pathlib import Path

from monit_agent.cli.pm2_words import COMMANDS, FLAGS, Pm2Word, has_answer
from monit_agent.cli.verb_table import ALIASES
from monit_agent.config.formats.pm2_keys import ANSWERS, AUTOSTART, NO_EFFECT, NOT_STARTED, OWN_KEYS
from monit_agent.config.options import BY_KEY, OPTIONS

PAGE = Path(__file__).parent.parent.parent / "docs" / "from-pm2.md"

MARK = "<!-- made by .venv/bin/python tests/support/pm2_page.py: -->\n"
"""What follows this line of the page is made from the table."""


def pm2_page() -> str:
    """Return the text of ``docs/from-pm2.md``: its head as it is, and the tables."""
    names = [(name, verb) for name, verb in sorted(ALIASES.items())]
    works = [
        (word, " ".join(row.stands_for))
        for row in (*COMMANDS, *FLAGS)
        if row.stands_for
        for word in row.words
    ]
    keys = [
        (f"--{key.replace('_', '-')}", option.flags[-1])
        for option in OPTIONS
        if not (option.implies or option.switch)
        for key in option.pm2
        if not has_answer(f"--{key.replace('_', '-')}")
    ]
    same = [(f"`{pm2}`", f"`{own}`") for pm2, own in (*names, *works, *keys) if pm2 != own]
    lines = [
        *("## Keys of ecosystem files", "", *_table("pm2", "in monit", _file_keys())),
        *("## Other names that work", "", *_table("pm2", "monit", same)),
        *("## Commands with an answer", "", *_table("pm2", "in monit", _answers(COMMANDS))),
        *("## Options with an answer", "", *_table("pm2", "in monit", _answers(FLAGS))),
    ]
    head = PAGE.read_text().partition(MARK)[0]
    return head + MARK + "\n".join(["", *lines[:-1], ""])


VALUES = {
    "duration": "a bare number is in milliseconds",
    "size": "a bare number is in bytes",
    "restart": "`true` is `always`, `false` is `never`",
    "kill mode": "`true` is `mixed`, `false` is `process`",
    "variable pattern": "an entry drops every variable that contains it",
    "watch path": "`true`, or files and folders that count from `cwd`",
}
"""How a value of pm2 is read, by the kind of the option."""


def _file_keys() -> list[tuple[str, str]]:
    """Return each key of pm2 and what it becomes."""
    rows = [("env_NAME", "`profiles.NAME.env`")]
    for key, own in OWN_KEYS.items():
        option = BY_KEY.get(own)
        how = VALUES.get(option.kind, "") if option is not None else ""
        rows.append((key, f"`{own}`{f'; {how}' if how else ''}"))
    rows += [(key, f"no effect: {why}") for key, why in NO_EFFECT.items()]
    rows += [(key, f"no effect, and a note: {why}") for key, why in ANSWERS.items()]
    rows.append((AUTOSTART, f"{NOT_STARTED}"))
    escaped = [(f"`{key}`", text.replace("|", "\\|") + ".") for key, text in rows]
    return sorted(escaped)


def _answers(rows: Iterable[Pm2Word]) -> list[tuple[str, str]]:
    return [
        (", ".join(f"`{word}`" for word in row.words), row.answer.replace("|", "\\|") + ".")
        for row in rows
        if row.answer
    ]


def _table(left: str, right: str, rows: list[tuple[str, str]]) -> list[str]:
    return [f"| {left} | {right} |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows), ""]


if __name__ == "__main__":
    PAGE.write_text(pm2_page())
