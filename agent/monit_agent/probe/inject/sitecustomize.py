# pyright: basic
"""Brings the probe and shared ports into a Python program, then imports the next sitecustomize.

In the syntax of Python 2.7, because every Python below a worker reads this file. It never prints
and never raises anything of its own: a program must start with it exactly as without it.
"""

import os
import sys


class _ApiFinder(object):
    """Last of sys.meta_path: finds `monit_probe`, unless the program has a module of that name."""

    def __init__(self, file):
        self.file = file

    def find_spec(self, name, path=None, target=None):
        """Return the spec of our file for `monit_probe`, None for all others."""
        if name != "monit_probe":
            return None
        from importlib.util import spec_from_file_location

        return spec_from_file_location(name, self.file)


def _start(here):
    share = os.environ.get("MONIT_SHARE")
    probed = os.environ.get("MONIT_PROBE") != "0" and os.environ.get("MONIT_PROBE_SOCK")
    if not share and not probed:
        return
    if sys.version_info < (3, 8) or sys.implementation.name != "cpython":
        return
    # This folder is monit's own, so its bytecode may be kept whatever the program wants for its
    # own. That saves 5 to 12 ms of compiling at every start.
    before = sys.dont_write_bytecode, sys.pycache_prefix
    sys.dont_write_bytecode, sys.pycache_prefix = False, None
    ports = probe = None
    try:
        if share:
            _load(here, "_monit_connection_close")
            ports = _load(here, "_monit_ports")
        if probed:
            sys.modules["_monit_probe"] = type(sys)("_monit_probe")
            probe = _load(here, "_monit_probe.basics").load_first()
            probe.compile_later()
    finally:
        sys.dont_write_bytecode, sys.pycache_prefix = before
    if ports:
        ports.install(share)
    if probe:
        probe.install()


def _load(here, name):
    # not by an import, which searches: that takes a third longer
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import spec_from_file_location

    spec = spec_from_file_location(name, os.path.join(here, *name.split(".")) + ".py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _remove_from_path(here):
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or os.curdir) != here]
    sys.path_importer_cache.pop(here, None)


try:
    _here = os.path.dirname(os.path.abspath(__file__))
    _remove_from_path(_here)
    if sys.version_info >= (3, 6):
        sys.meta_path.append(_ApiFinder(os.path.join(_here, "monit_probe.py")))
    _start(_here)
except Exception:
    pass

# Python searches again, now without our folder. Whatever it finds, also nothing or an error,
# reaches `site` as if we had not been here: even our own name is free for the other file.
sys.modules.pop("sitecustomize", None)
import sitecustomize  # noqa: E402, F401
