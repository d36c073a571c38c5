"""Errors in the log of an agent, with their tracebacks. Not in ``agent/journal.py``: `traceback`
takes 1.3 MB, and the zygote writes a log too."""

import traceback

from monit_agent.agent.journal import log


def log_exception(doing: str) -> None:
    """Write the exception that is being handled, with its traceback, after what was being done."""
    log(f"{doing}: {traceback.format_exc().rstrip()}")


def log_error(doing: str, error: BaseException) -> None:
    """Write ``error`` with its traceback after what was being done."""
    log(f"{doing}: {''.join(traceback.format_exception(error)).rstrip()}")
