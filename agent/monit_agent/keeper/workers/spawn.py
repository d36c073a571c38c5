"""Fork and exec of workers and of the agent.

Not by `subprocess`, which costs the keeper 2 MB of memory. The keeper has one thread, so forking is
safe.
"""

import errno
import fcntl
import os
import resource
import signal
import time

from monit_agent.system import procfs
from monit_agent.system.executable import explain_not_run
from monit_agent.system.memory.oom import set_child_score
from monit_agent.system.memory.shortage import is_shortage, with_spare
from monit_agent.system.users import RunAs, become
from monit_agent.typed import NamedTuple, NoReturn

_LASTING = (
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR,
    errno.ELOOP, errno.ENAMETOOLONG, errno.E2BIG, errno.EINVAL,
)  # fmt: skip


_inherited: list[tuple[int, int]] = []


FIRST_FD = 3
_FD_END = 65536
"""No keeper has descriptors beyond: 7 for each of 1,000 instances."""


class SpawnOrder(NamedTuple):
    """What to run. ``out`` and ``err`` are opened with ``flags``."""

    argv: tuple[bytes, ...]
    env: dict[bytes, bytes]
    cwd: str
    umask: int
    out: str
    err: str
    flags: int
    fds: tuple[int, ...] = ()
    """Descriptors that it inherits, as number 3 and following."""
    is_worker: bool = True
    """Whether it is to be killed before the keeper when memory is short."""
    run_as: RunAs | None = None
    """The user as whom it runs, if not as the keeper's."""
    worker: int = 0
    """Pid of the first process of the worker to which it belongs; 0 for a worker itself."""


class ExecError(NamedTuple):
    """Why a program could not be run. ``permanent``: trying again will not help. ``shortage``: it
    will when there is room again."""

    text: str
    permanent: bool
    shortage: bool


class NewProcess(NamedTuple):
    """A new process, in a session of its own. Read ``error_fd`` after its exit: it holds the error
    that kept it from running its program, or nothing."""

    pid: int
    ticks: int
    mono: float
    wall: float
    """The start in seconds on both clocks: a moment before the process exists."""
    error_fd: int


def raise_descriptor_limit(before: tuple[int, int] | None = None) -> None:
    """Raise the limit of descriptors of this process: it needs seven an instance. Its children get
    the former limit, because a program that uses select() must not get more. ``before``: another
    program raised it already, and this was the former one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    _inherited.append(before or (soft, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limits_for_children() -> tuple[int, int]:
    """Return the limit of descriptors, soft and hard, for children of this process."""
    return _inherited[0] if _inherited else resource.getrlimit(resource.RLIMIT_NOFILE)


def spawn(order: SpawnOrder) -> NewProcess:
    """Start a process and return when it leads its session, so that its group can be signalled.
    Raise OSError when there can be no process."""
    error_fd, write_fd = with_spare(os.pipe)
    os.set_blocking(error_fd, True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    # now, because on a busy machine the child may print before this process goes on
    mono, wall = time.monotonic(), time.time()
    try:
        pid = os.fork()
    except OSError:
        os.close(error_fd)
        os.close(write_fd)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    if pid == 0:
        _exec(order, write_fd)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(write_fd)
    os.read(error_fd, 1)
    os.set_blocking(error_fd, False)
    stat = procfs.process_stat(pid)  # a zombie has one too, and only we can reap it
    return NewProcess(pid, stat.start_ticks if stat else 0, mono, wall, error_fd)


def read_exec_error(fd: int) -> ExecError | None:
    """Close ``fd`` and return why the program was not run, if it was not."""
    try:
        raw = os.read(fd, 4096)
    except BlockingIOError:
        return None  # a descendant still has it open: the program ran
    finally:
        os.close(fd)
    if not raw:
        return None
    number, _, text = raw.decode("utf-8", "replace").partition(" ")
    return ExecError(text, is_permanent(int(number)), is_shortage(int(number)))


def is_permanent(number: int | None) -> bool:
    """Return whether an error with this errno stays when the start is retried."""
    return number in _LASTING


def _exec(order: SpawnOrder, write_fd: int) -> NoReturn:
    step = "session"
    try:
        # room for what follows, also where the limit of descriptors is what the keeper has open
        close_all_but({write_fd, *order.fds})
        write_fd = _out_of_the_way(write_fd, order)
        os.setsid()
        os.write(write_fd, b"s")
        step = "output"
        _wire(order)
        os.umask(order.umask)
        _restore_descriptor_limit()
        set_child_score(is_worker=order.is_worker)
        if order.run_as is not None:
            step = f"as user {order.run_as.name}"
            # a search through PATH imports a module, which the user may not be able to read
            os.get_exec_path()

            become(order.run_as)
        step = f"working directory {order.cwd!r}"
        os.chdir(order.cwd)
        step = "signals"
        _reset_signals()
        step = f"program {order.argv[0].decode('utf-8', 'replace')!r}"
        env = {**order.env, b"MONIT_PID": b"%d" % (order.worker or os.getpid())}
        if b"LISTEN_FDS" in env:
            env[b"LISTEN_PID"] = b"%d" % os.getpid()
        os.execvpe(order.argv[0], order.argv, env)
    except OSError as error:
        text = f"{error.errno or 0} cannot run: {step}: {error.strerror}"
        why = _explain(order.argv[0], error.errno) if step[:7] == "program" else None
        os.write(write_fd, (f"{text}; {why}" if why else text).encode("utf-8", "backslashreplace"))
    except BaseException as error:  # noqa: BLE001  border: a child must never return into the keeper
        os.write(write_fd, f"0 cannot run: {step}: {error!r}".encode())
    finally:
        os._exit(127)


def _explain(program: bytes, number: int | None) -> str | None:
    if number == errno.ENOEXEC:
        return "it is neither a program for this machine nor a script that begins with #!"
    return explain_not_run(os.fsdecode(program))


def _wire(order: SpawnOrder) -> None:
    fds = [_out_of_the_way(fd, order) for fd in order.fds]
    null = os.open(os.devnull, os.O_RDWR)
    out = os.open(order.out, order.flags, 0o600)
    err = os.open(order.err, order.flags, 0o600)
    if order.run_as is not None:  # programs also open /dev/stdout
        for fd in (out, err):
            os.fchown(fd, order.run_as.uid, -1)
    for fd, place in ((null, 0), (out, 1), (err, 2)):
        os.dup2(fd, place)
    for place, fd in enumerate(fds, FIRST_FD):
        os.dup2(fd, place)


def _restore_descriptor_limit() -> None:
    if not _inherited:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)  # it may have been lowered since
    soft, hard = (_lower_limit(limit, most) for limit in _inherited[0])
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _lower_limit(one: int, other: int) -> int:
    limits = [limit for limit in (one, other) if limit != resource.RLIM_INFINITY]
    return min(limits, default=resource.RLIM_INFINITY)


def close_all_but(kept: set[int]) -> None:
    """Close what a forked child inherits, apart from standard input, output and error."""
    begin = FIRST_FD
    for fd in sorted(kept):
        os.closerange(begin, fd)
        begin = fd + 1
    os.closerange(begin, _FD_END)


def _out_of_the_way(fd: int, order: SpawnOrder) -> int:
    """Return a duplicate beyond the numbers that are assigned."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FD + len(order.fds))


def _reset_signals() -> None:
    # the interpreter ignores SIGPIPE and SIGXFSZ, our caller perhaps others: ignoring is inherited
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
