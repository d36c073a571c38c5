"""The keys of an app in a config file: those of the table of options, and what to run.

An option is a row of ``config/options.py``. The keys here say what the app is, which on the command
line is TARGET and the words after ``--``.
"""

from typing import NamedTuple

from monit_agent.config.options import BY_KEY, OPTIONS


class ProgramKey(NamedTuple):
    """One key that says what is run."""

    key: str
    help: str
    types: tuple[str, ...]
    """What it may be: string, words (a list of strings) or boolean."""
    pm2: tuple[str, ...] = ()
    may_be_empty: bool = False
    """Whether "" and [] are values: a profile can then take away what the app has."""


PROGRAM_KEYS = (
    ProgramKey(
        "run",
        "Command to run. A string is split into words like in a shell, but no shell runs it; "
        "a list of words is passed as it is.",
        ("string", "words"),
    ),
    ProgramKey(
        "shell",
        "Whether a shell runs the string in run, so that &&, | and $NAME work.",
        ("boolean",),
    ),
    ProgramKey(
        "script",
        "Script or executable to run; the extension selects the interpreter.",
        ("string",),
        pm2=("script", "exec"),
    ),
    ProgramKey(
        "args",
        "Arguments of the script or module: a list of words, or a string that is split.",
        ("string", "words"),
        pm2=("args",),
        may_be_empty=True,
    ),
    ProgramKey(
        "interpreter-args",
        "Arguments of the interpreter, before the script.",
        ("string", "words"),
        pm2=("node_args", "interpreter_args", "interpreterArgs"),
        may_be_empty=True,
    ),
)

BY_PROGRAM_KEY = {row.key: row for row in PROGRAM_KEYS}

WHAT_RUNS = ("run", "script", "module")
"""Keys of which an app has exactly one."""

BELONG_TO = {
    "run": ("shell",),
    "script": ("args", "interpreter", "interpreter-args"),
    "module": ("args", "interpreter", "interpreter-args"),
}
"""Keys that may stand beside each of them."""

TABLES = frozenset(option.key.partition(".")[0] for option in OPTIONS if "." in option.key)
"""Keys that are tables: health, ready."""

RULES = "alerts.rules"
"""The key of a table of rules by name; the key of a rule is ``alerts.rules.NAME``."""

APP_KEYS = tuple(
    sorted({*BY_PROGRAM_KEY, *(key for key in BY_KEY if key != "name"), *TABLES, "profiles"})
)
"""All keys that a table of an app may have, for suggestions; its name is that of the table."""

NAME_TEXT = "the name of an app is that of its table: write [apps.NAME]"


def replaced_by(key: str) -> tuple[str, ...]:
    """Return the keys that a value for ``key`` in a later layer takes the place of."""
    if key in WHAT_RUNS:
        kept = BELONG_TO[key]
        beside = {each for keys in BELONG_TO.values() for each in keys if each not in kept}
        return (*(other for other in WHAT_RUNS if other != key), *sorted(beside))
    option = BY_KEY.get(key)
    return (option.replaces,) if option and option.replaces else ()
