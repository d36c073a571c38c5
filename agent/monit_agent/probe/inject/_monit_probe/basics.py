# pyright: basic
"""What all parts of the probe share: kept originals, the guard against errors, files, loading."""

import _frozen_importlib
import _frozen_importlib_external
import _signal  # pyright: ignore[reportMissingImports] - built in, unknown to typeshed
import _thread
import os
import sys
import time

# Kept by reference: gevent and eventlet replace these names later, and the probe needs real
# threads, real waiting and real time.
clock = time.perf_counter
wall_clock = time.time
sleep = time.sleep
thread_time = time.thread_time
allocate_lock = _thread.allocate_lock
start_thread = _thread.start_new_thread
get_ident = _thread.get_ident
get_native_id = _thread.get_native_id
signals = _signal
_open, _read, _close, _stat = os.open, os.read, os.close, os.stat

TICK_S = 0.0001


class Settings:
    """What the environment can change."""

    block_s = 0.1
    """From when on a busy event loop counts as blocked."""


class Faults:
    """Errors inside the probe since the start; the agent shows them, the program never does."""

    count = 0
    last = ""


def quiet(function):
    """Make ``function`` return None instead of raising: no error may reach the program."""

    def guarded(*arguments):
        try:
            return function(*arguments)
        except Exception as error:
            Faults.count += 1
            Faults.last = "%s: %r" % (function.__name__, error)
            return None

    return guarded


# ---------------------------------------------------------------------- files


def read_start(path, size=4096):
    """Return the first bytes of a file; None if it cannot be read."""
    try:
        fd = _open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _read(fd, size)
    except OSError:
        return None
    finally:
        _close(fd)


def file_exists(path):
    """Return whether there is a file at ``path``."""
    try:
        _stat(path)
    except OSError:
        return False
    return True


# ------------------------------------------------------------ the probe's own files

FIRST = ("collector", "report", "hooks", "thread", "forks", "install")
FOLDER = os.path.dirname(quiet.__code__.co_filename)
API_FILE = os.path.join(os.path.dirname(FOLDER), "monit_probe.py")


def is_own(code):
    """Return whether ``code`` is the probe's own: its frames are in no stack that is shown."""
    return code.co_filename.startswith(FOLDER)


def path_of(part):
    """Return the file of a part: of ``memory``, or of ``http.uvicorn``."""
    return os.path.join(FOLDER, *part.split(".")) + ".py"


def load(part):
    """Return a part of the probe as a module.

    Not by the import system: that may be busy or locked, and the program may have hooked into it.
    Once loaded, a part can be imported by its name as usual.
    """
    name = "_monit_probe." + part
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = _frozen_importlib_external.spec_from_file_location(name, path_of(part))
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = _frozen_importlib.module_from_spec(spec)
    spec.loader.exec_module(module)
    return sys.modules.setdefault(name, module)


def load_first():
    """Load what every program needs, each part after those that it imports; return `install`."""
    return [load(part) for part in FIRST][-1]


def is_loading(module):
    """Return whether a module is still being imported."""
    return getattr(getattr(module, "__spec__", None), "_initializing", False)
