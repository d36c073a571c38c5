"""The settings of an app that exists, as the keys and values of a monit.toml.

The inverse of `launching.EntryLauncher`: what is written here starts the same app again.
"""

import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from operator import attrgetter
from signal import Signals
from typing import Any

from monit_agent.config.app import SWITCHED_OFF, default_value
from monit_agent.config.options import HEALTH_CHECKS, OPTIONS, Option
from monit_agent.config.target import INTERPRETERS, needs_shell
from monit_agent.supervise.spec import AppSpec
from monit_agent.system.files.envfile import split_optional
from monit_agent.wire.order import read_dependency

Values = dict[str, Any]
"""Values of a TOML file by key; variables as ``env.NAME``."""

NOT_COPIED = ("name", "cwd", "interpreter", "increment-var", "watch")
"""Options that are written by other rules than their value."""

_UNITS = (("G", 1024**3), ("M", 1024**2), ("k", 1024))


def spec_values(spec: AppSpec, named: Mapping[str, str], folder: str, path: str) -> Values:
    """Return the values that differ from the defaults; ``named`` are the app's own variables.

    ``folder`` is that of the file that is written, ``path`` the PATH with which it is read.
    """
    values = _program(spec, folder, path)
    if spec.cwd != folder:
        values["cwd"] = _relative(spec.cwd, folder)
    values.update(_paths(spec, folder))
    for option in OPTIONS:
        if option.field and option.key not in NOT_COPIED and _matters(option, spec):
            value = attrgetter(option.field)(spec)
            if value != default_value(option):
                values[option.key] = toml_setting(option, value)
    if spec.increment is not None:
        values["increment-var"] = spec.increment.name
    for key, variable in SWITCHED_OFF.items():
        if named.get(variable) == "0":
            values[key] = False
    values.update({
        f"env.{name}": value for name, value in named.items() if name not in SWITCHED_OFF.values()
    })  # fmt: skip
    return values


def _paths(spec: AppSpec, folder: str) -> Values:
    values: Values = {}
    if spec.env_files:
        pairs = (split_optional(each) for each in spec.env_files)
        values["env-file"] = [optional + _relative(path, folder) for optional, path in pairs]
    if spec.watch_paths:
        paths = [_relative(each, folder) for each in spec.watch_paths]
        values["watch"] = spec.watch_paths == (spec.cwd,) or paths
    return values


def toml_setting(option: Option, value: Any) -> Any:
    """Return the value of an option as it is written in a file."""
    return _WRITTEN.get(option.kind, lambda each: each)(value)


def _matters(option: Option, spec: AppSpec) -> bool:
    """Return whether a setting of health checks belongs to a check that the app has."""
    return option.shown_with != HEALTH_CHECKS or bool(
        spec.checks.health_url or spec.checks.health_command
    )


def _program(spec: AppSpec, folder: str, path: str) -> Values:
    args = list(spec.args)
    before = spec.argv[1 : len(spec.argv) - len(args) - 1]
    if spec.script.startswith("-m ") and spec.interpreter:
        interpreter = {"interpreter": _command_name(spec.interpreter, folder, path)}
        return _without_empty({
            "module": spec.script[3:], "args": args, **interpreter,
            "interpreter-args": list(before[:-1]),
        })  # fmt: skip
    if spec.interpreter or spec.argv[0] == spec.script:
        return _without_empty({
            "script": _relative(spec.script, folder), "args": args,
            "interpreter": _interpreter(spec, folder, path), "interpreter-args": list(before),
        })  # fmt: skip
    if spec.argv[1:] == ("-c", spec.script) and not args:
        return {"run": spec.script, "shell": True}
    words = [_command_name(spec.argv[0], folder, path), *args]
    text = shlex.join(words)
    return {"run": words if needs_shell(text) or "\n" in text or "'" in text else text}


def _interpreter(spec: AppSpec, folder: str, path: str) -> str | None:
    if spec.interpreter is None:
        has_one = os.path.splitext(spec.script)[1].lower() in INTERPRETERS
        return "none" if has_one else None
    return _command_name(spec.interpreter, folder, path)


def _command_name(program: str, folder: str, path: str) -> str:
    """Return the name of a program of PATH, else its path."""
    name = os.path.basename(program)
    return name if shutil.which(name, path=path) == program else _relative(program, folder)


def _relative(path: str, folder: str) -> str:
    """Return a path below the folder of the file as one that counts from it."""
    return "./" + path[len(folder) + 1 :] if path.startswith(folder.rstrip("/") + "/") else path


def _without_empty(values: Values) -> Values:
    return {key: value for key, value in values.items() if value not in (None, [], "")}


def written_size(size: int) -> str:
    """Return bytes with the largest unit that is exact."""
    return next((f"{size // by}{unit}" for unit, by in _UNITS if size % by == 0), f"{size}b")


def written_duration(seconds: float) -> str:
    """Return a duration with a unit, exact to the millisecond."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


_WRITTEN: dict[str, Callable[[Any], Any]] = {
    "size": written_size,
    "duration": written_duration,
    "size or none": lambda value: written_size(value) if value else "none",
    "time or none": lambda value: written_duration(value) if value else "none",
    "signal": lambda value: Signals(value).name.removeprefix("SIG"),
    "exit codes": list,
    "command": list,
    "reload command": list,
    "socket": list,
    "watch pattern": list,
    "variable pattern": list,
    "notices": list,
    "alert rule": lambda rules: dict(rule.split("=", 1) for rule in rules),
    "dependency": lambda texts: dict(map(read_dependency, texts)),
}
