"""A file as values and the lines on which they stand, whatever its syntax."""

from typing import Any, NamedTuple

from monit_agent.config.files.faults import Place
from monit_agent.config.formats.toml_lines import Path


class ValueDocument(NamedTuple):
    """The values of a JSON, JavaScript or YAML file."""

    path: str
    root: Any
    lines: dict[Path, int]
    """Empty when a program computed the values."""

    def place(self, path: Path) -> Place:
        """Return where a value stands, or what holds it."""
        while path and path not in self.lines:
            path = path[:-1]
        return Place(self.path, self.lines.get(path))
