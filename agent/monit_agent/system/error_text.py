"""An error as one line, without what `traceback` needs: 1.3 MB, and descriptors for the sources."""

import os


def describe_error(error: BaseException | None) -> str:
    """Return the error and where it was raised, innermost last."""
    places: list[str] = []
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{os.path.basename(code.co_filename)}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return f"{error!r} in {', '.join(places)}"
