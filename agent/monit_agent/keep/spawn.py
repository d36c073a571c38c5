"""Fork and exec: how a worker, and the agent, come into being.

By hand and not by `subprocess`, which costs the keeper 2 MB of memory; the keeper has one
thread, so that forking is safe.
"""

import errno
import fcntl
import os
import resource
import signal
import time

from monit_agent.keep import procfs
from monit_agent.supervise.typed import NamedTuple, NoReturn

_LASTING = (
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR,
    errno.ELOOP, errno.ENAMETOOLONG, errno.E2BIG, errno.EINVAL,
)  # fmt: skip


_inherited: list[tuple[int, int]] = []


FIRST_FD = 3
FDS_MAX = 40
"""Most descriptors that a worker inherits besides its standard ones."""


class Order(NamedTuple):
    """What shall run. ``out`` and ``err`` are opened with ``flags``."""

    argv: tuple[bytes, ...]
    env: dict[bytes, bytes]
    cwd: str
    umask: int
    out: str
    err: str
    flags: int
    fds: tuple[int, ...] = ()
    """Descriptors that it inherits, as number 3 and following."""


class Born(NamedTuple):
    """A new process, in a session of its own. ``trouble`` is a pipe to read when it has ended:
    what kept it from running its program, or nothing."""

    pid: int
    ticks: int
    mono: float
    wall: float
    trouble: int


def raise_descriptor_limit() -> None:
    """Let this process have as many descriptors as it may: seven an instance. Its children get
    the limit that it had, for a program that uses select() must not be given more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    _inherited.append((soft, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def lent_limits() -> tuple[int, int]:
    """Give the limit of descriptors, soft and hard, that children of this process get."""
    return _inherited[0] if _inherited else resource.getrlimit(resource.RLIMIT_NOFILE)


def spawn(order: Order) -> Born:
    """Start what ``order`` says; returns when the child has its session, so that its group
    can be signalled. OSError when there can be no process."""
    trouble, told = os.pipe()
    os.set_blocking(trouble, True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
    except OSError:
        os.close(trouble)
        os.close(told)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    if pid == 0:
        _become(order, told)
    mono, wall = time.monotonic(), time.time()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(told)
    os.read(trouble, 1)
    os.set_blocking(trouble, False)
    known = procfs.stat(pid)  # a zombie too has one, and only we can bury it
    return Born(pid, known.ticks if known else 0, mono, wall, trouble)


def read_trouble(fd: int) -> tuple[str, bool] | None:
    """Close ``fd`` and give why the program was not run and whether that will last."""
    try:
        raw = os.read(fd, 4096)
    except BlockingIOError:
        return None  # a child of the child holds it: then it ran
    finally:
        os.close(fd)
    if not raw:
        return None
    number, _, text = raw.decode("utf-8", "replace").partition(" ")
    return text, is_lasting(int(number))


def is_lasting(number: int | None) -> bool:
    """Tell whether trying again does not mend an error with this errno by itself."""
    return number in _LASTING


def _become(order: Order, told: int) -> NoReturn:
    step = "session"
    try:
        told = _out_of_the_way(told)
        os.setsid()
        os.write(told, b"s")
        step = "output"
        _wire(order)
        os.umask(order.umask)
        step = f"working directory {order.cwd!r}"
        os.chdir(order.cwd)
        for limits in _inherited:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        step = "signals"
        _reset_signals()
        step = f"program {order.argv[0].decode('utf-8', 'replace')!r}"
        me = b"%d" % os.getpid()
        env = {**order.env, b"MONIT_PID": me}
        if b"LISTEN_FDS" in env:
            env[b"LISTEN_PID"] = me
        os.execvpe(order.argv[0], order.argv, env)
    except OSError as error:
        os.write(told, f"{error.errno or 0} cannot run: {step}: {error.strerror}".encode())
    except BaseException as error:  # noqa: BLE001  border: a child must never return into the keeper
        os.write(told, f"0 cannot run: {step}: {error!r}".encode())
    finally:
        os._exit(127)


def _wire(order: Order) -> None:
    fds = [_out_of_the_way(fd) for fd in order.fds]
    null = os.open(os.devnull, os.O_RDWR)
    out = os.open(order.out, order.flags, 0o600)
    err = os.open(order.err, order.flags, 0o600)
    for fd, place in ((null, 0), (out, 1), (err, 2)):
        os.dup2(fd, place)
    for place, fd in enumerate(fds, FIRST_FD):
        os.dup2(fd, place)


def _out_of_the_way(fd: int) -> int:
    """Give another descriptor of the same, beyond those that are given a number."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FD + FDS_MAX)


def _reset_signals() -> None:
    # the interpreter ignores SIGPIPE and SIGXFSZ, our caller perhaps others: ignoring is inherited
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
