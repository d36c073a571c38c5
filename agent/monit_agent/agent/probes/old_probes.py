"""Workers that an earlier version of monit started: their probes report in its form."""

from collections.abc import Collection

from monit_agent.agent.journal import log


class OldProbes:
    """Logs each such worker once, however many reports its processes send."""

    def __init__(self) -> None:
        self._logged: set[int] = set()

    def report_ignored(self, worker: int, running: Collection[int]) -> None:
        """Log that a report of ``worker``, one of those ``running``, was ignored."""
        if worker in self._logged:
            return
        self._logged = {worker, *self._logged.intersection(running)}
        log(
            f"worker {worker} was started by an earlier version of monit: "
            "what its probe reports is ignored until it is restarted"
        )
