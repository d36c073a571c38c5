"""What ``ps`` shows for this process."""

import contextlib


def take_title(program: str, argument: str) -> None:
    """Show ``program`` and ``argument`` as the command line, cut where the old one ended; a
    process that was forked would pass for its parent otherwise. Without effect where the kernel
    does not let a process do that.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        begin, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, proc_pid_stat(5)
        text = b"\0".join(part.encode("utf-8", "surrogateescape") for part in (program, argument))
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(begin)
            memory.write(text[: end - begin - 1].ljust(end - begin, b"\0"))
        with open("/proc/self/comm", "w", encoding="ascii") as name:
            name.write(program)
