"""Find what ``monit start`` is to run: a script, a Python module or a command, and its interpreter.

The interpreter is chosen by the extension of the script, as in pm2. Folders and the search path
are arguments; nothing but the file system is read.
"""

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from typing import NamedTuple

from monit_agent.config.errors import BadInputError, TargetNotFoundError
from monit_agent.wire.paths import NAME_MAX

INTERPRETERS = {
    ".py": ("python3", "python"),
    ".js": ("node",),
    ".cjs": ("node",),
    ".mjs": ("node",),
    ".ts": ("bun", "tsx", "node"),
    ".tsx": ("bun", "tsx"),
    ".sh": ("bash", "sh"),
    ".rb": ("ruby",),
    ".pl": ("perl",),
    ".php": ("php",),
}
"""What runs a script: the first of these that is found."""

_TYPESCRIPT = {"tsx": ("--import", "tsx"), "ts-node": ("--require", "ts-node/register")}
"""Packages that teach Node TypeScript, each with the arguments that load it. Node itself runs the
script then, so its instances share a port and the probe sees them, which bun offers for neither."""

_CONFIGS = re.compile(
    r"monit\.toml|pyproject\.toml|Procfile(\..+)?|.+\.(json|ya?ml|toml)|.+\.config\.[cm]?js"
)


class ResolvedTarget(NamedTuple):
    """What is executed, and the name it gives the app."""

    script: str
    """For people: the script's absolute path, ``-m module``, or the command as typed."""
    argv: tuple[str, ...]
    args: tuple[str, ...]
    interpreter: str | None
    name: str
    folder: str
    """Where the version is looked for."""


class Lookup(NamedTuple):
    """What names are resolved against."""

    here: str
    """The folder in which the user typed the command."""
    cwd: str
    """The folder in which the workers will run."""
    environ: Mapping[str, str]
    """The workers' environment: its PATH and VIRTUAL_ENV count."""


def resolve_script(
    script: str, args: tuple[str, ...], lookup: Lookup, interpreter: str | None = None
) -> ResolvedTarget:
    """Return how to run ``script``; ``interpreter`` is a program, ``none``, or None to choose one.

    Relative paths are looked up in the folder of the user, then in that of the workers.
    Raise `TargetNotFoundError` for a script that does not exist, `BadInputError` for one that
    cannot be run.
    """
    path = _find_file(script, lookup)
    if path is None:
        raise TargetNotFoundError(_no_script(script, lookup))
    if os.path.isdir(path):
        raise BadInputError(
            f"{script} is a folder; give a script in it, or a command after '--': "
            f"monit start --cwd {shlex.quote(script)} -- COMMAND"
        )
    if is_config_file(path) and interpreter is None:
        raise BadInputError(f"{script} is a config file and not a script")
    if not os.access(path, os.R_OK):
        raise BadInputError(f"{script} is not readable; run chmod +r {shlex.quote(script)}")
    by = _interpreter_for(path, script, lookup, interpreter)
    return ResolvedTarget(
        script=path,
        argv=(*by, path, *args),
        args=args,
        interpreter=by[0] if by else None,
        name=clean_name(_stem(path)),
        folder=os.path.dirname(path),
    )


def with_interpreter_args(run: ResolvedTarget, words: tuple[str, ...]) -> ResolvedTarget:
    """Return ``run`` with arguments of its interpreter: behind those that it has already."""
    if not words:
        return run
    if run.interpreter is None:
        raise BadInputError(
            f"{run.script} runs without an interpreter, which arguments could go to"
        )
    at = len(run.argv) - len(run.args) - (2 if run.script.startswith("-m ") else 1)
    return run._replace(argv=(*run.argv[:at], *words, *run.argv[at:]))


def resolve_module(
    module: str, args: tuple[str, ...], lookup: Lookup, interpreter: str | None = None
) -> ResolvedTarget:
    """Return how to run a Python module; ``interpreter`` is the Python to use."""
    if not all(part.isidentifier() for part in module.split(".")):
        raise BadInputError(f"-m {module!r} is not a Python module; write for example http.server")
    python = (
        _find_interpreter(interpreter, lookup)
        if interpreter
        else (_default_interpreter(".py", module, lookup),)
    )
    return ResolvedTarget(
        script=f"-m {module}",
        argv=(*python, "-m", module, *args),
        args=args,
        interpreter=python[0],
        name=clean_name(module),
        folder=lookup.cwd,
    )


