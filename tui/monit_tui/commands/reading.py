"""Reads what was typed after the colon: the command, its words, and what may stand next. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from monit_tui.commands.table import COMMANDS, ScreenCommand, ValueKind

LISTED = 12
"""Most words that an error lists."""

ValuesOf = Callable[[ValueKind], Sequence[str]]
"""Returns what may stand for a word now."""


class BadCommandError(ValueError):
    """What was typed is not understood, or cannot be done; the text says what can."""


class TypedCommand(NamedTuple):
    """A command and its words."""

    command: ScreenCommand
    words: tuple[str, ...]
    text: str
    """The words as they were typed, with their spaces."""


class Completion(NamedTuple):
    """What may stand in place of the last word."""

    before: str
    """What stands before that word."""
    candidates: tuple[str, ...]
    ends: bool
    """Whether nothing follows it."""


def read_command(line: str, known: Mapping[str, ScreenCommand]) -> TypedCommand | None:
    """Return the command of a line, None for an empty one; raise `BadCommandError` for others."""
    name, _, text = line.strip().lstrip(":").strip().partition(" ")
    if not name:
        return None
    command = known.get(name) or known.get(name.casefold())
    if command is None:
        raise BadCommandError(_unknown(name, known))
    words = tuple(text.split())
    if words and not command.arguments:
        raise BadCommandError(f"{command.name} takes no words")
    return TypedCommand(command, words, text.strip())


def _unknown(name: str, known: Mapping[str, ScreenCommand]) -> str:
    removed = {each.name for each in COMMANDS if each.changes_apps} - set(known)
    if name in removed:
        return f"{name} changes apps, and this screen is read-only"
    near = get_close_matches(name.casefold(), known, n=2, cutoff=0.6)
    guess = f"did you mean {' or '.join(near)}?" if near else "Tab lists all"
    return f"there is no command {name!r}; {guess}"


def choose(word: str, choices: Iterable[str], what: str) -> str:
    """Return the choice that a word means; raise `BadCommandError` with the nearest one."""
    every = list(choices)
    found = next((each for each in every if each.casefold() == word.casefold()), None)
    if found is not None:
        return found
    near = get_close_matches(word.casefold(), every, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]}? " if near else ""
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    raise BadCommandError(
        f"{word!r} is no {what}; {guess}choose from {', '.join(every[:LISTED])}{more}"
    )


def complete(line: str, known: Mapping[str, ScreenCommand], values: ValuesOf) -> Completion:
    """Return what may stand in place of the last word of a line."""
    plain = line.lstrip(" :")
    name, space, rest = plain.partition(" ")
    if not space:
        return _names(line[: len(line) - len(name)], name, known)
    command = known.get(name)
    if command is None or not command.values:
        return Completion(line, (), ends=True)
    words = rest.split(" ")
    typed = [word for word in words[:-1] if word]
    repeats = command.arguments.endswith("...]")
    last = len(command.values) - 1
    before = line[: len(line) - len(words[-1])]
    if len(typed) > last and not repeats:
        return Completion(before, (), ends=True)
    found = _starting(words[-1], values(command.values[min(len(typed), last)]))
    return Completion(before, found, ends=len(typed) == last and not repeats)


def _names(before: str, typed: str, known: Mapping[str, ScreenCommand]) -> Completion:
    """Return names of commands; ids of actions with a scope, which are many, only where nothing
    else begins like that."""
    names = _starting(typed, dict.fromkeys(command.name for command in known.values()))
    short = tuple(name for name in names if "." not in name)
    found = names if "." in typed else short or names
    return Completion(before, found, ends=False)


def _starting(typed: str, every: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for word in every if word.casefold().startswith(typed.casefold()))


def extend(line: str, completion: Completion) -> str:
    """Return a line with what all candidates have in common; a single one is complete."""
    candidates = completion.candidates
    if not candidates:
        return line
    if len(candidates) == 1:
        return completion.before + candidates[0] + ("" if completion.ends else " ")
    first = candidates[0]
    same = next(n for n in range(len(first), -1, -1) if _all_start(candidates, first[:n]))
    longer = completion.before + first[:same]
    return longer if len(longer) > len(line) else line


def _all_start(words: Iterable[str], beginning: str) -> bool:
    return all(word.startswith(beginning) for word in words)
