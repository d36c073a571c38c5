"""``Procfile``: one ``name: command`` a line, with the variables of ``.env`` beside it."""

import os
import re

from monit_agent.config.envfile import read_env_file
from monit_agent.config.errors import BadInputError
from monit_agent.config.files.entries import AppEntry, Items, make_item, read_item
from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place
from monit_agent.config.formats.text import read_config_text
from monit_agent.config.target import needs_shell
from monit_agent.wire.paths import BadNameError, check_name

PORT, PORT_STEP = 5000, 100
"""The first line has PORT 5000, the next one 5100, as with foreman; ``.env`` may set another."""

RELEASE = "release"
"""What runs once before the others, as with Heroku: a migration, as a rule."""

_LINE = re.compile(r"([A-Za-z0-9_-]+)\s*:\s*(\S.*?)\s*")


class ProcfileConfig:
    """The apps of a Procfile; it has no profiles."""

    def __init__(self, path: str) -> None:
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []
        self._entries: list[AppEntry] = []
        try:
            lines = read_config_text(path, any_bytes=True).split("\n")
        except ConfigFaultsError as error:
            self.faults += error.faults
            return
        env_file = os.path.join(os.path.dirname(path), ".env")
        has_env = os.path.isfile(env_file)
        first_port = self._first_port(env_file) if has_env else PORT
        for number, line in enumerate(lines, start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                port = first_port + PORT_STEP * len(self._entries)
                self._add(line, Place(path, number), port, has_env=has_env)
        self._order_release()

    def profiles(self) -> set[str]:
        """Return no names: the format has no profiles."""
        return set()

    def entries(self, profile: str | None) -> list[AppEntry]:
        """Return the apps in the order of the lines."""
        _ = profile
        return self._entries

    def _order_release(self) -> None:
        """Let `RELEASE` run once, and the others after it."""
        places = [entry.place for entry in self._entries if entry.name == RELEASE]
        for entry in self._entries if places and len(self._entries) > 1 else ():
            key, value = ("type", "once") if entry.name == RELEASE else (f"after.{RELEASE}", "done")
            entry.items[key] = make_item(key, value, places[0])

    def _first_port(self, path: str) -> int:
        try:
            text = read_env_file(path).get("PORT", "")
        except BadInputError:
            return PORT  # reported with the apps, which have the file too
        return int(text) if text.isascii() and text.isdigit() else PORT

    def _add(self, line: str, place: Place, port: int, *, has_env: bool) -> None:
        found = _LINE.fullmatch(line)
        if found is None:
            self.faults.append(Fault(place, f"{line.strip()[:60]!r} is not NAME: COMMAND"))
            return
        name, command = found.groups()
        try:
            check_name(name)
        except BadNameError as error:
            self.faults.append(Fault(place, str(error).replace(" with --name", "")))
            return
        if name in [entry.name for entry in self._entries]:
            self.faults.append(Fault(place, f"{name!r} is there twice; choose another name"))
            return
        values = {"run": command, "env.PORT": port}
        if needs_shell(command):
            values["shell"] = True
        if has_env:
            values["env-file"] = ".env"
        items: Items = {}
        for key, value in values.items():
            item = read_item(key, value, place, self.faults)
            if item:
                items[key] = item
        self._entries.append(AppEntry(name, place, items, frozenset({*values} - {*items})))