def resolve_command(words: tuple[str, ...], lookup: Lookup) -> ResolvedTarget:
    """Return how to run a command: found like a shell finds it, run without one."""
    command = words[0]
    if not command:
        raise BadInputError("the command after '--' is empty")
    found = _find_file(command, lookup) if "/" in command else _which(command, lookup)
    if found is None:
        raise TargetNotFoundError(
            f"{command}: no such command in PATH; check the spelling or give its path"
        )
    if os.path.isdir(found) or not os.access(found, os.X_OK):
        raise BadInputError(
            f"{command} is not executable; run chmod +x on it, or start it as a script: "
            f"monit start {shlex.quote(command)}"
        )
    return ResolvedTarget(
        script=command,
        argv=(found, *words[1:]),
        args=words[1:],
        interpreter=None,
        name=clean_name(_stem(command)),
        folder=lookup.cwd,
    )


_SHELL = re.compile(r"[|&;<>()`$*?~#\n]|^\s*[A-Za-z_][A-Za-z0-9_]*=")
"""What a shell does more with than to split it into words, outside of quotes."""

_SINGLE_QUOTED = re.compile(r"'[^']*'")
_DOUBLE_QUOTED = re.compile(r'"([^"\\]|\\.)*"')


def command_words(target: str, words: tuple[str, ...], lookup: Lookup) -> ResolvedTarget | None:
    """Return how to run a target that is a command and no script; None for a script.

    A command is text with spaces (``npm run dev``), or a program of PATH with arguments after
    ``--`` (``npm -- start``).
    """
    if _find_file(target, lookup):
        return None
    if not any(character.isspace() for character in target.strip()):
        is_command = words and "/" not in target and _which(target, lookup) is not None
        return resolve_command((target, *words), lookup) if is_command else None
    if needs_shell(target):
        if words:
            raise BadInputError(
                f"{target!r} is run by a shell; write the arguments into it, not after '--'"
            )
        return shell_command(target, lookup)
    try:
        split = shlex.split(target)
    except ValueError as error:
        raise BadInputError(f"{target!r} is not a command: {error}") from error
    try:
        return resolve_command((*split, *words), lookup)
    except TargetNotFoundError as error:
        raise TargetNotFoundError(f"{target!r} is no file, and as a command: {error}") from error


def needs_shell(text: str) -> bool:
    """Return whether ``text`` has syntax that only a shell understands, outside of quotes."""
    text = _SINGLE_QUOTED.sub("", text)
    expands = any(set(found[0]) & set("$`") for found in _DOUBLE_QUOTED.finditer(text))
    return expands or _SHELL.search(_DOUBLE_QUOTED.sub("", text)) is not None


def shell_command(text: str, lookup: Lookup) -> ResolvedTarget:
    """Return how a shell runs the command ``text``."""
    shell = next((found for name in ("bash", "sh") if (found := _which(name, lookup))), None)
    if shell is None:
        raise BadInputError(f"{text!r} needs a shell, and neither bash nor sh is in PATH")
    return ResolvedTarget(
        script=text,
        argv=(shell, "-c", text),
        args=(),
        interpreter=None,
        name=clean_name(text),
        folder=lookup.cwd,
    )


def can_start(target: str, lookup: Lookup) -> bool:
    """Return whether ``target`` is a script or a command, and not an argument of one.

    A file counts when its extension selects an interpreter or it is executable.
    """
    path = _find_file(target, lookup)
    if path is not None:
        extension = os.path.splitext(path)[1].lower()
        return os.path.isfile(path) and (extension in INTERPRETERS or os.access(path, os.X_OK))
    if not any(character.isspace() for character in target.strip()):
        return False
    if needs_shell(target):
        return True
    try:
        words = shlex.split(target)
    except ValueError:
        return False
    return _which(words[0], lookup) is not None


def is_config_file(path: str) -> bool:
    """Return whether ``path`` is named like a config file (monit.toml, Procfile …)."""
    return _CONFIGS.fullmatch(os.path.basename(path)) is not None


