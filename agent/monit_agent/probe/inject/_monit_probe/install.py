# pyright: basic
"""Where the probe begins: `sitecustomize` calls `install` at the start of a program."""

import _frozen_importlib_external
import atexit
import os

from _monit_probe.basics import API_FILE, Settings, file_exists, path_of, quiet, signals
from _monit_probe.forks import Forks
from _monit_probe.hooks import HTTP_SERVERS
from _monit_probe.thread import Probe

LATER = (
    "loops", "blocks", "memory", "app", "actions", "prometheus", "http.requests", *HTTP_SERVERS
)  # fmt: skip
"""The parts that are loaded when they are needed."""
_installed = []


@quiet
def install():
    """Start to measure this process and those that it forks; once."""
    if _installed or not _is_main_interpreter():
        return
    Settings.block_s = _threshold()
    environ = os.environ
    probe = Probe(
        environ["MONIT_PROBE_SOCK"],
        environ.get("MONIT_PROBE_REQUESTS"),
        count_http=environ.get("MONIT_PROBE_HTTP") != "0",
    )
    _installed.append(probe)
    probe.hooks.install()
    Forks(probe).install()
    atexit.register(quiet(probe.end))
    probe.start()


def _threshold():
    try:
        return max(0.02, float(os.environ["MONIT_PROBE_BLOCK_MS"]) / 1000.0)
    except (KeyError, ValueError):
        return Settings.block_s


def _is_main_interpreter():
    # Ending a subinterpreter that has a raw thread aborts the whole process on 3.12. Only the main
    # one gets as far as looking at the descriptor, which is none; nothing is changed. Importing
    # `_interpreters` to ask it takes 0.4 ms.
    try:
        signals.set_wakeup_fd(-2)
    except ValueError:
        return False
    except OSError:
        return True
    return False


@quiet
def compile_later():
    """Compile what is loaded later, now that its bytecode may be kept."""
    files = [("monit_probe", API_FILE), *((part, path_of(part)) for part in LATER)]
    if file_exists(_frozen_importlib_external.cache_from_source(files[-1][1])):
        return  # it was compiled last
    for name, path in files:
        _frozen_importlib_external.SourceFileLoader(name, path).get_code(name)
