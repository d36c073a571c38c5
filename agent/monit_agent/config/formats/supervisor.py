"""supervisor's files, read to be written as a monit.toml."""

import configparser
import os
import re
from collections.abc import Mapping
from typing import Any

from monit_agent.config.errors import BadInputError
from monit_agent.config.files.entries import AppEntry, Items, make_item, split_words
from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place
from monit_agent.config.formats.text import read_config_text
from monit_agent.config.target import clean_name, needs_shell

PLAIN = {
    "directory": "cwd",
    "user": "user",
    "numprocs": "instances",
    "stopsignal": "stop-signal",
    "startretries": "max-restarts",
}
SECONDS = {"stopwaitsecs": "kill-timeout", "startsecs": "min-uptime"}

LOGS = {
    "stdout_logfile": "log.out",
    "stderr_logfile": "log.err",
    "stdout_logfile_maxbytes": "log.max-size",
    "stdout_logfile_backups": "log.max-files",
}

SILENT = frozenset({"process_name", "redirect_stderr", "priority", "autostart", "exitcodes"})
"""Keys that need nothing, or are read with another one."""

NUMBER = "process_num"
"""Of a program's process among several: `$MONIT_INSTANCE`, which a shell has to read."""

_EXPANSION = re.compile(r"%(?:%|\(([^)]*)\)([0-9]*)[sd])")
_VARIABLE = re.compile(r"""\s*([^=,\s]+)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,]*)\s*(?:,|$)""")


