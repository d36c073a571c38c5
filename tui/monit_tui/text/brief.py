"""Present values as short texts that stand still while nothing happens."""

from collections.abc import Callable

from monit_agent.client.text.format import format_ms, format_percent

_BELOW_ONE: dict[Callable[[float | None], str], str] = {format_percent: "<1%", format_ms: "<1ms"}


def present_text(write: Callable[[float | None], str], value: float | None) -> str:
    """Return a present value; of percents and delays below one, only that they are: an idle
    process would be sent again every second, for 0.1 instead of 0.2."""
    is_small = value is not None and 0 <= value < 1
    return _BELOW_ONE.get(write, write(value)) if is_small else write(value)
