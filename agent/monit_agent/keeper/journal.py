"""The keeper's own log: its standard error, which is ``keeper.log``, kept short."""

import os
import time

from monit_agent.os_text import escape_bytes

LOG_BYTES = 1 << 20


def describe_error(error: BaseException | None) -> str:
    """Return the error and where it was raised, innermost last. Not by `traceback`, which opens the
    source files: this must work when no descriptor is left."""
    places: list[str] = []
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{os.path.basename(code.co_filename)}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return f"{error!r} in {', '.join(places)}"


def note(text: str) -> None:
    """Write one line with the time in front. There is nowhere to tell of a failure."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {escape_bytes(text)}\n".encode()
    try:
        if os.fstat(2).st_size > LOG_BYTES:
            os.ftruncate(2, 0)
        os.write(2, line)
    except OSError:
        return
