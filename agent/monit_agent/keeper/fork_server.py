"""A process from which keepers are forked instead of started.

A keeper that is started by itself spends most of its CPU and of its memory on its modules; forked
ones share them. Who starts several keepers begins with this process (``keeper/forked.py``), and it
ends with the connection: it serves nobody else. So session, credentials, limits, control group,
namespaces, environment and whatever else a process inherits come from where they come from when a
keeper is started. Nothing depends on it: without an answer a keeper is started.

Standard input is the connection. A request is the app's folder with the descriptors of the keeper's
standard input, output and error. The answer is the pid of the keeper, or nothing.
"""

import array
import gc
import os
import sys

from monit_agent.system.arguments import (
    ArgumentSpace,
    argument_space,
    read_arguments,
    write_arguments,
)
from monit_agent.system.loaded_code import Code, code_on_disk
from monit_agent.system.sockets import received_fds, socket
from monit_agent.system.suppress import suppress
from monit_agent.wire.paths import keeper_command

REFUSED = b"-"
FOLDER_BYTES = 4096
_FDS = 3
_FD = array.array("i").itemsize


def serve() -> str:
    """Fork a keeper for each request. Return in the keepers only, with the app's folder."""
    _close_all_above(2)
    channel = socket.socket(fileno=_take_standard_input())
    code = code_on_disk()
    space = argument_space()
    write_arguments(space, read_arguments(space))  # where it cannot be written, no keeper is forked
    gc.collect()
    gc.freeze()  # what is loaded is not looked at again: that would copy its pages
    while True:
        space_of_fds = socket.CMSG_SPACE(_FDS * _FD)
        raw, ancillary, *_ = channel.recvmsg(FOLDER_BYTES, space_of_fds, socket.MSG_CMSG_CLOEXEC)
        if not raw:
            os._exit(0)
        fds = received_fds(ancillary)
        folder = os.fsdecode(raw)
        if len(fds) != _FDS or len(_command(folder)) > space.size or _has_changed(code):
            channel.send(REFUSED)
        elif _fork(channel):
            _become_keeper(folder, fds, space)
            return folder
        for fd in fds:
            os.close(fd)


def _has_changed(code: Code) -> bool:
    """Return whether the code on disk is another one; also when that is unknown. A process of its
    own looks: what this one writes to between two forks, their keepers do not share, and a look
    writes to 0.2 MB."""
    try:
        looks = os.fork()
    except OSError:
        return True
    if not looks:
        changed = True
        try:
            changed = code != code_on_disk()
        finally:
            os._exit(changed)
    return os.waitpid(looks, 0)[1] != 0


def _take_standard_input() -> int:
    """Return a descriptor of the connection, which is the standard input."""
    channel = os.dup(0)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    return channel


def _fork(channel: socket.socket) -> bool:
    """Fork a keeper and answer; return True in the keeper. It is no child of ours, but of the one
    who asked if that is a subreaper, and else of the first process, so that its exit is reaped."""
    try:
        between = os.fork()
    except OSError:
        channel.send(REFUSED)
        return False
    if between:
        os.waitpid(between, 0)
        return False
    try:
        pid = os.fork()
        if not pid:
            return True
        channel.send(b"%d" % pid)
    except OSError:
        channel.send(REFUSED)
    os._exit(0)


def _become_keeper(folder: str, fds: list[int], space: ArgumentSpace) -> None:
    """Make of this process what `keeper_command` starts."""
    os.setsid()
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    _close_all_above(2)
    command = keeper_command(folder)
    write_arguments(space, _command(folder))
    sys.argv[:] = command[-2:]
    sys.orig_argv[:] = command


def _close_all_above(number: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > number:
            with suppress(OSError):  # the one that lists them
                os.close(int(name))


def _command(folder: str) -> bytes:
    """Return the arguments of a keeper as the kernel keeps them."""
    return b"".join(os.fsencode(word) + b"\0" for word in keeper_command(folder))
