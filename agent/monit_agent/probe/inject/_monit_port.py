"""Lets several copies of a Python program serve one port, unchanged: `socket.bind` asks the keeper.

The keeper has bound the port and listens on it; what the program gets is that very socket. The same
for the path of a Unix socket that `monit start --listen` named: there the program's wish to remove
what lies at the path, before it binds or when it ends, is not granted either. For any other port
and path, and whenever anything is not as expected, the program does it by itself as ever. Never
raises anything of its own into the program, never prints. Runs on CPython 3.8 and newer and imports
nothing that the program would not have. The words spoken are described in ``keep/share.py``.
"""

import _signal
import _socket
import os
import stat
import sys

from _monit_leave import announce

ANSWER_S = 5.0
_SIGNAL = _signal.SIGRTMAX - 7
_state = {"path": "", "told": False, "patched": False, "taken": set()}


def _quiet(function):
    """Make ``function`` return None instead of raising: no error of ours may reach the program."""

    def guarded(*arguments):
        try:
            return function(*arguments)
        except Exception:
            return None

    return guarded


@_quiet
def install(path):
    """Wait for the program to import `socket`; ``path`` is where the keeper is asked."""
    _state["path"] = path
    _signal.signal(_SIGNAL, _quiesce)
    if "LISTEN_FDS" in os.environ:
        _patch_unlink()
    if "socket" in sys.modules:
        _patch(sys.modules["socket"])
    else:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Is there when `socket` is imported, and then no more."""

    def find_spec(self, name, path=None, target=None):
        """Give the module's own spec, with us called after it was executed."""
        if name != "socket":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                _call_after(spec.loader)
                return spec
        return None


def _call_after(loader):
    execute = loader.exec_module

    def exec_module(module):
        execute(module)
        _patch(module)

    loader.exec_module = exec_module


@_quiet
def _patch(module):
    kind = module.socket
    bind, listen = kind.bind, kind.listen

    def monit_bind(self, address):
        if not _take(kind, self, address):
            bind(self, address)

    def monit_listen(self, *backlog):
        listen(self, *backlog)
        _tell_listening(self)

    kind.bind, kind.listen = monit_bind, monit_listen


# ------------------------------------------------------------------------ bind


def _take(kind, sock, address):
    """Put the keeper's socket in the place of ``sock``; False if the program shall bind.

    Raises OSError if the keeper could not bind either: the port is taken by somebody else.
    """
    number, fd = _ask_for(sock, address) or (0, -1)
    if number:
        raise OSError(number, os.strerror(number))
    if fd < 0:
        return False
    own = sock.fileno()
    _state["taken"].add(os.fstat(fd).st_ino)
    # the program's own timeout stays; in the kernel the socket never blocks, as several wake up
    # for one connection and the late ones must not hang
    os.dup2(fd, own, inheritable=os.get_inheritable(own))
    os.close(fd)
    if not _state["patched"]:
        _state["patched"] = True
        _patch_accept(kind)
    _tell_soon_on_uvloop()
    return True


@_quiet
def _ask_for(sock, address):
    family = sock.family
    if sock.type != _socket.SOCK_STREAM:
        return 0, -1
    if family == _socket.AF_UNIX:
        return _ask_to_bind(family, 0, 0, _absolute(address))
    if family not in (_socket.AF_INET, _socket.AF_INET6):
        return 0, -1
    host, port = address[:2]
    if not port:
        return 0, -1
    only6 = 0
    if family == _socket.AF_INET6:
        only6 = sock.getsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY)
    found = _socket.getaddrinfo(
        host or None, port, family, _socket.SOCK_STREAM, 0, _socket.AI_PASSIVE
    )
    return _ask_to_bind(family, bool(only6), port, found[0][4][0])


def _absolute(path):
    path = os.path.abspath(os.fsdecode(path))
    if "\0" in path or "\n" in path:
        raise ValueError("not a path that the keeper can be told")
    return path


