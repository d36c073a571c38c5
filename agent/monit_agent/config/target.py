"""What ``monit start`` is asked to run: a script, a Python module or a command, and by what.

The interpreter is chosen by the script's extension, as pm2 does. Folders and the search
path come with the calls; the file system is looked at and nothing else.
"""

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from typing import NamedTuple

from monit_agent.config.errors import BadInputError, NotThereError
from monit_agent.wire.places import NAME_MAX

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
"""By what a script is run: the first of these that is found."""

_CONFIGS = re.compile(
    r"monit\.toml|pyproject\.toml|Procfile(\..+)?|.+\.(json|ya?ml|toml)|.+\.config\.[cm]?js"
)


class Run(NamedTuple):
    """What is run and what it is called when nobody says otherwise."""

    script: str
    """For people: the script's absolute path, ``-m module``, or the command as typed."""
    argv: tuple[str, ...]
    args: tuple[str, ...]
    interpreter: str | None
    name: str
    folder: str
    """Where the version is looked for."""


class Where(NamedTuple):
    """What names are resolved against."""

    here: str
    """The folder in which the user typed the command."""
    cwd: str
    """The folder in which the workers will run."""
    environ: Mapping[str, str]
    """The workers' environment: its PATH and VIRTUAL_ENV count."""


def resolve_script(
    script: str, args: tuple[str, ...], where: Where, interpreter: str | None = None
) -> Run:
    """Find out how to run ``script``; ``interpreter`` is a program, ``none``, or None to choose.

    Relative paths are looked up from where the user is, then from the workers' folder.
    Raises `NotThereError` for a script that does not exist, `BadInputError` for one that
    cannot be run.
    """
    path = _find_file(script, where)
    if path is None:
        raise NotThereError(_no_script(script, where))
    if os.path.isdir(path):
        raise BadInputError(
            f"{script} is a folder; name the script in it, or a command after '--': "
            f"monit start --cwd {shlex.quote(script)} -- COMMAND"
        )
    if is_config_file(path) and interpreter is None:
        raise BadInputError(
            f"{script} is a config file; this version of monit does not read them yet. "
            "Start the script itself, with options: monit start --help"
        )
    if not os.access(path, os.R_OK):
        raise BadInputError(f"{script} cannot be read by you; chmod +r {shlex.quote(script)}")
    by = _interpreter(path, script, where, interpreter)
    return Run(
        script=path,
        argv=(*by, path, *args),
        args=args,
        interpreter=by[0] if by else None,
        name=_clean_name(_stem(path)),
        folder=os.path.dirname(path),
    )


def resolve_module(
    module: str, args: tuple[str, ...], where: Where, interpreter: str | None = None
) -> Run:
    """Run a Python module as ``python -m`` does; ``interpreter`` is the Python to take."""
    if not all(part.isidentifier() for part in module.split(".")):
        raise BadInputError(f"-m {module!r} is not the name of a Python module, as http.server")
    python = _given(interpreter, where) if interpreter else (_first_found(".py", module, where),)
    return Run(
        script=f"-m {module}",
        argv=(*python, "-m", module, *args),
        args=args,
        interpreter=python[0],
        name=_clean_name(module),
        folder=where.cwd,
    )


def resolve_command(words: tuple[str, ...], where: Where) -> Run:
    """Run a command as a shell would find it, without a shell."""
    command = words[0]
    if not command:
        raise BadInputError("the command after '--' is empty")
    found = _find_file(command, where) if "/" in command else _which(command, where)
    if found is None:
        raise NotThereError(
            f"{command}: no such command on the PATH; check the spelling, or give its path"
        )
    if os.path.isdir(found) or not os.access(found, os.X_OK):
        raise BadInputError(
            f"{command} cannot be run; chmod +x it, or start it as a script: "
            f"monit start {shlex.quote(command)}"
        )
    return Run(
        script=command,
        argv=(found, *words[1:]),
        args=words[1:],
        interpreter=None,
        name=_clean_name(_stem(command)),
        folder=where.cwd,
    )


def is_config_file(path: str) -> bool:
    """Whether the name is one of a config file (monit.toml, ecosystem.config.js, Procfile …)."""
    return _CONFIGS.fullmatch(os.path.basename(path)) is not None


def _find_file(name: str, where: Where) -> str | None:
    for base in (where.here, where.cwd):
        path = os.path.normpath(os.path.join(base, os.path.expanduser(name)))
        if os.path.exists(path):
            return path
    return None


def _no_script(script: str, where: Where) -> str:
    if "/" not in script and _which(script, where):
        quoted = shlex.quote(script)
        return (
            f"{script}: there is no such script here and no such app; "
            f"to run the command of that name: monit start -- {quoted}"
        )
    return f"{script}: there is no such script in {where.here}, and no app of that name"


def _interpreter(path: str, shown: str, where: Where, chosen: str | None) -> tuple[str, ...]:
    runs_itself = os.access(path, os.X_OK)
    if chosen == "none":
        if not runs_itself:
            raise BadInputError(
                f"{shown} has no run bit, which --interpreter none needs; "
                f"chmod +x {shlex.quote(shown)}"
            )
        return ()
    if chosen:
        return _given(chosen, where)
    extension = os.path.splitext(path)[1].lower()
    if extension == ".sh" and runs_itself and _has_shebang(path):
        return ()
    if extension in INTERPRETERS:
        return (_first_found(extension, shown, where),)
    if not runs_itself:
        raise BadInputError(
            f"{shown} has no run bit, and its name does not tell what runs it; "
            f"chmod +x {shlex.quote(shown)}, or say --interpreter PROGRAM"
        )
    return ()


def _given(chosen: str, where: Where) -> tuple[str, ...]:
    """Take ``--interpreter``: a path that may hold blanks, or a program with arguments."""
    words = (chosen,) if _which(chosen, where) else tuple(_split(chosen))
    found = _which(words[0], where) if words else None
    if found is None:
        raise BadInputError(
            f"--interpreter {chosen}: no such program on the PATH; check the spelling, "
            "or give its path"
        )
    return (found, *words[1:])


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadInputError(f"--interpreter {text}: {error}") from error


def _first_found(extension: str, shown: str, where: Where) -> str:
    names = INTERPRETERS[extension]
    if extension == ".py":
        active = _of_active_venv(where.environ)
        if active:
            return active
    for name in names:
        found = _which(name, where)
        if found:
            return found
    raise BadInputError(
        f"{shown} needs {' or '.join(names)}, which is not on the PATH; "
        "install it, or say --interpreter PROGRAM"
    )


def _of_active_venv(environ: Mapping[str, str]) -> str | None:
    folder = environ.get("VIRTUAL_ENV")
    if not folder:
        return None
    path = os.path.join(folder, "bin", "python")
    return path if os.access(path, os.X_OK) else None


def _which(name: str, where: Where) -> str | None:
    """Find what a shell would run: monit's own Python only if the user's PATH says so."""
    if "/" in name:
        path = _find_file(name, where)
        return path if path and os.path.isfile(path) and os.access(path, os.X_OK) else None
    return shutil.which(name, path=where.environ.get("PATH", os.defpath))


def _has_shebang(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror or error}") from error


def _stem(path: str) -> str:
    base = os.path.basename(path)
    stem, extension = os.path.splitext(base)
    return stem if extension.lower() in INTERPRETERS else base


def _clean_name(raw: str) -> str:
    """Make a name of an app of ``raw``; it may still be one that `check_name` refuses."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", raw).strip("-_.")[:NAME_MAX]