class SupervisorConfig:
    """The programs of a file; what has no counterpart is a note."""

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []
        self._path = path
        self._environ = environ
        self._entries: list[AppEntry] = []
        self._lines: dict[tuple[str, str], int] = {}
        try:
            text = read_config_text(path)
            self._lines = _lines(text)
            parser = configparser.RawConfigParser(inline_comment_prefixes=(";",), strict=False)
            parser.read_string(text)
        except ConfigFaultsError as error:
            self.faults += error.faults
            return
        except configparser.Error as error:
            line = getattr(error, "lineno", None)
            why = str(error).splitlines()[0]
            self.faults.append(Fault(Place(path, line), f"not a file of supervisor: {why}"))
            return
        self._read(parser)

    def profiles(self) -> set[str]:
        """Return no names: the format has no profiles."""
        return set()

    def entries(self, profile: str | None) -> list[AppEntry]:
        """Return the apps in the order of the file."""
        _ = profile
        return self._entries

    def _read(self, parser: configparser.RawConfigParser) -> None:
        groups: dict[str, str] = {}
        for section in parser.sections():
            if section.startswith("group:"):
                for name in parser.get(section, "programs", fallback="").split(","):
                    groups[name.strip()] = clean_name(section.partition(":")[2])
            elif section in ("include", "eventlistener", "fcgi-program") or (
                ":" in section and (not section.startswith("program:"))
            ):
                self._note(section, "", f"[{section}] is not read")
        for section in parser.sections():
            if section.startswith("program:"):
                name = section.partition(":")[2].strip()
                self._program(section, name, dict(parser.items(section)), groups.get(name))

    def _program(self, section: str, name: str, keys: dict[str, str], group: str | None) -> None:
        place = self._place(section, "")
        values: dict[str, tuple[str, Any]] = {}
        if group:
            values["namespace"] = ("", group)
        for key, raw in keys.items():
            text = self._expanded(raw, name, section, key)
            values.update({own: (key, value) for own, value in self._values(section, key, text)})
        if keys.get("autorestart", "unexpected").strip().lower() == "unexpected":
            codes = keys.get("exitcodes", "0").strip()
            if codes == "0":
                values["restart"] = ("autorestart", "on-failure")
            else:
                values["stop-exit-codes"] = ("exitcodes", codes)
        if keys.get("redirect_stderr", "").strip().lower() == "true" and "log.out" in values:
            values["log.err"] = ("redirect_stderr", values["log.out"][1])
        items: Items = {}
        for own, (key, value) in values.items():
            try:
                items[own] = make_item(own, value, self._place(section, key))
            except BadInputError as error:
                self.faults.append(Fault(self._place(section, key), f"{key or own}: {error}"))
        self._entries.append(AppEntry(clean_name(name), place, items))

    def _values(self, section: str, key: str, text: str) -> list[tuple[str, Any]]:
        """Return monit's keys and values for a key of supervisor."""
        lower = text.strip().lower()
        found: list[tuple[str, Any]] = []
        if key == "command":
            found = [("run", text), *([("shell", True)] if needs_shell(text) else [])]
        elif key == "environment":
            found = self._variables(section, text)
        elif key in PLAIN:
            is_number = key in ("numprocs", "startretries") and text.isdigit()
            found = [(PLAIN[key], int(text) if is_number else text)]
        elif key in LOGS:
            found = self._log_value(section, key, text)
        elif key in SECONDS:
            found = [(SECONDS[key], f"{text}s" if text.strip().isdigit() else text)]
        elif key == "autorestart":
            found = [("restart", "never")] if lower == "false" else []
        elif key in ("stopasgroup", "killasgroup"):
            found = [("kill-mode", "group")] if lower == "true" else []
        elif key == "autostart" and lower == "false":
            self._note(section, key, "autostart: monit start FILE NAME … starts only these apps")
        elif key not in SILENT:
            self._note(section, key, f"{key} has no counterpart")
        return found

    def _log_value(self, section: str, key: str, text: str) -> list[tuple[str, Any]]:
        """Return monit's key and value for one about the log of standard output or error."""
        own, plain = LOGS[key], text.strip()
        if plain.upper() in ("AUTO", "NONE", ""):
            return [(own, "none")] if plain.upper() == "NONE" else []
        if own == "log.max-files":
            return [(own, int(plain))] if plain.isdigit() and plain != "0" else []
        if own == "log.max-size":
            return [(own, "none" if plain == "0" else plain.upper().removesuffix("B"))]
        if plain == "/dev/stdout":
            self._note(section, key, f"{key}: in a container, use monit run")
            return []
        return [(own, plain)]

    def _variables(self, section: str, text: str) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        at = 0
        while at < len(text.rstrip()):
            match = _VARIABLE.match(text, at)
            if match is None:
                place = self._place(section, "environment")
                self.faults.append(Fault(place, 'environment: not NAME="value",NAME="value"'))
                break
            words = split_words(match[2]) if match[2][:1] in ("'", '"') else (match[2].strip(),)
            found.append((f"env.{match[1]}", "".join(words)))
            at = match.end()
        return found

    def _expanded(self, text: str, name: str, section: str, key: str) -> str:
        known = {"program_name": name, "here": os.path.dirname(self._path)}
        known |= {f"ENV_{variable}": value for variable, value in self._environ.items()}

        def one(found: re.Match[str]) -> str:
            if found[0] == "%%":
                return "%"
            if found[1] == NUMBER and key == "command":
                return _number(found)
            if found[1] == NUMBER and key == "process_name":
                return ""
            if found[1] not in known:
                self._note(section, key, f"{key}: {found[0]} has no counterpart")
            return known.get(found[1], found[0])

        return _EXPANSION.sub(one, text)

    def _place(self, section: str, key: str) -> Place:
        return Place(self._path, self._lines.get((section, key), self._lines.get((section, ""))))

    def _note(self, section: str, key: str, text: str) -> None:
        self.notes.append(Fault(self._place(section, key), text))


def _number(found: re.Match[str]) -> str:
    """Return what a shell replaces by the number of the process, at this place of a command."""
    number = f"$(printf %{found[2]}d $MONIT_INSTANCE)" if found[2] else "$MONIT_INSTANCE"
    return f"'\"{number}\"'" if _is_single_quoted(found.string, found.start()) else number


def _is_single_quoted(command: str, at: int) -> bool:
    quote, is_escaped = "", False
    for char in command[:at]:
        if is_escaped:
            is_escaped = False
        elif char == "\\" and quote != "'":
            is_escaped = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in ("'", '"'):
            quote = char
    return quote == "'"


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Return the line of each section and key."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\[([^]]+)\]", line):
            section = header[1]
            found.setdefault((section, ""), number)
        elif key := re.match(r"([A-Za-z_]+)\s*[=:]", line):
            found.setdefault((section, key[1].lower()), number)
    return found