def _find_file(name: str, lookup: Lookup) -> str | None:
    for base in (lookup.here, lookup.cwd):
        path = os.path.normpath(os.path.join(base, os.path.expanduser(name)))
        if os.path.exists(path):
            return path
    return None


def _no_script(script: str, lookup: Lookup) -> str:
    if "/" not in script and _which(script, lookup):
        quoted = shlex.quote(script)
        return (
            f"{script}: no such script and no such app; "
            f"to run the command with this name: monit start -- {quoted}"
        )
    if script == "-":
        return "monit reads nothing from standard input ('-'); give the path of a config file"
    if is_config_file(script):
        return f"there is no config file {script} in {lookup.here}"
    return f"{script}: no such script in {lookup.here}, and no app with this name"


def _interpreter_for(path: str, shown: str, lookup: Lookup, chosen: str | None) -> tuple[str, ...]:
    runs_itself = os.access(path, os.X_OK)
    if chosen == "none":
        if not runs_itself:
            raise BadInputError(
                f"{shown} is not executable, as --interpreter none requires; "
                f"run chmod +x {shlex.quote(shown)}"
            )
        return ()
    if chosen:
        return _find_interpreter(chosen, lookup)
    extension = os.path.splitext(path)[1].lower()
    if extension == ".sh" and runs_itself and _has_shebang(path):
        return ()
    if extension in (".ts", ".tsx") and (by := _node_with_typescript(lookup)):
        return by
    if extension in INTERPRETERS:
        return (_default_interpreter(extension, shown, lookup),)
    if not runs_itself:
        raise BadInputError(
            f"{shown} is not executable and its extension is unknown; "
            f"run chmod +x {shlex.quote(shown)}, or use --interpreter PROGRAM"
        )
    return ()


def _find_interpreter(chosen: str, lookup: Lookup) -> tuple[str, ...]:
    """Return ``--interpreter`` as words: a path, or a program with arguments."""
    words = (chosen,) if _which(chosen, lookup) else tuple(_split(chosen))
    found = _which(words[0], lookup) if words else None
    if found is None:
        raise BadInputError(
            f"--interpreter {chosen}: no such program in PATH; check the spelling or give its path"
        )
    return (found, *words[1:])


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadInputError(f"--interpreter {text}: {error}") from error


def _default_interpreter(extension: str, shown: str, lookup: Lookup) -> str:
    names = INTERPRETERS[extension]
    if extension == ".py":
        active = _of_active_venv(lookup.environ)
        if active:
            return active
    for name in names:
        found = _which(name, lookup)
        if found:
            return found
    raise BadInputError(
        f"{shown} needs {' or '.join(names)}, which is not in PATH; "
        "install it, or use --interpreter PROGRAM"
    )


def _node_with_typescript(lookup: Lookup) -> tuple[str, ...]:
    """Return Node with a package that the project has installed for TypeScript; () without one."""
    node = _which("node", lookup)
    folder = os.path.abspath(lookup.cwd)
    while node:
        for package, words in _TYPESCRIPT.items():
            if os.path.isdir(os.path.join(folder, "node_modules", package)):
                return (node, *words)
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    return ()


def _of_active_venv(environ: Mapping[str, str]) -> str | None:
    folder = environ.get("VIRTUAL_ENV")
    if not folder:
        return None
    path = os.path.join(folder, "bin", "python")
    return path if os.access(path, os.X_OK) else None


def _which(name: str, lookup: Lookup) -> str | None:
    """Return what a shell would run: monit's own Python only if the user's PATH has it."""
    if "/" in name:
        path = _find_file(name, lookup)
        return path if path and os.path.isfile(path) and os.access(path, os.X_OK) else None
    return shutil.which(name, path=lookup.environ.get("PATH", os.defpath))


def _has_shebang(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror or error}") from error


def app_name(script: str) -> str:
    """Return the name that a script gives its app; `check_name` may still refuse it."""
    return clean_name(_stem(script))


def _stem(path: str) -> str:
    base = os.path.basename(path)
    stem, extension = os.path.splitext(base)
    return stem if extension.lower() in INTERPRETERS else base


def clean_name(raw: str) -> str:
    """Return ``raw`` with allowed characters only; `check_name` may still refuse it."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", raw).strip("-_.")[:NAME_MAX]
