"""A TOML file as values and the lines of its keys."""

import os
import re
import tomllib
from typing import Any, NamedTuple, cast

from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place
from monit_agent.config.formats.text import read_config_text
from monit_agent.config.formats.toml_lines import Path, toml_lines
from monit_agent.os_text import decode_texts

_AT = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")


class TomlDocument(NamedTuple):
    """The part of a file that is monit's."""

    path: str
    root: dict[str, Any]
    prefix: tuple[str, ...]
    """Where the root stands: ("tool", "monit") in a pyproject.toml."""
    lines: dict[Path, int]

    def place(self, path: Path) -> Place:
        """Return where a key stands, or what holds it."""
        full: Path = (*self.prefix, *path)
        while full and full not in self.lines:
            full = full[:-1]
        return Place(self.path, self.lines.get(full))

    def label(self, path: Path) -> str:
        """Return the header of a table: ``[apps.web]``."""
        keys = ".".join(str(key) for key in (*self.prefix, *path))
        return f"[{keys}]" if keys else "this file"


def load_toml(path: str, named: Place | None = None) -> TomlDocument:
    """Return the document at ``path``; ``named`` is where another file names it.

    Raise `ConfigFaultsError` when it is not TOML, or a pyproject.toml without [tool.monit].
    """
    text = read_config_text(path, named)
    try:
        root = decode_texts(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigFaultsError([_syntax_fault(path, text, str(error))]) from error
    except ValueError as error:  # a number with thousands of digits
        raise ConfigFaultsError([Fault(Place(path), f"not usable: {error}")]) from error
    except RecursionError as error:
        raise ConfigFaultsError([Fault(Place(path), "arrays are nested too deeply")]) from error
    prefix = ("tool", "monit") if os.path.basename(path) == "pyproject.toml" else ()
    for key in prefix:
        part: Any = root.get(key)
        if not isinstance(part, dict):
            raise ConfigFaultsError([Fault(Place(path), "there is no [tool.monit] in this file")])
        root = cast("dict[str, Any]", part)
    return TomlDocument(path, root, prefix, toml_lines(text))


def _syntax_fault(path: str, text: str, message: str) -> Fault:
    found = _AT.search(message)
    line = int(found[1]) if found and found[1] else text.count("\n") + 1
    return Fault(Place(path, line), f"not valid TOML: {_AT.sub('', message)}")
