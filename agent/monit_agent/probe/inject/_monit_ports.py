# pyright: basic
"""Lets several copies of an unchanged Python program serve one port.

`socket.bind` requests the socket from the keeper, which has bound the port and listens on it. The
program gets that very socket. Before that, the app's port looks free to it. The same is true of the
path of a Unix socket that `monit start --listen` named; there the program does not remove the file
at the path either, before it binds or when it ends. For any other port and path, and whenever
something is not as expected, the program binds by itself as usual. Never raises anything of its own
into the program, never prints. Runs on CPython 3.8 and newer and imports nothing that the program
would not have. The requests are described in ``keeper/ports/python_bind.py``.
"""

import _signal  # pyright: ignore[reportMissingImports] - built in, unknown to typeshed
import _socket
import os
import stat
import sys

from _monit_connection_close import announce

ANSWER_S = 5.0
KEEPER_S = 10.0
"""How long a bind waits for the next keeper when there is none: a program that binds by itself then
finds its port in use. A keeper that was killed is replaced within a second, or a few on a busy
machine."""
AGAIN_S = 0.05
_SIGNAL = _signal.SIGRTMAX - 7


class _State:
    """What this process has of the keeper."""

    path = ""
    """The socket on which the keeper answers."""
    notified = False
    """Whether the keeper knows that this process listens."""
    accepts = False
    """Whether the keeper knows that this process, or the one that it was forked from, accepts."""
    patched = False
    """Whether this process has a shared socket, so that its port does not look free any more."""


_inodes = set()
"""Of the sockets that came from the keeper."""

_connects = {}
"""By the name of connect() and connect_ex(): our function, and the one of the class itself."""

_LOOKED_AT = ("localhost", "::1", "0.0.0.0", "::", "")  # noqa: S104 - nothing is bound there
"""Where programs look whether their port is free, beside 127.0.0.0/8."""


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
    """Wait for the program to import `socket`; ``path`` is the keeper's socket."""
    _State.path = path
    _signal.signal(_SIGNAL, _quiesce)
    if "LISTEN_FDS" in os.environ:
        _patch_unlink()
    if "socket" in sys.modules:
        _patch(sys.modules["socket"])
    else:
        sys.meta_path.insert(0, _SocketFinder())


class _SocketFinder:
    """In ``sys.meta_path`` until `socket` is imported."""

    def find_spec(self, name, path=None, target=None):
        """Return the module's own spec, with `_patch` called after it was executed."""
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
        if not _bind_shared(kind, self, address):
            bind(self, address)

    def monit_listen(self, *backlog):
        listen(self, *backlog)
        _notify_listening(self)

    kind.bind, kind.listen = monit_bind, monit_listen
    if os.environ.get("MONIT_SHARE_PORT", "").isdigit():
        _patch_connect(kind, int(os.environ["MONIT_SHARE_PORT"]))


# ------------------------------------------------------------------------ bind


def _bind_shared(kind, sock, address):
    """Put the keeper's socket in the place of ``sock``; False if the program must bind itself.

    Raises OSError if the keeper could not bind either: the port is in use.
    """
    number, fd = _request_socket(sock, address) or (0, -1)
    if number:
        raise OSError(number, os.strerror(number))
    if fd < 0:
        return False
    own = sock.fileno()
    _inodes.add(os.fstat(fd).st_ino)
    # The program's own timeout stays. In the kernel the socket never blocks: several processes
    # wake up for one connection, and the late ones must not hang.
    os.dup2(fd, own, inheritable=os.get_inheritable(own))
    os.close(fd)
    if not _State.patched:
        _State.patched = True
        _patch_accept(kind)
        _restore_connect(kind)
    _notify_soon_on_uvloop()
    return True


@_quiet
def _request_socket(sock, address):
    """Return what `_request_bind` returns; (0, -1) for sockets that are never shared."""
    family = sock.family
    if sock.type != _socket.SOCK_STREAM:
        return 0, -1
    if family == _socket.AF_UNIX:
        return _request_bind(family, 0, 0, _absolute(address))
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
    return _request_bind(family, bool(only6), port, found[0][4][0])


def _absolute(path):
    path = os.path.abspath(os.fsdecode(path))
    if "\0" in path or "\n" in path:
        raise ValueError("a path that cannot be sent to the keeper")
    return path


def _request_bind(family, only6, port, address):
    """Return (0, descriptor) of the keeper's socket, (0, -1) if there is none, or (errno, -1)."""
    line = "bind %d %d %d %s\n" % (family, only6, port, address)
    answer, fd = _request_of_any_keeper(os.fsencode(line))
    if answer[:1] == b"!":
        return int(answer[1:]), -1
    return 0, fd if answer[:1] == b"+" else -1


def _request_of_any_keeper(line):
    """Return what `_request` returns, of the next keeper where this one is gone."""
    import time

    end = time.monotonic() + KEEPER_S
    while time.monotonic() < end:
        try:
            answer, fd = _request(line)
            if answer:  # none: the keeper was killed before it answered
                return answer, fd
        except (ConnectionError, FileNotFoundError):
            pass
        time.sleep(AGAIN_S)
    return b"", -1


