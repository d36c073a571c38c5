"""Runs a program in a Python whose private module ``NAME`` has changed beyond recognition.

Usage: ``python -I -S python_without.py NAME PROGRAM [ARGS]``.
"""

import runpy
import socket  # noqa: F401  loaded with the real `_socket`, as it would be with a changed one
import sys
from types import ModuleType
from typing import NoReturn


def refuse(*_args: object, **_kwargs: object) -> NoReturn:
    raise SystemError("a private function of another version")


class Changed(ModuleType):
    """A module in which every name is a function that fails."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return refuse


PUBLIC = {"_json": "json", "_ctypes": "ctypes", "_socket": "socket"}

_, private, program, *arguments = sys.argv
__import__(PUBLIC[private])
sys.modules[private] = Changed(private)
sys.argv = [program, *arguments]
runpy.run_path(program, run_name="__main__")
