"""How exits and times read in a happening."""

from signal import Signals


def signal_name(number: int) -> str:
    """Give ``SIGTERM`` for 15; real-time signals have no name of their own and give a number."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def how(code: int | None, signal: int | None) -> str:
    """Say how a worker ended."""
    if signal is not None:
        return f"killed by {signal_name(signal)}"
    if code is not None:
        return f"exit code {code}"
    return "gone while nobody could see how"


def seconds(value: float) -> str:
    """Give a duration with as many digits as are of use: ``0.03 s``, ``12.4 s``, ``3600 s``."""
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{digits}f} s"
