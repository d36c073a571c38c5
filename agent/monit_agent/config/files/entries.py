"""What config files of all formats are read into: one `AppEntry` per app.

A value is checked when it is read, so that an error in a profile that is not used is found too.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from monit_agent.config.errors import BadInputError
from monit_agent.config.files.faults import Fault, Place
from monit_agent.config.files.keys import BY_PROGRAM_KEY, RULES, ProgramKey, replaced_by
from monit_agent.config.options import BY_KEY, Option
from monit_agent.config.values import is_variable, parse_dependency, parse_option

NUMBER_MAX = 2**63
"""What TOML guarantees for whole numbers; Python refuses to write out thousands of digits."""


class Item(NamedTuple):
    """The value of one key."""

    value: Any
    """As a monit.toml has it."""
    setting: Any
    """As `config.app.make_launch` takes it; words as a tuple for the keys of what to run."""
    place: Place


Items = dict[str, Item]
"""Values by key; the key of a variable is ``env.NAME``, that of a dependency ``after.APP``."""


class AppEntry(NamedTuple):
    """One app of a file, with all layers merged."""

    name: str
    place: Place
    items: Items
    """A key of ``replaced_by`` stands here at most once."""
    faulty: frozenset[str] = frozenset()
    """Keys whose values are wrong and therefore missing in ``items``."""


class BadValueError(BadInputError):
    """A value has the wrong type."""


def make_item(key: str, value: Any, place: Place) -> Item:
    """Return the item for a value of a config file, or raise `BadInputError`."""
    row = BY_PROGRAM_KEY.get(key)
    if row is not None:
        return Item(value, _program_value(row, value), place)
    if key.startswith("env."):
        return Item(value, variable_text(value), place)
    if key.startswith(f"{RULES}."):
        rule = f"{key.removeprefix(f'{RULES}.')}={_plain_text(value)}"
        return Item(value, parse_option(BY_KEY[RULES], rule), place)
    if key.startswith("after."):
        name = key.partition(".")[2]
        return Item(value, parse_dependency(f"{name}={_plain_text(value)}"), place)
    option = BY_KEY[key]
    if not option.several:
        return Item(value, parse_option(option, _text(option, value)), place)
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    if option.kind == "watch path" and isinstance(value, bool):
        values = ["yes"] if value else []
    elif option.kind == "watch path" and not _is_paths(value):
        raise BadValueError(
            f"{_shown(value)} is neither true, false nor a list of files and folders"
        )
    return Item(value, tuple(parse_option(option, _text(option, each)) for each in values), place)


def _is_paths(value: Any) -> bool:
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    return all(isinstance(each, str) for each in values)


def read_item(key: str, value: Any, place: Place, faults: list[Fault]) -> Item | None:
    """Return the item for a value; None, and a fault more, when it is wrong."""
    try:
        return make_item(key, value, place)
    except BadInputError as error:
        faults.append(Fault(place, f"{key}: {error}"))
        return None


def merge(*layers: Mapping[str, Item]) -> Items:
    """Return the values of all layers; a later one wins over those before it."""
    merged: Items = {}
    for layer in layers:
        for key in layer:
            for other in replaced_by(key):
                merged.pop(other, None)
        merged.update(layer)
    return merged


def variable_text(value: Any) -> str:
    """Return the value of a variable as a program finds it: ``8000``, ``true``."""
    if isinstance(value, str):
        if "\0" in value:
            raise BadValueError("the value contains a NUL character")
        return value
    if isinstance(value, int) and abs(value) > NUMBER_MAX:
        raise BadValueError("the number is too large; write it in quotes")
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise BadValueError("the value is neither text nor a number; write it in quotes")


def variable_fault(name: str) -> str | None:
    """Return what is wrong with the name of a variable, or None."""
    return None if is_variable(name) else f"{name!r} is not the name of a variable"


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of ``text`` as a shell splits it, or raise `BadInputError`."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise BadValueError(f"{text!r} cannot be split into words: {error}") from error


def _program_value(row: ProgramKey, value: Any) -> Any:
    if "boolean" in row.types:
        return _boolean(value)
    if row.may_be_empty and value in ("", []):
        return ()
    if isinstance(value, str):
        if not value.strip():
            raise BadValueError("the value is empty")
        if "\0" in value:
            raise BadValueError("the value contains a NUL character")
        return split_words(value) if "words" in row.types else value
    if "words" not in row.types:
        raise BadValueError(f"{_shown(value)} is not text; write it in quotes")
    return _words(value)


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise BadValueError(
            f'{_shown(value)} is neither text nor a list of words, ["like", "this"]'
        )
    words = cast("list[Any]", value)
    for word in words:
        if not isinstance(word, str):
            raise BadValueError(f"{_shown(word)} in the list is not text; write it in quotes")
        if "\0" in word:
            raise BadValueError("a word contains a NUL character")
    return tuple(cast("list[str]", words))


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadValueError(f"{_shown(value)} is neither true nor false (without quotes)")
    return value


def _text(option: Option, value: Any) -> str:
    """Return a value as it would be written on the command line."""
    return _TEXTS.get(option.kind, _plain_text)(value)


def _plain_text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadValueError(f"{_shown(value)} is not text; write it in quotes")
    if not value.strip():
        raise BadValueError("the value is empty")
    if "\0" in value:
        raise BadValueError("the value contains a NUL character")
    return value


def _number_or_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadValueError(f"{_shown(value)} is neither a number nor text")
    if isinstance(value, int) and abs(value) > NUMBER_MAX:
        raise BadValueError("the number is too large")
    return str(value)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > NUMBER_MAX:
        raise BadValueError(f"{_shown(value)} is not a whole number (without quotes)")
    return str(value)


def _with_unit(units: str) -> Callable[[Any], str]:
    def text(value: Any) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool) and value != 0:
            raise BadValueError(f"{_shown(value)} has no unit; write for example {units}")
        return "0" if value == 0 else _plain_text(value)

    return text


def _yes_or_no(value: Any) -> str:
    return "yes" if _boolean(value) else "no"


def _codes(value: Any) -> str:
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    return ",".join(_number_or_text(each) for each in values)


def _list(value: Any) -> str:
    return ",".join(_words(value)) if isinstance(value, list) else _plain_text(value)


def _command(value: Any) -> str:
    return shlex.join(_words(value)) if isinstance(value, list) else _plain_text(value)


_TEXTS: dict[str, Callable[[Any], str]] = {
    "instances": _number_or_text,
    "port": _number_or_text,
    "user": _number_or_text,
    "group": _number_or_text,
    "socket": _number_or_text,
    "signal": _number_or_text,
    "count": _number,
    "size": _with_unit('"300M"'),
    "duration": _with_unit('"10s" or "500ms"'),
    "size or none": _with_unit('"300M"'),
    "time or none": _with_unit('"30d"'),
    "exit codes": _codes,
    "command": _command,
    "reload command": _command,
    "notices": _list,
    "yes or no": _yes_or_no,
}
"""How a value of a file becomes the text that the parser of its kind reads; others are text."""


def _shown(value: Any) -> str:
    """Return a value as it stands in the file, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = str(value)
    except ValueError:
        text = "this number"
    return text if len(text) <= 60 else text[:59] + "…"
