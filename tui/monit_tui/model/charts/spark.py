"""CPU of the last two minutes in a few steps, for a small plot in a row. Pure."""

from collections.abc import Callable, Iterable, Mapping

from monit_agent.client.view import InstanceView
from monit_agent.wire.ids import InstanceId

STEPS, STEP_S = 8, 15.0
"""Steps are aligned to the clock: the plot moves once in 15 s, which is cheap over ssh."""

HIGH_PERCENT = 100.0
"""A full bar: one core. Higher values are full bars too."""


def cpu_steps(
    views: Iterable[InstanceView], wall: float,
    past: Callable[[InstanceId], Mapping[int, float]] = lambda _: {},
) -> tuple[float | None, ...]:  # fmt: skip
    """Return the highest CPU of each step, added over the instances; None where nothing was
    measured. The present step is the last one. ``past`` has what was measured before the first
    sample, by step of the clock."""
    newest = int(wall // STEP_S)
    total: list[float | None] = [None] * STEPS
    for view in views:
        steps = {
            step: value for step, value in past(view.identity).items() if 0 <= newest - step < STEPS
        }
        for sample in reversed(view.history):
            step = int(sample.at // STEP_S)
            if newest - step >= STEPS:
                break
            value = sample.tree.cpu_percent
            if value is not None and step <= newest:
                steps[step] = max(steps.get(step, 0.0), value)
        for step, value in steps.items():
            place = STEPS - 1 - (newest - step)
            total[place] = (total[place] or 0.0) + value
    return tuple(total)
