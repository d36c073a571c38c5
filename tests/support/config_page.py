"""The table of keys in docs/configuration.md and the JSON Schema. Run this file to write them, and
the man pages with them."""

import json
from pathlib import Path

from monit_agent.config.files.keys import PROGRAM_KEYS
from monit_agent.config.files.schema import config_schema, key_help
from monit_agent.config.options import OPTIONS, Option

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = DOCS / "configuration.md"
SCHEMA = DOCS / "monit.schema.json"

MARK = "<!-- made by .venv/bin/python tests/support/config_page.py: -->\n"
"""What follows this line of the page is made from the tables of keys."""


def schema_text() -> str:
    """Return what ``monit config schema`` prints."""
    return json.dumps(config_schema(), indent=2) + "\n"


def needs_text(option: Option) -> str:
    """Return what `monit apply` does when the key has changed."""
    if option.key == "instances":
        return "scale"
    return {"live": "", "reload": "reload", "restart": "stop and start"}[option.apply]


def config_page() -> str:
    """Return the text of the page: its head as it is, and the table of keys."""
    rows = [(row.key, "", row.help, "reload") for row in PROGRAM_KEYS]
    rows += [
        (option.key, option.flags[-1], key_help(option), needs_text(option))
        for option in OPTIONS
        if option.key != "name"
    ]
    lines = [
        "| key | option | meaning | a change needs |",
        "| --- | --- | --- | --- |",
        *(
            f"| `{key}` | {f'`{flag}`' if flag else ''} | {text.replace('|', chr(92) + '|')} "
            f"| {needs} |"
            for key, flag, text, needs in rows
        ),
    ]
    return PAGE.read_text().partition(MARK)[0] + MARK + "\n".join(["", *lines, ""])


if __name__ == "__main__":
    SCHEMA.write_text(schema_text())
    PAGE.write_text(config_page())
    from man_pages import write_man_pages  # beside this file, which is run by its path

    write_man_pages()
