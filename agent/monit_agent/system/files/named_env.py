"""The variables that a user named for an app, on disk: ``env`` in its folder, only for the user.

A variable that was named must survive the death of keeper and workers, which both may hold it in
memory only. The inherited environment is not written. One ``NAME=VALUE`` after another, each ended
by a NUL byte, which no environment can hold.
"""

from monit_agent.system.files.own_file import read_own_file
from monit_agent.system.files.replaced_file import replace_file

Env = dict[bytes, bytes]


def write_named(path: str, env: Env) -> None:
    """Replace the file atomically; raise OSError."""
    entries = (name + b"=" + value + b"\0" for name, value in sorted(env.items()))
    replace_file(path, b"".join(entries))


def read_named(path: str) -> Env:
    """Return the variables; none without the file. Raise OSError."""
    try:
        entries = read_own_file(path).split(b"\0")
    except FileNotFoundError:
        return {}
    pairs = (entry.partition(b"=") for entry in entries if entry)
    return {name: value for name, _, value in pairs}
