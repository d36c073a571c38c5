"""How many workers start in a row: between them, signals and requests are handled."""

import time

from monit_agent.keeper.loop import Loop
from monit_agent.supervise.supervisor import Supervisor

SPAWNS_A_ROUND = 8
"""A worker takes 3 ms, and a thousand of them seconds."""


class SpawnBudget:
    """The workers that a round of the loop may still start; the next round starts the rest."""

    def __init__(self, loop: Loop, supervisor: Supervisor) -> None:
        self._loop = loop
        self._supervisor = supervisor
        self._left = SPAWNS_A_ROUND
        loop.at_round_end(self._round_finished)

    @property
    def is_left(self) -> bool:
        """Return whether another worker may start in this round."""
        return self._left > 0

    def spend(self) -> None:
        """Count a worker that starts."""
        self._left -= 1

    def _round_finished(self) -> None:
        self._left = SPAWNS_A_ROUND
        if self._supervisor.postponed:
            self._loop.set_alarm("postponed", time.monotonic(), self._supervisor.start_postponed)
