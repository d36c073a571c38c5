"""pm2's ecosystem files: JSON, YAML and JavaScript with pm2's keys and units.

``env_NAME`` is the profile NAME. What pm2 accepts and has no meaning here is a note, not a fault:
a file that pm2 starts is started here too.
"""

import os
import shutil
from collections.abc import Mapping
from typing import Any, cast

from monit_agent.config.errors import BadInputError
from monit_agent.config.files.entries import (
    AppEntry,
    Item,
    Items,
    make_item,
    merge,
    variable_fault,
)
from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place, did_you_mean
from monit_agent.config.formats.documents import ValueDocument
from monit_agent.config.formats.literals import NotLiteralError, read_literal
from monit_agent.config.formats.node_values import run_config
from monit_agent.config.formats.pm2_keys import (
    ANSWERS,
    AUTOSTART,
    KNOWN,
    MERGED,
    NOT_MERGED,
    NOT_STARTED,
    OWN_KEYS,
    own_value,
    pm2_variable,
    snake_case,
)
from monit_agent.config.formats.text import read_config_text
from monit_agent.config.formats.toml_lines import Path
from monit_agent.config.formats.yaml_values import read_yaml
from monit_agent.config.options import BY_KEY
from monit_agent.config.target import INTERPRETERS, app_name, clean_name

OTHER_FORMATS = {
    "processes": "this is a file of process-compose: monit config import FILE > monit.toml",
    "services": "this is a file of Docker Compose, which monit does not read",
}
"""What a file with this key instead of apps is."""


class Pm2Config:
    """The apps of an ecosystem file; ``faults`` and ``notes`` are about the whole file."""

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []
        self._environ = environ
        self._entries: list[tuple[AppEntry, dict[str, Items]]] = []
        self._noted: set[str] = set()
        try:
            self._document, lost = _read(path, environ)
            self._read_apps()
        except ConfigFaultsError as error:
            self.faults += error.faults
            return
        for key in dict.fromkeys(lost):
            self._note(key, (), f"{key}: a function, or a number without end, is left out")

    def profiles(self) -> set[str]:
        """Return the names of all ``env_NAME``."""
        return {name for _, profiles in self._entries for name in profiles}

    def entries(self, profile: str | None) -> list[AppEntry]:
        """Return the apps in the order of the file."""
        return [
            entry._replace(items=merge(entry.items, profiles.get(profile or "", {})))
            for entry, profiles in self._entries
        ]

    # ------------------------------------------------------------ the file

    def _read_apps(self) -> None:
        root: Any = self._document.root
        base: Path = ()
        if isinstance(root, dict):
            table = cast("dict[str, Any]", root)
            for key in ("apps", "pm2"):
                if key in table:
                    root, base = table[key], (key,)
                    break
            else:
                if "script" not in table:
                    raise ConfigFaultsError([Fault(Place(self._document.path), _no_apps(table))])
        if isinstance(root, dict):
            self._read_app(cast("dict[str, Any]", root), base)
        elif isinstance(root, list):
            for index, each in enumerate(cast("list[Any]", root)):
                if isinstance(each, dict):
                    self._read_app(cast("dict[str, Any]", each), (*base, index))
                else:
                    self._fault((*base, index), "an app is an object: { name: …, script: … }")
        else:
            self._fault(base, "apps is neither a list nor an object")

    def _read_app(self, table: dict[str, Any], path: Path) -> None:
        items: Items = {}
        profiles: dict[str, Items] = {}
        before = len(self.faults)
        for written, value in table.items():
            key, where = snake_case(written), (*path, written)
            if key == "env":
                items.update(self._variables(value, where))
            elif key.startswith("env_"):
                profiles[key.removeprefix("env_")] = self._variables(value, where)
            elif key in OWN_KEYS:
                items.update(self._item(OWN_KEYS[key], written, value, where))
            else:
                self._other(key, written, value, where)
        self._note_merged_logs(table, items, path)
        name = self._name(table, items, path)
        if name is None:
            return
        items.pop("name", None)
        if not items.get("watch") or not items["watch"].value:
            items.pop("watch-ignore", None)
        if any(entry.name == name for entry, _ in self._entries):
            self._fault(path, f"two apps are called {name!r}; choose another name")
            return
        place = self._document.place(path)
        faulty = frozenset(fault.text.partition(":")[0] for fault in self.faults[before:])
        program = self._program(_watch_from_cwd(items, place), place)
        entry = AppEntry(name, place, program, faulty)
        self._entries.append((entry, profiles))

    def _name(self, table: dict[str, Any], items: Items, path: Path) -> str | None:
        script = items["script"].value if "script" in items else ""
        written = str(table["name"]) if table.get("name") else app_name(script.split(" ")[0])
        name = clean_name(written)
        if not name or name == "all":
            text = f"{written!r} cannot name an app" if written else "an app needs script or name"
            self._fault(path, text)
            return None
        if name != written:
            self._note(written, path, f"the app {written!r} is called {name} here")
        return name

    # ------------------------------------------------------------ values

    def _item(self, key: str, written: str, value: Any, path: Path) -> Items:
        """Return the item of a key; none where pm2 takes the value for nothing."""
        if value is None or (value == "" and key not in ("name", "script")):
            return {}
        if key == "drop-env" and isinstance(value, bool):
            key, value = "inherit-env", not value
        elif key in ("backoff", "restart-delay", "watch-delay") and value in (0, "0"):  # none there
            return {}
        try:
            option = BY_KEY.get(key)
            own = value if option is None else own_value(option, value)
            if own is None or own == []:
                return {}
            return {key: make_item(key, own, self._document.place(path))}
        except BadInputError as error:
            self._fault(path, f"{written}: {error}")
            return {}

    def _variables(self, value: Any, path: Path) -> Items:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._fault(path, f"{path[-1]}: not an object, such as {{ NODE_ENV: 'production' }}")
            return {}
        found: Items = {}
        for name, each in cast("dict[str, Any]", value).items():
            place = self._document.place((*path, name))
            wrong = variable_fault(name)
            if wrong:
                self._fault((*path, name), f"{path[-1]}: {wrong}")
                continue
            try:
                text = pm2_variable(each)
            except BadInputError as error:
                self._fault((*path, name), f"{path[-1]}.{name}: {error}")
                continue
            found[f"env.{name}"] = Item(text, text, place)
        return found

    def _other(self, key: str, written: str, value: Any, path: Path) -> None:
        """Add what is to be said about a key without a counterpart."""
        if key == AUTOSTART:
            if value is False:
                self._note(key, path, NOT_STARTED)
        elif key in ANSWERS and value not in (None, False, "", 0):
            self._note(key, path, f"{written} has no effect: {ANSWERS[key]}")
        elif key not in KNOWN:
            text = f"unknown key {written!r} has no effect{did_you_mean(written, KNOWN)}"
            self._note(key, path, text)

    def _note_merged_logs(self, table: dict[str, Any], items: Items, path: Path) -> None:
        """Add a note where lines that pm2 writes to one file of the user's are in several."""
        several = "instances" in items and items["instances"].value not in (1, "1")
        named = any(key in items and items[key].setting != "none" for key in ("log.out", "log.err"))
        for written, value in table.items():
            if several and named and value is True and snake_case(written) in MERGED:
                self._note(MERGED[0], (*path, written), f"{written}: {NOT_MERGED}")

    # ------------------------------------------------------------ what to run

    def _program(self, items: Items, place: Place) -> Items:
        """Return the items with the script as pm2 finds it: from cwd, else in PATH."""
        script = items.get("script")
        if script is None:
            return items
        cwd = _cwd(items, place)
        path = os.path.normpath(os.path.join(cwd, os.path.expanduser(script.value)))
        if os.path.isfile(path):
            changed = {**items, "script": Item(path, path, script.place)}
            runs_itself = os.path.splitext(path)[1].lower() in INTERPRETERS or os.access(
                path, os.X_OK
            )
            if "interpreter" not in items and not runs_itself:
                changed["interpreter"] = Item("node", "node", script.place)
            return _with_mode(changed, path)
        if "interpreter" in items and items["interpreter"].value == "none":
            items = {key: item for key, item in items.items() if key != "interpreter"}
        is_command = "/" not in script.value and not any(map(str.isspace, script.value))
        if is_command and shutil.which(script.value, path=self._environ.get("PATH", os.defpath)):
            words = (script.value, *(items["args"].setting if "args" in items else ()))
            kept = {k: item for k, item in items.items() if k not in ("script", "args")}
            return {**kept, "run": Item(list(words), words, script.place)}
        return items

    # ------------------------------------------------------------ faults

    def _fault(self, path: Path, text: str) -> None:
        self.faults.append(Fault(self._document.place(path), text))

    def _note(self, key: str, path: Path, text: str) -> None:
        """Add a note, once for each key."""
        if key not in self._noted:
            self._noted.add(key)
            self.notes.append(Fault(self._document.place(path), text))


