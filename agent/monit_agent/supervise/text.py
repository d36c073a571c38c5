"""How exits and durations read in the event log."""

from signal import Signals


def signal_name(number: int) -> str:
    """Return ``SIGTERM`` for 15. Real-time signals have no names; the number is returned."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def exit_text(code: int | None, signal: int | None) -> str:
    """Return how a worker exited."""
    if signal is not None:
        return f"killed by {signal_name(signal)}"
    if code is not None:
        return f"exit code {code}"
    return "exited while no keeper was watching"


def seconds_text(value: float) -> str:
    """Return a duration as exact as is useful: ``0.03 s``, ``12.4 s``, ``2m05s``, ``9h57m``."""
    if value >= 120:
        minutes, seconds = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        if days:
            return f"{days}d{hours:02}h"
        return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{seconds:02}s"
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{digits}f} s"