def _ask_to_bind(family, only6, port, address):
    """Give (0, descriptor) of the keeper's socket, (0, -1) without one, or (errno, -1)."""
    line = "bind %d %d %d %s\n" % (family, only6, port, address)
    answer, fd = _ask(os.fsencode(line))
    if answer[:1] == b"!":
        return int(answer[1:]), -1
    return 0, fd if answer[:1] == b"+" else -1


def _ask(line):
    """Give the keeper's answer and the descriptor that came with it, or -1."""
    size = 4
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.settimeout(ANSWER_S)
        sock.connect(_state["path"])
        sock.send(line)
        answer, rights, _, _ = sock.recvmsg(4096, _socket.CMSG_SPACE(size))
    finally:
        sock.close()
    for level, kind, data in rights:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            return answer, int.from_bytes(data[:size], sys.byteorder)
    return answer, -1


def _patch_accept(kind):
    """Let a program that waits in accept() wait, although the socket does not block."""
    accept = kind.accept

    def monit_accept(self):
        while True:
            try:
                return accept(self)
            except BlockingIOError:
                if self.gettimeout() is not None:
                    raise
            import select

            poll = select.poll()
            poll.register(self.fileno(), select.POLLIN)
            poll.poll()

    kind.accept = monit_accept


def _patch_unlink():
    """Leave shared sockets where they are: whoever binds a path removes what lies there before."""
    unlink = os.unlink

    def monit_unlink(path, *, dir_fd=None):
        if dir_fd is None and _is_held(path):
            return
        unlink(path, dir_fd=dir_fd)

    os.unlink = os.remove = monit_unlink


@_quiet
def _is_held(path):
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        return False
    return _ask(os.fsencode("holds %s\n" % _absolute(path)))[0] == b"+"


# ------------------------------------------------------------------- readiness


@_quiet
def _tell_listening(sock):
    """Told each time, because the keeper then sees to the length of the queue."""
    if sock.type != _socket.SOCK_STREAM:
        return
    inode = os.fstat(sock.fileno()).st_ino
    # asked also by a process that did not bind: a parent may have, for all its children
    if inode in _state["taken"] or (not _state["told"] and inode in _shared()):
        _say_listening()


@_quiet
def _say_listening():
    _state["told"] = True
    _ask(b"listen\n")


@_quiet
def _tell_soon_on_uvloop():
    """Uvloop calls bind() from Python and listen() from C, right after it."""
    asyncio = sys.modules.get("asyncio")
    loop = asyncio and asyncio._get_running_loop()
    if loop is not None and type(loop).__module__.startswith("uvloop"):
        loop.call_soon(_say_listening)


# --------------------------------------------------------------------- leaving


def _shared():
    answer, _ = _ask(b"shared\n")
    return {int(word) for word in answer[1:].split()}


@_quiet
def _quiesce(_number, _frame):
    """Take no new connections: put a socket to which nobody comes over the shared ones."""
    _leave_the_end_to_the_parent()
    _quiet(announce)()
    inodes = _shared()
    dummy = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    dummy.bind("")
    dummy.listen(1)
    dummy.setblocking(False)
    for name in os.listdir("/proc/self/fd"):
        try:
            found = os.fstat(int(name))
        except OSError:
            continue
        if stat.S_ISSOCK(found.st_mode) and found.st_ino in inodes:
            os.dup2(dummy.fileno(), int(name), inheritable=False)
    dummy.close()


@_quiet
def _leave_the_end_to_the_parent():
    """Survive the SIGTERM that the whole group will get, once.

    A child that would die of it drops what it has in hand, although its parent, the worker,
    handles the signal and would let it finish (hypercorn). The next SIGTERM is the parent's own.
    """
    worker = int(os.environ.get("MONIT_PID", "0"))
    if worker in (0, os.getpid()) or _signal.getsignal(_signal.SIGTERM) != _signal.SIG_DFL:
        return
    with open("/proc/%d/status" % worker) as file:
        caught = next(line for line in file if line.startswith("SigCgt:"))
    if int(caught[7:], 16) >> (_signal.SIGTERM - 1) & 1:
        _signal.signal(_signal.SIGTERM, _terminated)


def _terminated(_number, _frame):
    _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