def _cwd(items: Items, place: Place) -> str:
    chosen = os.path.expanduser(items["cwd"].value) if "cwd" in items else ""
    return os.path.join(place.folder, chosen) if chosen else place.folder


def _watch_from_cwd(items: Items, place: Place) -> Items:
    """Return the items with the paths that are watched as pm2 reads them."""
    watch = items.get("watch")
    if watch is None or not isinstance(watch.value, list):
        return items
    cwd = _cwd(items, place)
    paths = tuple(os.path.normpath(os.path.join(cwd, path)) for path in watch.setting)
    return {**items, "watch": Item(list(paths), paths, watch.place)}


def _with_mode(items: Items, script: str) -> Items:
    """Return the items with the mode that pm2 takes where none is named: cluster for a script of
    Node with a number of instances, be it one. Instances with a port each share none."""
    if "increment-var" in items:
        return {key: item for key, item in items.items() if key != "mode"}
    if "mode" in items or "instances" not in items:
        return items
    if "interpreter" in items:
        by_node = "node" in os.path.basename(items["interpreter"].value)
    else:
        by_node = INTERPRETERS.get(os.path.splitext(script)[1].lower(), ("",))[0] == "node"
    place = items["instances"].place
    return {**items, "mode": make_item("mode", "cluster", place)} if by_node else items


def _no_apps(table: Mapping[str, Any]) -> str:
    for key, text in OTHER_FORMATS.items():
        if key in table:
            return text
    return "there are no apps in this file: write { apps: [{ name: …, script: … }] }"


def _read(path: str, environ: Mapping[str, str]) -> tuple[ValueDocument, list[str]]:
    """Return the values of a file, and the keys whose values could not be read."""
    text = read_config_text(path)
    extension = os.path.splitext(path)[1].lower()
    if extension in (".yaml", ".yml"):
        return read_yaml(path, text), []
    is_json = extension == ".json"
    try:
        return read_literal(path, text, exported=not is_json), []
    except NotLiteralError as error:
        if is_json:
            what = f"{error.what!r} is no JSON value" if error.what else "the text ends too early"
            raise ConfigFaultsError([Fault(Place(path, error.line), what)]) from error
        why = f"{error.what!r} (line {error.line})" if error.what else "this file"
        found = run_config(path, environ, why)
        return found.document, found.lost
