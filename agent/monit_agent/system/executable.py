"""Why the kernel does not run a file that exists: its interpreter is missing.

``execve`` then fails with ENOENT, which reads as if the file itself were missing. The keeper uses
this between fork and exec, so it imports nothing else and never raises.
"""

import os

_HEAD = 4096
_PT_INTERP = 3
_LINE = 256
"""The kernel reads this much of the first line of a script (BINPRM_BUF_SIZE)."""


def explain_not_run(path: str, search: str | None = None) -> str | None:
    """Return why the file ``path`` cannot be run, and what to do; None when nothing is wrong.

    With ``search``, a PATH, the program that ``#!/usr/bin/env NAME`` looks for is checked too.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        head = os.read(fd, _HEAD)
    except OSError:
        return None
    finally:
        os.close(fd)
    if head[:2] == b"#!":
        return _explain_script(path, head[2:_LINE].partition(b"\n")[0], search)
    if head[:4] == b"\x7fELF":
        return _explain_program(head)
    return None


def _explain_script(path: str, line: bytes, search: str | None) -> str | None:
    words = [os.fsdecode(word) for word in line.strip(b" \t").split()]
    if not words:
        return "its first line is #! without an interpreter"
    program, started_by_env = words[0], _started_by_env(words)
    if line.endswith(b"\r") and (len(words) == 1 or started_by_env):
        quoted = "'" + path.replace("'", "'\\''") + "'"
        return (
            f"its first line ends with CRLF, as on Windows, so the interpreter "
            f"{started_by_env or program!r} is not found; run: sed -i 's/\\r$//' {quoted}"
        )
    if not program.startswith("/"):
        return None  # it depends on the folder in which the worker will run
    if started_by_env is None or search is None:
        return _explain_interpreter(program)
    return _explain_interpreter(program) or _explain_env(program, started_by_env, search)


def _explain_interpreter(program: str) -> str | None:
    if not os.path.exists(program):
        return (
            f"its interpreter {program!r} (the first line, #!) does not exist; install it, "
            "correct the line, or start the file with --interpreter PROGRAM"
        )
    if os.path.isdir(program) or not os.access(program, os.X_OK):
        return f"its interpreter {program!r} (the first line, #!) is not executable"
    return None


def _explain_env(program: str, name: str, search: str) -> str | None:
    if _is_in(search, name):
        return None
    if " " in name:
        return (
            f"its first line lets env look for a program with the name {name!r}; "
            f"write #!{program} -S {name}"
        )
    return (
        f"its interpreter {name!r} (the first line, #!{program}) is not in PATH; "
        "install it, or start the file with --interpreter PROGRAM"
    )


def _started_by_env(words: list[str]) -> str | None:
    """Return the program that ``#!/usr/bin/env`` looks for; None where that is not plain to see.

    Without ``-S``, the kernel passes all that follows as one word.
    """
    if os.path.basename(words[0]) != "env" or len(words) < 2:
        return None
    if words[1] == "-S":
        names = [word for word in words[2:] if "=" not in word]
        return names[0] if names and names[0][0] != "-" else None
    return None if words[1][0] == "-" or "=" in words[1] else " ".join(words[1:])


def _explain_program(head: bytes) -> str | None:
    """Return that the loader of a program is missing: it was built for another C library."""
    try:
        with open("/proc/self/exe", "rb") as own:
            machine = own.read(20)[18:]
    except OSError:
        return None
    loader = _loader(head)
    if loader is None or head[18:20] != machine or os.path.exists(loader):
        return None
    return f"the loader {loader!r} that it was built for does not exist on this machine"


def _loader(head: bytes) -> str | None:
    """Return the loader that an ELF file names (PT_INTERP); None for a static program."""
    order = "little" if head[5] == 1 else "big"
    wide = head[4] == 2

    def number(at: int, size: int) -> int:
        return int.from_bytes(head[at : at + size], order)

    table, size, count = (
        (number(32, 8), number(54, 2), number(56, 2))
        if wide
        else (number(28, 4), number(42, 2), number(44, 2))
    )
    for entry in range(table, min(table + size * count, len(head)), size or 1):
        if number(entry, 4) == _PT_INTERP:
            start = number(entry + 8, 8) if wide else number(entry + 4, 4)
            loader, end, _ = head[start:].partition(b"\0")
            return os.fsdecode(loader) if end and loader.startswith(b"/") else None
    return None


def _is_in(search: str, name: str) -> bool:
    """Return whether a PATH has a program; True where that depends on the working directory."""
    if "/" in name:
        return not name.startswith("/") or os.access(name, os.X_OK)
    folders = search.split(os.pathsep)
    return any(
        not folder.startswith("/") or os.access(os.path.join(folder, name), os.X_OK)
        for folder in folders
    )
