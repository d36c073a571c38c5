"""Which instances reload themselves, and why the others are replaced."""

import pytest

from monit_agent.keeper.in_place import reloading_instances
from monit_agent.supervise.appstate import App
from monit_agent.supervise.state import Now, Slot, Status, Worker

NOW, BEFORE = 5, 4


def running(*settings: int | None) -> App:
    """Return an app whose workers were started with these settings."""
    return App(
        tuple(
            Slot(n, n, status=Status.ONLINE, worker=Worker(10 + n, 1, Now(0.0, 0.0), settings=each))
            for n, each in enumerate(settings)
        )
    )


@pytest.mark.parametrize(
    ("settings", "in_place", "why"),
    [
        ((NOW, NOW), (0, 1), ""),
        (
            (NOW, BEFORE), (0,),
            ("instance 1 will be replaced: its settings or variables have changed since it was "
            "started"),
        ),
        (
            (BEFORE, BEFORE), (),
            ("instances 0, 1 will be replaced: their settings or variables have changed since they "
            "were started"),
        ),
        (
            (None, NOW), (1,),
            "instance 0 will be replaced: the settings with which it was started are not known",
        ),
        (
            (None, None, BEFORE), (),
            ("instance 2 will be replaced: its settings or variables have changed since it was "
            "started; instances 0, 1 will be replaced: the settings with which they were started "
            "are not known"),
        ),
    ],
)  # fmt: skip
def test_only_a_worker_with_the_present_settings_reloads_itself(
    settings: tuple[int | None, ...], in_place: tuple[int, ...], why: str
) -> None:
    """One that an earlier version started may have others: what is not known has changed."""
    every = tuple(range(len(settings)))
    assert reloading_instances(running(*settings), every, NOW) == (in_place, why)
