"""What `monit run` starts and stops when, where an app comes after others."""

from collections.abc import Iterable, Mapping, Sequence

from monit_agent.foreground.keeper_link import FollowedApp
from monit_agent.foreground.outcome import Record, Standing
from monit_agent.foreground.plan import PlannedApp
from monit_agent.wire.order import dependents, read_dependencies, read_instance, unmet
from monit_agent.wire.paths import AppPaths

NO_RECORD: Record = {"exits": []}
"""The record of an instance that was never there."""


class RunOrder:
    """The apps of a run that are not started yet, and what is stopped when.

    An app that comes after one which has failed waits until that is repaired; meanwhile it counts
    as failed.
    """

    def __init__(self, apps: Sequence[PlannedApp]) -> None:
        self._waiting = {AppPaths(app.folder).name: app for app in apps}
        self._after = {
            name: read_dependencies(app.order["spec"].get("after", ()))
            for name, app in self._waiting.items()
        }
        self._dependents = dependents(self._after)
        self._stopped: set[str] = set()
        self.waits: dict[str, str] = {}
        """What each app waits for, in words."""
        self.problems: dict[str, str] = {}
        """By the app's name, why it cannot be started."""

    def take(self, links: Iterable[FollowedApp]) -> list[PlannedApp]:
        """Return the apps that may be started now; they do not wait any more."""
        states = {link.name: link for link in links}
        self.waits, self.problems = {}, {}
        for name in self._waiting:
            self._look(name, states)
        return [self._waiting.pop(name) for name in list(self._waiting) if name not in self.waits]

    def standings(self) -> dict[str, list[tuple[Record, Standing]]]:
        """Return an instance of each waiting app, as `outcome.exit_code` counts it."""
        return {
            name: [(NO_RECORD, "failed" if name in self.problems else "coming")]
            for name in self._waiting
        }

    def stop_next(self, running: Sequence[FollowedApp]) -> None:
        """Stop those of the running apps that no other one of them comes after."""
        names = {link.name for link in running}
        self.stop_all(
            [link for link in running if not names & self._dependents.get(link.name, set())]
        )

    def stop_all(self, running: Iterable[FollowedApp]) -> None:
        """Stop the running apps that were not stopped before."""
        for link in running:
            if link.name not in self._stopped:
                self._stopped.add(link.name)
                link.request("delete")

    def _look(self, name: str, links: Mapping[str, FollowedApp]) -> None:
        others: list[str] = []
        for dependency in self._after[name]:
            link = links.get(dependency.app)
            problem = None
            if link is not None and link.instances:
                problem = unmet(map(read_instance, link.instances.values()), dependency.state)
            if problem:
                self.problems[name] = f"it comes after {dependency.app}, {problem}"
            if problem != "":
                others.append(dependency.app)
        if others:
            self.waits[name] = self.problems.get(name, f"waits for {', '.join(others)}")
