"""What a command runs in the end: Python, Node, or something that cannot share a port with monit.

Wrappers run other programs: ``env``, ``nice``, ``sh -c``, a shell script with ``exec``, ``uv run``.
What monit hands to a worker for sharing a port passes through most of them, so the command is
followed to the program that will bind. Only files are read, nothing is run. A script that cannot be
understood has no runtime, which is never wrong: it opens its own ports.
"""

import os
import re
import shlex
import shutil
from collections.abc import Sequence
from typing import Literal, NamedTuple

from monit_agent.supervise.spec import NODES

Runtime = Literal["python", "node", "node runner", ""]
"""``node runner``: a Node program that runs another one and passes no descriptors on (npm)."""

_PYTHON = re.compile(r"(python|pypy)[0-9.]*")
_PYTHON_RUNNERS = frozenset(
    ["uv", "uvx", "poetry", "pipenv", "pdm", "hatch", "rye", "pixi", "conda", "mamba", "micromamba"]
)
_NODE_RUNNERS = frozenset(
    ["npm", "npx", "pnpm", "pnpx", "yarn", "yarnpkg", "tsx", "nodemon", "concurrently", "turbo"]
)
_CLEARING = frozenset(["pipx"])
"""Python programs that run others without ``PYTHONPATH``."""
_SHELLS = frozenset(["sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"])
_PREFIXES = frozenset(
    ["env", "nice", "ionice", "nohup", "setsid", "stdbuf", "timeout", "time", "chrt", "taskset",
     "numactl", "runuser", "setpriv", "su", "su-exec", "gosu", "sudo", "doas", "chpst", "tini",
     "setuidgid", "dumb-init", "authbind", "catchsegv", "direnv", "mise", "dotenv", "doppler",
     "op", "exec", "command", "unshare", "chroot", "prlimit", "softlimit", "envdir", "bundle"]
)  # fmt: skip
"""Programs that run the command among their arguments, in their own place or as a child that
inherits their descriptors."""
_NODE_CLUSTER = re.compile(r"""["'](node:)?cluster["']""")
_PRIMARY = re.compile(r"\bis(Primary|Master)\b")
_SCRIPT_BYTES = 65536
_DEEPEST = 5
"""Wrappers in wrappers that are followed; a script may run itself."""


class Places(NamedTuple):
    """Where names of programs and files are looked up."""

    path: str
    cwd: str


def find_runtime(argv: Sequence[str], places: Places, depth: int = 0) -> Runtime:
    """Return what the command runs in the end; "" for what is unknown."""
    if not argv or depth > _DEEPEST:
        return ""
    name = os.path.basename(argv[0])
    by_name = _runtime_of_name(name)
    if by_name == "python" and _PYTHON.fullmatch(name) and _ignores_environment(argv[1:]):
        return ""
    if by_name or name in _CLEARING:
        return by_name
    if name in _SHELLS:
        return _in_shell(argv[1:], places, depth)
    if name in _PREFIXES:
        return _first_of(argv[1:], places, depth)
    return _in_file(argv, places, depth)


def _runtime_of_name(name: str) -> Runtime:
    if _PYTHON.fullmatch(name) or name in _PYTHON_RUNNERS:
        return "python"
    if name in NODES:
        return "node"
    return "node runner" if name in _NODE_RUNNERS else ""


def _ignores_environment(words: Sequence[str]) -> bool:
    """Return whether options of Python keep out what the environment brings in: ``-I``, ``-E`` or
    ``-S``, alone or as in ``-sE``."""
    takes_value = False
    for word in words:
        if takes_value:
            takes_value = False
        elif not word.startswith("-") or word.startswith(("--", "-m", "-c")) or word == "-":
            break
        elif word[:2] in ("-W", "-X"):
            takes_value = len(word) == 2
        elif set(word) & set("IES"):
            return True
    return False


def _first_of(words: Sequence[str], places: Places, depth: int) -> Runtime:
    """Return the runtime of the first word that has one: options and their values have none."""
    for at, word in enumerate(words):
        if any(blank in word for blank in " \n;"):
            found = _in_script(word, places, depth)
        elif word.startswith("-") or "=" in word:
            continue
        else:
            found = find_runtime(words[at:], places, depth + 1)
        if found:
            return found
    return ""


def _in_shell(words: Sequence[str], places: Places, depth: int) -> Runtime:
    for at, word in enumerate(words):
        if word.startswith("-") and not word.startswith("--") and "c" in word:
            return _in_script(" ".join(words[at + 1 : at + 2]), places, depth)
        if not word.startswith(("-", "+")):
            return _in_script(_read(os.path.join(places.cwd, word)), places, depth)
    return ""


def _in_script(text: str, places: Places, depth: int) -> Runtime:
    """Return the runtime of the last command of a shell script that has one: what a script leaves
    running comes last."""
    for line in reversed(re.split(r"\n|;|&&|\|\|", text.replace("\\\n", " "))):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            words = line.split()
        found = _first_of(words, places, depth + 1)
        if found:
            return found
    return ""


def _in_file(argv: Sequence[str], places: Places, depth: int) -> Runtime:
    """Return the runtime of a script that names its interpreter in the first line."""
    program = argv[0]
    if "/" in program:
        file = os.path.join(places.cwd, program)
    else:
        file = shutil.which(program, path=places.path) or ""
    text = _read(file)
    if not text.startswith("#!"):
        return ""
    interpreter, _, rest = text[2:].partition("\n")
    words = interpreter.split()
    programs = [at for at, word in enumerate(words) if not word.startswith("-")]
    for at in programs[:2]:
        name = os.path.basename(words[at])
        if name in _SHELLS:
            return _in_script(rest, places, depth)
        if found := _runtime_of_name(name):
            if found == "python" and _ignores_environment(words[at + 1 :]):
                return ""
            linked_to = os.path.basename(os.path.realpath(file)).partition("-cli.")[0]
            return "node runner" if found == "node" and linked_to in _NODE_RUNNERS else found
    return ""


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_SCRIPT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def primary_code_file(argv: Sequence[str], cwd: str) -> str | None:
    """Return the Node script of a command that has code for the primary of a cluster, or None."""
    for word in argv:
        if word.endswith((".js", ".cjs", ".mjs", ".ts")):
            text = _read(os.path.join(cwd, word))
            return word if _NODE_CLUSTER.search(text) and _PRIMARY.search(text) else None
    return None
