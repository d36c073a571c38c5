"""Two calls of the kernel that Python has no name for.

Straight through `_ctypes`: the package around it would cost half a megabyte for ever.
"""

import errno

from monit_agent.supervise.typed import cast

_PR_SET_CHILD_SUBREAPER = 36
_SYS_PIDFD_GETFD = 438
"""The same number on every architecture (it is younger than their separate tables)."""


def become_subreaper() -> bool:
    """Let orphans of the workers become our children; False where that cannot be had."""
    try:
        return _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except OSError:
        return False


def take_fd(pidfd: int, number: int) -> int:
    """Give a descriptor of our own for what another process has open as ``number``.

    The kernel allows it where it would allow a debugger: for processes of the same user, unless
    ``kernel.yama.ptrace_scope`` forbids it. OSError when it does not.
    """
    fd = _call("syscall", _SYS_PIDFD_GETFD, pidfd, number, 0)
    if fd < 0:
        raise OSError(errno.EPERM, "the kernel does not hand it over")
    return fd


def _call(name: str, *arguments: int) -> int:
    try:
        import _ctypes  # noqa: PLC0415  no such module in some builds

        address = _ctypes.dlsym(_ctypes.dlopen(cast("str", None), 0), name)
    except (ImportError, AttributeError) as error:
        raise OSError(errno.ENOSYS, f"no {name} here") from error
    return _ctypes.call_function(address, arguments)
