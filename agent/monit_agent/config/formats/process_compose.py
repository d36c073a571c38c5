"""process-compose's files, read to be written as a monit.toml."""

from collections.abc import Iterator
from typing import Any, cast

from monit_agent.config.errors import BadInputError
from monit_agent.config.files.entries import AppEntry, Items, make_item
from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place
from monit_agent.config.formats.documents import ValueDocument
from monit_agent.config.formats.text import read_config_text
from monit_agent.config.formats.toml_lines import Path
from monit_agent.config.formats.yaml_values import read_yaml
from monit_agent.config.target import clean_name, needs_shell

SILENT = frozenset(
    {"description", "log_location", "is_tty", "disable_ansi_colors", "log_configuration"}
)
RESTARTS = {
    "no": "never",
    "exit_on_failure": "never",
    "always": "always",
    "on_failure": "on-failure",
}
STATES = {
    "process_completed": "done",
    "process_completed_successfully": "done",
    "process_healthy": "ready",
    "process_log_ready": "ready",
    "process_started": "started",
}

Table = dict[str, Any]


class ProcessComposeConfig:
    """The processes of a file; what has no counterpart is a note."""

    def __init__(self, path: str) -> None:
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []
        self._entries: list[AppEntry] = []
        self._common: Items = {}
        """The variables of all processes."""
        try:
            self._document: ValueDocument = read_yaml(path, read_config_text(path))
        except ConfigFaultsError as error:
            self.faults += error.faults
            return
        root = cast("Table", self._document.root) if isinstance(self._document.root, dict) else {}
        processes: Any = root.get("processes")
        if not isinstance(processes, dict):
            self.faults.append(Fault(Place(path), "there are no processes in this file"))
            return
        for key, value in root.items():
            if key == "environment":
                self._common = self._items(dict(self._variables(value, (key,))), (key,))
            elif key not in ("version", "processes") and not key.startswith("x-"):
                self._note((key,), f"{key} is not read")
        for name, value in cast("Table", processes).items():
            if isinstance(value, dict):
                self._process(name, cast("Table", value), ("processes", name))
            else:
                self._fault(("processes", name), "a process is a table with a command")
        self._mark_once()

    def profiles(self) -> set[str]:
        """Return no names: the format has no profiles."""
        return set()

    def entries(self, profile: str | None) -> list[AppEntry]:
        """Return the apps in the order of the file."""
        _ = profile
        return self._entries

    def _mark_once(self) -> None:
        """Let what others wait for to be done run once."""
        waited_for = {
            key.partition(".")[2]: item.place
            for entry in self._entries
            for key, item in entry.items.items()
            if key.startswith("after.") and item.value == "done"
        }
        for entry in self._entries:
            if entry.name in waited_for and "restart" not in entry.items:
                entry.items["type"] = make_item("type", "once", waited_for[entry.name])

    def _process(self, name: str, table: Table, path: Path) -> None:
        items = dict(self._common)
        for key, value in table.items():
            where = (*path, key)
            items |= self._items(dict(self._values(key, value, where)), where)
        self._entries.append(AppEntry(clean_name(name), self._document.place(path), items))

    def _items(self, values: Table, path: Path) -> Items:
        """Return the items of monit's keys and values that stand at ``path``."""
        items: Items = {}
        for own, value in values.items():
            try:
                items[own] = make_item(own, value, self._document.place(path))
            except BadInputError as error:
                self._fault(path, f"{path[-1]}: {error}")
        return items

    def _values(self, key: str, value: Any, path: Path) -> Iterator[tuple[str, Any]]:
        """Yield monit's keys and values for a key of process-compose."""
        if key == "command":
            yield "run", value
            if isinstance(value, str) and needs_shell(value):
                yield "shell", True
        elif key in ("working_dir", "namespace"):
            yield {"working_dir": "cwd"}.get(key, key), value
        elif key == "replicas":
            yield "instances", value
        elif key == "environment":
            yield from self._variables(value, path)
        elif key in ("depends_on", "availability", "shutdown", "readiness_probe", "liveness_probe"):
            yield from self._table(key, value, path)
        elif key == "disabled":
            if value:
                self._note(path, "disabled: monit start FILE NAME … starts only these apps")
        elif key not in SILENT:
            self._note(path, f"{key} has no counterpart")

    def _variables(self, value: Any, path: Path) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            yield from ((f"env.{name}", each) for name, each in cast("Table", value).items())
            return
        for each in cast("list[Any]", value) if isinstance(value, list) else [value]:
            name, equals, text = str(each).partition("=")
            if equals:
                yield f"env.{name}", text
            else:
                self._fault(path, f"environment: {name!r} is not NAME=VALUE")

    def _table(self, key: str, value: Any, path: Path) -> Iterator[tuple[str, Any]]:
        if not isinstance(value, dict):
            self._fault(path, f"{key}: not a table")
            return
        table = cast("Table", value)
        if key == "availability":
            yield from self._availability(table, path)
        elif key == "shutdown":
            yield from self._shutdown(table, path)
        elif key == "depends_on":
            for name, how in table.items():
                condition = cast("Table", how).get("condition") if isinstance(how, dict) else None
                yield f"after.{clean_name(str(name))}", STATES.get(str(condition), "started")
        else:
            yield from self._probe({"readiness_probe": "ready"}.get(key, "health"), table)

    def _availability(self, table: Table, path: Path) -> Iterator[tuple[str, Any]]:
        for key, value in table.items():
            if key == "restart":
                yield "restart", RESTARTS.get(str(value), value)
            elif key == "backoff_seconds" and value:
                yield "restart-delay", f"{value}s"
            elif key == "max_restarts" and value:
                yield "max-restarts", value
            elif key not in ("max_restarts", "backoff_seconds"):
                self._note((*path, key), f"{key} has no counterpart")

    def _shutdown(self, table: Table, path: Path) -> Iterator[tuple[str, Any]]:
        for key, value in table.items():
            if key == "signal":
                yield "stop-signal", value
            elif key == "timeout_seconds":
                yield "kill-timeout", f"{value}s"
            elif key == "parent_only" and value:
                yield "kill-mode", "process"
            elif key != "parent_only":
                self._note((*path, key), f"shutdown.{key} has no counterpart")

    def _probe(self, kind: str, table: Table) -> Iterator[tuple[str, Any]]:
        if isinstance(table.get("exec"), dict):
            yield f"{kind}.command", table["exec"].get("command", "")
        http = table.get("http_get")
        if isinstance(http, dict):
            get = cast("Table", http)
            host = f"{get.get('host', '127.0.0.1')}:{get.get('port', 80)}"
            below = str(get.get("path", "")).lstrip("/")
            yield f"{kind}.url", f"{get.get('scheme', 'http')}://{host}/{below}"
        if kind != "health":
            return
        for key, own in (
            ("period_seconds", "interval"),
            ("timeout_seconds", "timeout"),
            ("initial_delay_seconds", "grace"),
        ):
            if key in table:
                yield f"health.{own}", f"{table[key]}s"
        if "failure_threshold" in table:
            yield "health.failures", table["failure_threshold"]

    def _fault(self, path: Path, text: str) -> None:
        self.faults.append(Fault(self._document.place(path), text))

    def _note(self, path: Path, text: str) -> None:
        self.notes.append(Fault(self._document.place(path), text))


def is_process_compose(path: str) -> bool:
    """Return whether a YAML file has processes and no apps."""
    try:
        root = read_yaml(path, read_config_text(path)).root
    except ConfigFaultsError:
        return False  # reported by whoever reads it next
    return isinstance(root, dict) and "processes" in root and "apps" not in root
