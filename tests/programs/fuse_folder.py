"""A read-only FUSE file system that shows a folder: ``fuse_folder.py FOLDER MOUNT_POINT``.

Needs root and nothing but the kernel. While this process is stopped, who uses the file system
waits, as for a server that does not answer; when it is killed, they get an error.
"""

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Callable

LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 5, 14, 15, 17, 18
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, ACCESS = 25, 26, 27, 28, 29, 34
HEADER = struct.Struct("<IIQQIIII")
NO_REPLY = {FORGET, 42}


class Folder:
    """Answers the kernel's requests; each file that was looked up has a number."""

    def __init__(self, folder: str) -> None:
        self.paths = {1: folder}
        self.numbers = {folder: 1}

    def number_of(self, path: str) -> int:
        if path not in self.numbers:
            number = len(self.paths) + 1
            self.numbers[path], self.paths[number] = number, path
        return self.numbers[path]

    def attributes(self, path: str) -> bytes:
        found = os.lstat(path)
        times = int(found.st_atime), int(found.st_mtime), int(found.st_ctime)
        return struct.pack(
            "<QQQQQQIIIIIIIIII", self.number_of(path), found.st_size, found.st_blocks, *times,
            0, 0, 0, found.st_mode, found.st_nlink, found.st_uid, found.st_gid, 0, 4096, 0,
        )  # fmt: skip

    def answer(self, code: int, node: int, body: bytes) -> bytes:
        path, answers = self.paths[node], self.answers()
        if code not in answers:
            raise OSError(errno.ENOSYS, "not made for this")
        return answers[code](path, body)

    def answers(self) -> dict[int, Callable[[str, bytes], bytes]]:
        return {
            LOOKUP: self.look_up,
            GETATTR: lambda path, _: struct.pack("<QII", 0, 0, 0) + self.attributes(path),
            READLINK: lambda path, _: os.fsencode(os.readlink(path)),
            READ: self.read,
            READDIR: self.entries,
            STATFS: lambda *_: struct.pack(
                "<QQQQQIIII24x", 1000, 500, 500, 1000, 500, 4096, 255, 4096, 0
            ),
            **dict.fromkeys((OPEN, OPENDIR), lambda *_: struct.pack("<QII", 0, 0, 0)),
            **dict.fromkeys((RELEASE, RELEASEDIR, FLUSH, ACCESS), lambda *_: b""),
        }

    def look_up(self, path: str, body: bytes) -> bytes:
        inner = os.path.join(path, os.fsdecode(body.rstrip(b"\0")))
        attributes = self.attributes(inner)
        return struct.pack("<QQQQII", self.number_of(inner), 0, 0, 0, 0, 0) + attributes

    def read(self, path: str, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def entries(self, path: str, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        names = [".", "..", *sorted(os.listdir(path))]
        found = b""
        for place, name in enumerate(names[offset:], offset + 1):
            raw = os.fsencode(name)
            kind = stat.S_IFMT(os.lstat(os.path.join(path, name)).st_mode) >> 12
            entry = struct.pack("<QQII", place, place, len(raw), kind) + raw
            entry += b"\0" * (-len(entry) % 8)
            if len(found) + len(entry) > size:
                break
            found += entry
        return found


def mount(fuse: int, place: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"folder", os.fsencode(place), b"fuse", 6, options):
        raise OSError(ctypes.get_errno(), "cannot mount")


def main() -> None:
    folder, place = sys.argv[1:]
    fuse = os.open("/dev/fuse", os.O_RDWR)
    mount(fuse, place)
    served = Folder(folder)
    print("mounted", flush=True)
    while True:
        try:
            request = os.read(fuse, 1 << 20)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                continue  # a request was taken back
            return  # unmounted
        _, code, unique, node, *_ = HEADER.unpack_from(request)
        body = request[HEADER.size :]
        if code in NO_REPLY:
            continue
        number = 0
        try:
            if code == INIT:
                minor = struct.unpack_from("<II", body)[1]
                flags = struct.pack("<IHHIIHHI28x", 0, 12, 9, 1 << 17, 1, 0, 0, 0)
                reply = struct.pack("<III", 7, min(minor, 31), 1 << 17) + flags
            else:
                reply = served.answer(code, node, body)
        except OSError as error:
            reply, number = b"", -(error.errno or errno.EIO)
        os.write(fuse, struct.pack("<IiQ", 16 + len(reply), number, unique) + reply)


if __name__ == "__main__":
    main()
