"""YAML files, read by PyYAML if it is installed (the extra ``yaml``)."""

import importlib
from typing import Any, cast

from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place
from monit_agent.config.formats.documents import ValueDocument
from monit_agent.config.formats.toml_lines import Path
from monit_agent.os_text import decode_texts

VALUES_MAX = 100_000
"""A few lines of YAML can name each other and expand to billions of values."""


def read_yaml(path: str, text: str) -> ValueDocument:
    """Return the values of a YAML text, or raise `ConfigFaultsError`."""
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError as error:
        why = (
            "YAML files need PyYAML: pip install 'monit-tui[yaml]', or pipx inject monit-tui "
            "PyYAML; JSON and TOML need nothing"
        )
        raise ConfigFaultsError([Fault(Place(path), why)]) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        reader = _YamlReader(yaml.SafeLoader(""))
        root = reader.value(node, ()) if node is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else None
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigFaultsError([Fault(Place(path, line), f"not valid YAML: {why}")]) from error
    except (RecursionError, ValueError) as error:
        raise ConfigFaultsError([Fault(Place(path), f"not usable: {error}")]) from error
    return ValueDocument(path, decode_texts(root), reader.lines)


_TAGS = {"mapping": ("tag:yaml.org,2002:map",), "sequence": ("tag:yaml.org,2002:seq",)}


class _YamlReader:
    """Makes values of nodes, and keeps their lines."""

    def __init__(self, loader: Any) -> None:
        self.lines: dict[Path, int] = {}
        self._loader = loader

    def value(self, node: Any, path: Path) -> Any:
        """Return the value of a node."""
        if len(self.lines) > VALUES_MAX:
            raise ValueError(f"more than {VALUES_MAX} values")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if node.tag not in _TAGS.get(node.id, (node.tag,)):
            raise ValueError(f"line {node.start_mark.line + 1}: the tag {node.tag} is not allowed")
        if node.id == "mapping":
            self._loader.flatten_mapping(node)
            found: dict[str, Any] = {}
            for key_node, value_node in cast("list[tuple[Any, Any]]", node.value):
                key = str(self._loader.construct_object(key_node, deep=True))
                self.lines[(*path, key)] = key_node.start_mark.line + 1
                found[key] = self.value(value_node, (*path, key))
            return found
        if node.id == "sequence":
            return [self.value(each, (*path, index)) for index, each in enumerate(node.value)]
        return self._loader.construct_object(node)
