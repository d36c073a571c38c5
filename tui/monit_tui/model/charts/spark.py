"""CPU of the last two minutes in a few steps, for a small plot in a row. Pure."""

from collections.abc import Iterable

from monit_agent.client.view import InstanceView

STEPS, STEP_S = 8, 15.0
"""Steps are aligned to the clock: the plot moves once in 15 s, which is cheap over ssh."""

HIGH_PERCENT = 100.0
"""A full bar: one core. Higher values are full bars too."""


def cpu_steps(views: Iterable[InstanceView], wall: float) -> tuple[float | None, ...]:
    """Return the highest CPU of each step, added over the instances; None where nothing was
    measured. The present step is the last one."""
    newest = int(wall // STEP_S)
    total: list[float | None] = [None] * STEPS
    for view in views:
        steps: dict[int, float] = {}
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