def _request(line):
    """Return the keeper's answer, and the descriptor that came with it or -1."""
    size = 4
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.settimeout(ANSWER_S)
        sock.connect(_State.path)
        sock.send(line)
        answer, rights, _, _ = sock.recvmsg(4096, _socket.CMSG_SPACE(size))
    finally:
        sock.close()
    for level, kind, data in rights:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            return answer, int.from_bytes(data[:size], sys.byteorder)
    return answer, -1


def _patch_accept(kind):
    """Make accept() wait as the program expects, although the socket does not block."""
    accept = kind.accept

    def monit_accept(self):
        if not _State.accepts:
            _notify_accepting(self)
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


def _patch_connect(kind, port):
    """Let the app's port look free until this process has opened it.

    Some programs connect to their port before they open it, and exit when somebody answers. The
    keeper holds the port, so there is always somebody.
    """
    from errno import ECONNREFUSED  # here, where `socket` has imported it

    connect, connect_ex = kind.connect, kind.connect_ex

    def monit_connect(self, address):
        if _looks_free(self, address, port):
            raise ConnectionRefusedError(ECONNREFUSED, os.strerror(ECONNREFUSED))
        return connect(self, address)

    def monit_connect_ex(self, address):
        if _looks_free(self, address, port):
            return ECONNREFUSED
        return connect_ex(self, address)

    for ours, name in ((monit_connect, "connect"), (monit_connect_ex, "connect_ex")):
        _connects[name] = ours, vars(kind).get(name)
        setattr(kind, name, ours)


@_quiet
def _restore_connect(kind):
    """Put back what was there, unless somebody wrapped our function."""
    for name, (ours, before) in _connects.items():
        if vars(kind).get(name) is not ours:
            continue
        if before is None:
            delattr(kind, name)
        else:
            setattr(kind, name, before)


@_quiet
def _looks_free(sock, address, port):
    """Return whether a connection would reach other workers, and this one has no socket yet."""
    if (
        _State.patched
        or type(address) is not tuple
        or address[1] != port
        or sock.type != _socket.SOCK_STREAM
    ):
        return False
    host = address[0]
    if host not in _LOOKED_AT and not host.startswith("127."):
        return False
    return _request(b"look %d\n" % port)[0] == b"+"


def _patch_unlink():
    """Keep shared sockets in their place: programs remove an existing file before they bind."""
    unlink = os.unlink

    def monit_unlink(path, *, dir_fd=None):
        if dir_fd is None and _is_held_by_keeper(path):
            return
        unlink(path, dir_fd=dir_fd)

    os.unlink = os.remove = monit_unlink


@_quiet
def _is_held_by_keeper(path):
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        return False
    return _request(os.fsencode("holds %s\n" % _absolute(path)))[0] == b"+"


# ------------------------------------------------------------------- readiness


@_quiet
def _notify_listening(sock):
    """Notify the keeper, each time: it then restores the length of the queue."""
    if sock.type != _socket.SOCK_STREAM:
        return
    inode = os.fstat(sock.fileno()).st_ino
    # also from a process that did not bind: a parent may have done it for all its children
    if inode in _inodes or (not _State.notified and inode in _shared_inodes()):
        _send_listening()


@_quiet
def _send_listening():
    _State.notified = True
    _request(b"listen\n")


@_quiet
def _notify_accepting(sock):
    """Notify the keeper, once, when a process accepts from a shared socket."""
    if os.fstat(sock.fileno()).st_ino in _inodes:
        _State.accepts = True
        _request(b"accept\n")


@_quiet
def _notify_soon_on_uvloop():
    """Notify the keeper when uvloop listens: it calls listen() from C, right after bind()."""
    asyncio = sys.modules.get("asyncio")
    loop = asyncio and asyncio._get_running_loop()
    if loop is not None and type(loop).__module__.startswith("uvloop"):
        loop.call_soon(_send_listening)


# -------------------------------------------------------------------- stopping


def _shared_inodes():
    answer, _ = _request(b"shared\n")
    return {int(word) for word in answer[1:].split()}


@_quiet
def _quiesce(_number, _frame):
    """Accept no new connections: replace the shared sockets by one to which nobody connects."""
    _leave_sigterm_to_the_parent()
    _quiet(announce)()
    inodes = _shared_inodes()
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
def _leave_sigterm_to_the_parent():
    """Survive, once, the SIGTERM that the whole process group will get with kill mode ``group``.

    A child that dies of it drops its open requests, although its parent, the worker, handles the
    signal and would let it finish (hypercorn). The next SIGTERM is sent by the parent.
    """
    worker = int(os.environ.get("MONIT_PID", "0"))
    if worker in (0, os.getpid()) or _signal.getsignal(_signal.SIGTERM) != _signal.SIG_DFL:
        return
    if _request(b"group\n")[0] != b"+":
        return
    with open("/proc/%d/status" % worker) as file:
        caught = next(line for line in file if line.startswith("SigCgt:"))
    if int(caught[7:], 16) >> (_signal.SIGTERM - 1) & 1:
        _signal.signal(_signal.SIGTERM, _ignore_once)


def _ignore_once(_number, _frame):
    _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
