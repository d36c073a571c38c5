"""monit's own format: ``monit.toml``, and ``[tool.monit]`` of a ``pyproject.toml``.

The layers of an app, each over those before it: ``[alerts]`` and ``[defaults]`` of the including
and of its own file, the app, the profile (first that of the defaults), and ``monit.local.toml``.
Tables merge by key, lists replace.
"""

import glob
import os
from collections.abc import Iterable
from typing import NamedTuple

from monit_agent.config.files.entries import AppEntry, Items, merge
from monit_agent.config.files.faults import (
    ConfigFaultsError,
    Fault,
    Place,
    did_you_mean,
    shown_path,
)
from monit_agent.config.files.layers import Layer, TableReader
from monit_agent.config.formats.toml_document import load_toml

VERSION = 1
ROOT_KEYS = ("version", "namespace", "include", "alerts", "defaults", "apps")
LOCAL_KEYS = ("version", "namespace", "alerts", "defaults", "apps")
FILES_MAX = 1000
"""Most files that one may include: a pattern such as ``/**`` must not read a whole disk."""


class _OneFile(NamedTuple):
    """The apps of one file, and the defaults that count for them, outermost first."""

    defaults: tuple[Layer, ...]
    apps: dict[str, Layer]


class NativeConfig:
    """A file with what it includes and the local file beside it; ``faults`` are those of all."""

    def __init__(self, path: str) -> None:
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []
        self._path = path
        self._files: list[_OneFile] = []
        self._seen: set[str] = set()
        self._places: dict[str, Place] = {}
        self._read(path, ())
        self._local = self._read_local(local_path(path))

    def profiles(self) -> set[str]:
        """Return the names of all profiles."""
        files = [*self._files, *([self._local] if self._local else [])]
        return {
            name
            for file in files
            for layer in (*file.defaults, *file.apps.values())
            for name in layer.profiles
        }

    def entries(self, profile: str | None) -> list[AppEntry]:
        """Return the apps in the order of the files."""
        return [self._entry(file, name, profile) for file in self._files for name in file.apps]

    def _entry(self, file: _OneFile, name: str, profile: str | None) -> AppEntry:
        app = file.apps[name]
        layers = [*file.defaults, app]
        last = list(self._local.defaults) if self._local else []
        if self._local and name in self._local.apps:
            last.append(self._local.apps[name])
        items = merge(*_stacked(layers, profile), *_stacked(last, profile))
        faulty = [
            layer.faulty.get(part, frozenset())
            for layer in (*layers, *last)
            for part in ("", profile or "")
        ]
        return AppEntry(name, app.place, items, frozenset[str]().union(*faulty))

    # ------------------------------------------------------------ reading

    def _read(self, path: str, inherited: tuple[Layer, ...], named: Place | None = None) -> None:
        if os.path.realpath(path) in self._seen:
            return
        self._seen.add(os.path.realpath(path))
        reader = self._reader(path, ROOT_KEYS, named)
        if reader is None:
            return
        defaults = (*inherited, *_defaults(reader))
        self._files.append(_OneFile(defaults, self._new_apps(reader)))
        for pattern, place in reader.texts("include"):
            for each in self._included(pattern, place):
                self._read(each, defaults, place)

    def _reader(
        self, path: str, keys: Iterable[str], named: Place | None = None
    ) -> TableReader | None:
        try:
            document = load_toml(path, named)
            reader = TableReader(document, self.faults)
        except ConfigFaultsError as error:
            self.faults += error.faults
            return None
        reader.check_root(tuple(keys), VERSION)
        return reader

    def _new_apps(self, reader: TableReader) -> dict[str, Layer]:
        apps = reader.apps()
        for name, layer in list(apps.items()):
            if name in self._places:
                text = f"app {name!r} exists already: {self._places[name]}; choose another name"
                self.faults.append(Fault(layer.place, text))
                del apps[name]
            else:
                self._places[name] = layer.place
        return apps

    def _included(self, pattern: str, place: Place) -> list[str]:
        path = os.path.join(place.folder, os.path.expanduser(pattern))
        if not glob.has_magic(pattern):
            return [os.path.normpath(path)]
        found = sorted(each for each in glob.iglob(path, recursive=True) if os.path.isfile(each))
        if len(found) > FILES_MAX:
            text = f"include {pattern!r}: {len(found)} files; the most is {FILES_MAX}"
            self.faults.append(Fault(place, text))
            return []
        return [os.path.normpath(each) for each in found]

    def _read_local(self, path: str | None) -> _OneFile | None:
        if path is None or not os.path.lexists(path):
            return None
        reader = self._reader(path, LOCAL_KEYS)
        if reader is None:
            return None
        apps = reader.apps()
        for name, layer in apps.items():
            if name not in self._places:
                text = (
                    f"there is no app {name!r} in {shown_path(self._path)}"
                    f"{did_you_mean(name, list(self._places))}"
                )
                self.faults.append(Fault(layer.place, text))
        return _OneFile(_defaults(reader), apps)


def local_path(path: str) -> str | None:
    """Return the file with what is different on this machine: ``monit.local.toml``."""
    stem = os.path.basename(path).removesuffix(".toml")
    if stem.endswith(".local"):
        return None
    name = "monit" if stem == "pyproject" else stem
    return os.path.join(os.path.dirname(path), f"{name}.local.toml")


def _defaults(reader: TableReader) -> tuple[Layer, ...]:
    return tuple(layer for layer in (reader.of_all_apps(), reader.defaults()) if layer)


def _stacked(layers: Iterable[Layer], profile: str | None) -> list[Items]:
    """Return the values of the layers, and then those that the profile changes in them."""
    chosen = [layer.profiles[profile] for layer in layers if profile and profile in layer.profiles]
    return [*(layer.items for layer in layers), *chosen]
