"""What a program under chaos writes down where no fault reaches: that it runs, and its lines."""

import mmap
import os
import struct
import time

FOLDER = os.environ["CHAOS_RECORDS"]
APP = os.environ["CHAOS_APP"]
INSTANCE = os.environ["MONIT_INSTANCE"]
RUN = f"{os.getpid()}.{time.time_ns()}"
FILLER = "." * 60


def begin() -> None:
    """Write down that this worker runs."""
    line = f"{APP} {INSTANCE} {RUN}\n".encode()
    fd = os.open(f"{FOLDER}/runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, line)
    os.close(fd)


class Printer:
    """Prints numbered lines on one stream. The record has how many were begun and how many done, so
    that it is known to one line also after SIGKILL."""

    def __init__(self, fd: int, stream: str) -> None:
        self._fd = fd
        self._number = 0
        record = os.open(f"{FOLDER}/{APP}.{INSTANCE}.{stream}.{RUN}", os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(record, 16)
        self._record = mmap.mmap(record, 16)
        os.close(record)

    def print_line(self) -> None:
        """Print the next line, by one write of less than PIPE_BUF bytes, which is atomic."""
        line = f"{RUN} {self._number:08d} {FILLER}\n".encode()
        self._number += 1
        struct.pack_into("<q", self._record, 0, self._number)
        os.write(self._fd, line)
        struct.pack_into("<q", self._record, 8, self._number)
