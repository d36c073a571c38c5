"""What `typing` provides, without its cost in memory.

Importing `typing` costs a process 1.4 MB for ever (it brings `re`), an eighth of what the keeper
may use, and half as much CPU as the start of Python, which `monit list` saves. Type checkers see
the real names; at run time stand-ins do.
"""

import sys
from collections import namedtuple

TYPE_CHECKING = False

if TYPE_CHECKING or sys.version_info >= (3, 14):  # 3.14 keeps annotations elsewhere
    from typing import Any, Literal, NamedTuple, NoReturn, cast
else:
    Any = object
    NoReturn = None

    def cast(_kind: object, value: object) -> object:
        """Return ``value``."""
        return value

    _OF_EACH_CLASS = {"__module__", "__qualname__", "__doc__", "__annotations__"}

    class _Meta(type):
        def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, object]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, space)
            fields = space.get("__annotations__", {})
            defaults = [space[field] for field in fields if field in space]
            made = namedtuple(name, fields, defaults=defaults)  # noqa: PYI024
            for key, value in space.items():
                if key not in fields and key not in _OF_EACH_CLASS:
                    setattr(made, key, value)
            made.__module__, made.__doc__ = space["__module__"], space.get("__doc__")
            return made

    class NamedTuple(metaclass=_Meta):
        """Stand-in for `typing.NamedTuple`: fields, defaults and methods."""

    class Literal:
        """Stand-in for `typing.Literal`."""

        def __class_getitem__(cls, _values: object) -> type:
            return object


__all__ = ["TYPE_CHECKING", "Any", "Literal", "NamedTuple", "NoReturn", "cast"]
