"""Brings the probe and shared ports into a Python program, then what else is called sitecustomize.

Syntax of Python 2.7, because every Python below a worker reads this file. Never prints, never
raises anything of its own: a program must start with it exactly as without it.
"""

import os
import sys


class _Door(object):
    """Last of sys.meta_path: gives `monit_probe`, unless the program has a module of that name."""

    def __init__(self, file):
        self.file = file

    def find_spec(self, name, path=None, target=None):
        """Give our file's spec for our name, None for all others."""
        if name != "monit_probe":
            return None
        from importlib.util import spec_from_file_location

        return spec_from_file_location(name, self.file)


def _same(path, here):
    return os.path.abspath(path or os.curdir) == here


def _begin(here):
    share = os.environ.get("MONIT_SHARE")
    probed = os.environ.get("MONIT_PROBE") != "0" and os.environ.get("MONIT_PROBE_SOCK")
    if not share and not probed:
        return
    if sys.version_info < (3, 8) or sys.implementation.name != "cpython":
        return
    # ours lies in a folder of ours: its bytecode may be kept there whatever the program wants
    # for its own, and saves 5 to 12 ms of compiling at every start
    before = sys.dont_write_bytecode, sys.pycache_prefix
    sys.dont_write_bytecode, sys.pycache_prefix = False, None
    sys.path.insert(0, here)
    try:
        if share:
            import _monit_port
        if probed:
            import _monit_probe

            _monit_probe.compile_rest()
    finally:
        sys.path.remove(here)
        sys.dont_write_bytecode, sys.pycache_prefix = before
    if share:
        _monit_port.install(share)
    if probed:
        _monit_probe.install()


def _leave(here):
    sys.path[:] = [path for path in sys.path if not _same(path, here)]
    sys.path_importer_cache.pop(here, None)


try:
    _here = os.path.dirname(os.path.abspath(__file__))
    _leave(_here)
    if sys.version_info >= (3, 6):
        sys.meta_path.append(_Door(os.path.join(_here, "monit_probe.py")))
    _begin(_here)
except Exception:
    pass

# Python looks again, now without our folder. What comes of it, also an error or that there is
# none, reaches `site` as if we had not been here: even our own name is free for the other.
sys.modules.pop("sitecustomize", None)
import sitecustomize  # noqa: E402, F401
