"""How events write durations."""

import pytest

from monit_agent.supervise.text import seconds_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.034, "0.03 s"), (12.41, "12.4 s"), (119.0, "119 s"), (125.2, "2m05s"),
        (3600.0, "1h00m"), (35860.0, "9h57m"), (86400 * 3.2, "3d04h"),
    ],
)  # fmt: skip
def test_a_duration_is_as_exact_as_is_useful(seconds: float, text: str) -> None:
    """Tenths matter for a start, days for a worker that ran long."""
    assert seconds_text(seconds) == text
