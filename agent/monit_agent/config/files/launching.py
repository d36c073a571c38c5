"""From the entry of an app to what its keeper is given.

`config.app.make_launch` raises the first error that it finds. Here its cause is left out and it is
called again, so that all faults of a file are found in one run.
"""

import os
import re
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from monit_agent.config.app import Launch, make_launch
from monit_agent.config.envfile import read_env_file
from monit_agent.config.errors import BadInputError
from monit_agent.config.files.entries import AppEntry, Item
from monit_agent.config.files.faults import Fault, Place
from monit_agent.config.files.keys import (
    BELONG_TO,
    BY_PROGRAM_KEY,
    RULES,
    WHAT_RUNS,
    replaced_by,
)
from monit_agent.config.options import OPTIONS
from monit_agent.config.target import needs_shell
from monit_agent.system.files.envfile import split_optional

Settings = dict[str, Any]

_FLAG_KEYS = {flag: option.key for option in OPTIONS for flag in option.all_flags}
_FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


class _Program(NamedTuple):
    """The arguments of `make_launch` that say what is run."""

    target: str | None
    words: tuple[str, ...]
    here: str
    in_shell: bool = False
    interpreter_args: tuple[str, ...] = ()


class EntryLauncher:
    """Makes the launch of one app and collects what is wrong with it."""

    def __init__(
        self, entry: AppEntry, extra: Mapping[str, Any], environ: Mapping[str, str]
    ) -> None:
        self._entry = entry
        self._extra = extra
        self._environ = environ
        self._found: set[str] = set(entry.faulty)
        self.faults: list[Fault] = []

    def launch(self) -> Launch | None:
        """Return what the keeper is given; None when there are faults."""
        settings = self._settings()
        program = self._program(settings)
        for _ in range(len(settings) + 2):
            try:
                launch = make_launch(
                    program.target,
                    program.words,
                    settings,
                    self._environ,
                    program.here,
                    in_shell=program.in_shell,
                    interpreter_args=program.interpreter_args,
                )
            except BadInputError as error:
                cause = self._note(error, settings)
                if cause is None:
                    program = self._without_program(settings)
                settings.pop(cause or "", None)
            else:
                return None if self.faults else launch
        return None

    # ------------------------------------------------------------ settings

    def _settings(self) -> Settings:
        """Return the settings of the app, with what the command line changes."""
        items = self._entry.items
        settings: Settings = {"name": self._entry.name, "cwd": self._entry.place.folder}
        variables: list[tuple[str, str]] = []
        rules: list[str] = []
        for key, item in items.items():
            if key.startswith("env."):
                variables.append((key.partition(".")[2], item.setting))
            elif key.startswith(f"{RULES}."):
                rules.append(item.setting)
            elif key.startswith("after."):
                settings["after"] = (*settings.get("after", ()), item.setting)
            elif key not in BY_PROGRAM_KEY:
                settings[key] = _from_folder(key, item)
        settings["env-file"] = self._readable(settings.get("env-file", ()))
        for key, value in self._extra.items():
            for other in replaced_by(key):
                settings.pop(other, None)
            settings[key] = value
        if rules:
            settings[RULES] = (*rules, *self._extra.get(RULES, ()))
        settings["env"] = (*variables, *self._extra.get("env", ()))
        return settings

    def _readable(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Return the env files that can be read; the others are faults.

        A pipe can be read only once, so it is not tried here.
        """
        good: list[str] = []
        for path in paths:
            plain = split_optional(path)[1]
            if os.path.exists(plain) and not os.path.isfile(plain):
                good.append(path)
                continue
            try:
                read_env_file(path)
            except BadInputError as error:
                self._add("env-file", str(error).removeprefix("--env-file "))
            else:
                good.append(path)
        return tuple(good)

    # ------------------------------------------------------------ what to run

    def _program(self, settings: Settings) -> _Program:
        items = self._entry.items
        runs = next((key for key in WHAT_RUNS if key in items), None)
        if runs is None:
            if not self._found & {*WHAT_RUNS}:
                keys = f"{', '.join(WHAT_RUNS[:-1])} or {WHAT_RUNS[-1]}"
                self._add(None, f"there is nothing to run; write {keys}")
            return self._without_program(settings)
        allowed = BELONG_TO[runs]
        for key in ("args", "shell", "interpreter", "interpreter-args"):
            if key in items and key not in allowed:
                self._add(key, f"not used with {runs}; leave it out")
                settings.pop(key, None)
        item = items[runs]
        words: tuple[str, ...] = items["args"].setting if "args" in items else ()
        before = items["interpreter-args"].setting if "interpreter-args" in items else ()
        if runs != "run":
            target = item.setting if runs == "script" else None
            return _Program(target, words, item.place.folder, interpreter_args=before)
        shell = items.get("shell")
        if shell is not None and shell.setting:
            if not isinstance(item.value, str):
                self._add("run", "with shell = true, write the command as one string")
                return self._without_program(settings)
            return _Program(item.value, (), item.place.folder, in_shell=True)
        if isinstance(item.value, str) and needs_shell(item.value):
            self._add("run", "this needs a shell: add shell = true, or write a list of words")
        return _Program(None, item.setting, item.place.folder)

    def _without_program(self, settings: Settings) -> _Program:
        """Return something that can be run, so that what else is wrong is found."""
        for key in ("module", "interpreter"):
            settings.pop(key, None)
        return _Program(None, (sys.executable,), self._entry.place.folder)

    # ------------------------------------------------------------ faults

    def _note(self, error: BadInputError, settings: Settings) -> str | None:
        """Add a fault, unless it follows from one that is known; return the key that caused it."""
        text = str(error)
        keys = [_FLAG_KEYS[flag] for flag in _FLAG.findall(text) if flag in _FLAG_KEYS]
        cause = next((key for key in keys if key in settings), None)
        if not self._found & set(keys):
            self._add(cause, _FLAG.sub(lambda found: _FLAG_KEYS.get(found[0], found[0]), text))
        return cause

    def _add(self, key: str | None, text: str) -> None:
        items = self._entry.items
        key = key or next((each for each in WHAT_RUNS if each in items), "")
        self._found.add(key or "run")
        text = text if not key or text.startswith(key) else f"{key}: {text}"
        place = items[key].place if key in items else self._entry.place
        self.faults.append(Fault(place, f"[{self._entry.name}] {text}"))


def _from_folder(key: str, item: Item) -> Any:
    """Return a setting with its paths counted from the folder of the file."""
    if key == "cwd":
        return _absolute(item.setting, item.place)
    if key in ("log.out", "log.err") and item.setting != "none":
        return _absolute(item.setting, item.place)
    if key == "env-file":
        pairs = (split_optional(path) for path in item.setting)
        return tuple(optional + _absolute(path, item.place) for optional, path in pairs)
    if key == "watch":
        return tuple(path if path == "." else _absolute(path, item.place) for path in item.setting)
    if key == "listen":
        return tuple(_absolute_socket(socket, item.place) for socket in item.setting)
    return item.setting


def _absolute(path: str, place: Place) -> str:
    return os.path.normpath(os.path.join(place.folder, os.path.expanduser(path)))


def _absolute_socket(socket: str, place: Place) -> str:
    kind, colon, path = socket.partition(":")
    return kind + colon + _absolute(path, place) if kind == "unix" else socket
