"""Calls of the kernel that Python has no name for.

Through `_ctypes`: the package `ctypes` would cost the keeper half a megabyte for ever. It is
private to Python, so it is tried at import: where it does anything unexpected, `ctypes` is used.
"""

import errno
import os
from collections.abc import Callable

from monit_agent.typed import Any, cast

_PR_SET_PDEATHSIG = 1
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_PR_SET_CHILD_SUBREAPER = 36
_SYS_PIDFD_GETFD = 438
"""The same number on every architecture (it is younger than their separate tables)."""
_SPLICE_F_NONBLOCK = 2
_SIGKILL = 9

_parents: dict[int, int] = {}
"""The parent of a process that called `die_with_parent`; its own children inherit only this."""


def become_subreaper() -> bool:
    """Let orphans of the workers become our children; return False where that is not possible."""
    try:
        return _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except OSError:
        return False


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent exits, unless it has exited already."""
    _parents[os.getpid()] = os.getppid()
    _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def user_changed() -> None:
    """Restore `die_with_parent`, which the kernel ends with each change of the user; exit if the
    parent has exited meanwhile."""
    parent = _parents.get(os.getpid())
    if parent is None:
        return
    _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def is_dumpable() -> bool:
    """Return whether processes of the same user may look into this one."""
    return _call("prctl", _PR_GET_DUMPABLE, 0, 0, 0, 0) == 1


def become_dumpable() -> None:
    """Let processes of the same user look into this one again, after a change of its user."""
    _call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)


def copy_fd_of(pidfd: int, number: int) -> int:
    """Return a descriptor of our own for what another process has open as ``number``.

    The kernel allows it where it would allow a debugger: for processes of the same user, unless
    ``kernel.yama.ptrace_scope`` forbids it. Raise OSError when it does not.
    """
    fd = _call("syscall", _SYS_PIDFD_GETFD, pidfd, number, 0)
    if fd < 0:
        raise OSError(errno.EPERM, "the kernel does not hand it over")
    return fd


def tee_pipe(pipe: int, copy: int, most: int) -> int:
    """Copy at most ``most`` bytes that wait in ``pipe`` to the pipe ``copy``, without removing
    them; return how many, 0 or less when none were. Raise OSError where that is not possible."""
    return _call("tee", pipe, copy, most, _SPLICE_F_NONBLOCK)


def _private_call() -> Callable[..., int]:
    import _ctypes  # noqa: PLC0415  private: its absence is one of the errors

    library = _ctypes.dlopen(cast("str", None), 0)

    def call(name: str, *arguments: int) -> int:
        return _ctypes.call_function(_ctypes.dlsym(library, name), arguments)

    if call("getpid") != os.getpid():
        raise ValueError("a call of the C library does not return its value")
    return call


def _public_call(name: str, *arguments: int) -> int:
    try:
        import ctypes  # noqa: PLC0415  see above

        function: Any = getattr(ctypes.CDLL(None), name)
    except (ImportError, AttributeError) as error:  # no such package in some builds
        raise OSError(errno.ENOSYS, f"no {name} here") from error
    return function(*arguments)


try:
    _call = _private_call()
except Exception:  # noqa: BLE001  border: whatever the private functions do now
    _call = _public_call
