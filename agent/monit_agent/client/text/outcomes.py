"""How workers exited and what health checks found, as text for the command line and the screen."""

from signal import Signals

from monit_agent.client.text.format import format_quantity, format_run_time
from monit_agent.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from monit_agent.wire.messages import Exit


def exit_text(record: "Exit") -> str:
    """Return how a worker exited: ``exit code 1 after 1.5s``, ``killed by SIGKILL after 2h03m``."""
    if record.signal is not None:
        how = f"killed by {_signal_name(record.signal)}"
    elif record.code is not None:
        how = f"exit code {record.code}"
    else:
        how = "exit not seen"
    requested = " (requested)" if record.requested else ""
    return f"{how} after {format_run_time(record.ran_s)}{requested}"


def health_text(ok: bool | None, text: str, failures: int) -> str:
    """Return the result of a health check: ``ok, status 200``, ``failed 2 times in a row: …``."""
    if ok is None:
        return "not checked yet"
    if ok:
        return f"ok, {text}"
    return f"failed {format_quantity(failures, 'time')} in a row: {text}"


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
