"""Reading the tables of monit's own format: each key checked, each value parsed."""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from monit_agent.config.files.entries import Items, read_item, variable_fault
from monit_agent.config.files.faults import Fault, Place, did_you_mean, meant_key
from monit_agent.config.files.keys import (
    APP_KEYS,
    BY_PROGRAM_KEY,
    NAME_TEXT,
    RULES,
    TABLES,
    WHAT_RUNS,
)
from monit_agent.config.formats.toml_document import TomlDocument
from monit_agent.config.formats.toml_lines import Path
from monit_agent.config.options import BY_KEY
from monit_agent.wire.order import USUAL
from monit_agent.wire.paths import BadNameError, check_name

Table = dict[str, Any]


OF_ALL = ("namespace", "alerts")
"""Keys of an app that may stand in the root of a file."""


class Layer(NamedTuple):
    """The table of an app, or the defaults, in one file."""

    place: Place
    items: Items
    profiles: dict[str, Items]
    faulty: dict[str, frozenset[str]]
    """Keys whose values are wrong: by profile, and under "" without one."""


class TableReader:
    """Reads the tables of one document; what is wrong is added to ``faults``."""

    def __init__(self, document: TomlDocument, faults: list[Fault]) -> None:
        self._document = document
        self._faults = faults

    def check_root(self, keys: tuple[str, ...], version: int) -> None:
        """Check the keys of the root, and the version of the format."""
        root = self._document.root
        for key in root:
            if key not in keys:
                hint = did_you_mean(key, keys)
                if key in APP_KEYS and not hint:
                    hint = "; settings of an app stand below [apps.NAME]"
                self._unknown((key,), hint)
        if root.get("version", version) != version:
            text = f"version {root['version']!r}: this monit reads version {version}"
            self._fault(("version",), text)

    def of_all_apps(self) -> Layer | None:
        """Return the keys of the root that count for all apps of the file: namespace and [alerts];
        None without one."""
        table = {key: self._document.root[key] for key in OF_ALL if key in self._document.root}
        if not table:
            return None
        items, faulty = self._part(table, ())
        return Layer(self._document.place((next(iter(table)),)), items, {}, {"": faulty})

    def defaults(self) -> Layer | None:
        """Return the table [defaults]; None without one."""
        if "defaults" not in self._document.root:
            return None
        return self._layer(self._document.root["defaults"], ("defaults",))

    def apps(self) -> dict[str, Layer]:
        """Return the tables of the apps by name; those with an impossible name are left out."""
        tables = self._table(self._document.root.get("apps", {}), ("apps",))
        apps: dict[str, Layer] = {}
        for name, value in tables.items():
            layer = self._layer(value, ("apps", name))
            try:
                apps[check_name(name)] = layer
            except BadNameError as error:
                text = str(error).replace(" with --name", "")
                self._faults.append(Fault(layer.place, text))
        return apps

    def texts(self, key: str) -> Iterator[tuple[str, Place]]:
        """Yield the strings of a list in the root, and where they stand."""
        value: Any = self._document.root.get(key, [])
        values = cast("list[Any]", value) if isinstance(value, list) else [value]
        for index, each in enumerate(values):
            if isinstance(each, str) and each.strip() and "\0" not in each:
                yield each, self._document.place((key, index))
            else:
                self._fault((key, index), f"{key}: {each!r} is not the path of a file")

    # ------------------------------------------------------------ one app

    def _layer(self, value: Any, path: Path) -> Layer:
        table = self._table(value, path)
        faulty: dict[str, frozenset[str]] = {}
        own = {key: each for key, each in table.items() if key != "profiles"}
        items, faulty[""] = self._part(own, path)
        profiles: dict[str, Items] = {}
        for name, part in self._table(table.get("profiles", {}), (*path, "profiles")).items():
            inner: Path = (*path, "profiles", name)
            profiles[name], faulty[name] = self._part(self._table(part, inner), inner)
        return Layer(self._document.place(path), items, profiles, faulty)

    def _part(self, table: Table, path: Path) -> tuple[Items, frozenset[str]]:
        """Return the values of a table, and the keys of those that are wrong."""
        before = len(self._faults)
        items = self._items(table, path)
        return items, frozenset(meant_key(fault) for fault in self._faults[before:])

    def _items(self, table: Table, path: Path) -> Items:
        items: Items = {}
        for written, value in table.items():
            key = written.replace("_", "-")
            if key == "env":
                found = self._by_name(key, value, (*path, written))
            elif key == "after":
                found = self._by_name(key, _as_table(value), (*path, written))
            elif key in TABLES:
                found = self._subtable(key, value, (*path, written))
            else:
                found = self._item(key, value, (*path, written), APP_KEYS)
            for each, item in found.items():
                if each in items:
                    self._fault((*path, written), f"{each}: stands twice in this table")
                items[each] = item
        several = [key for key in items if key in WHAT_RUNS]
        if len(several) > 1:
            text = f"{several[1]}: an app has {' or '.join(WHAT_RUNS)}, not several of them"
            self._faults.append(Fault(items[several[1]].place, text))
        return items

    def _subtable(self, key: str, value: Any, path: Path) -> Items:
        """Return the values of a table such as ``health``."""
        found: Items = {}
        known = tuple(option.partition(".")[2] for option in BY_KEY if option.startswith(key + "."))
        for written, each in self._table(value, path).items():
            name = written.replace("_", "-")
            if f"{key}.{name}" == RULES:
                found.update(self._by_name(RULES, each, (*path, written)))
            elif name in known:
                found.update(self._item(f"{key}.{name}", each, (*path, written), known))
            else:
                self._unknown((*path, written), did_you_mean(written, known))
        return found

    def _by_name(self, key: str, value: Any, path: Path) -> Items:
        """Return the values of a table whose keys are names: variables, rules of alerts."""
        if not isinstance(value, dict):
            self._fault(path, f'{key}: write a table, {path[-1]} = {{ NAME = "value" }}')
            return {}
        found: Items = {}
        for name, each in cast("Table", value).items():
            fault = variable_fault(name) if key == "env" else None
            place = self._document.place((*path, name))
            if fault:
                self._faults.append(Fault(place, f"{key}: {fault}"))
                continue
            item = read_item(f"{key}.{name}", each, place, self._faults)
            if item:
                found[f"{key}.{name}"] = item
        return found

    def _item(self, key: str, value: Any, path: Path, known: tuple[str, ...]) -> Items:
        if key == "name":
            self._fault(path, NAME_TEXT)
            return {}
        if key not in BY_KEY and key not in BY_PROGRAM_KEY:
            self._unknown(path, did_you_mean(key, known))
            return {}
        item = read_item(key, value, self._document.place(path), self._faults)
        return {key: item} if item else {}

    # ------------------------------------------------------------ faults

    def _table(self, value: Any, path: Path) -> Table:
        if isinstance(value, dict):
            return cast("Table", value)
        self._fault(path, f"{path[-1]}: write a table, {self._document.label(path)}")
        return {}

    def _unknown(self, path: Path, hint: str) -> None:
        where = self._document.label(path[:-1])
        self._fault(path, f"unknown key {path[-1]!r} in {where}{hint}")

    def _fault(self, path: Path, text: str) -> None:
        self._faults.append(Fault(self._document.place(path), text))


def _as_table(value: Any) -> Table:
    """Return the apps of a list, or a single one, as the table that names their states."""
    if isinstance(value, dict):
        return cast("Table", value)
    names = cast("list[Any]", value) if isinstance(value, list) else [value]
    return {str(name): USUAL for name in names}
