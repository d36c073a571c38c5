"""Keepers of several apps, started at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.keepers import (
    KEEPERS_AT_ONCE,
    bring_back_app,
    launch_app,
    starting,
)
from monit_agent.client.commands.works import LaunchWork
from monit_agent.config.app import Launch
from monit_agent.wire.ids import AppId, local_app


class Launches:
    """Starts at most ``keepers`` keepers, some at a time. ``begun`` has the names of the apps that
    were begun, ``codes`` the exit code of each that failed."""

    def __init__(self, folder: str, keepers: int) -> None:
        self._folder = folder
        self._ends = ExitStack()
        self._several = self._ends.enter_context(starting(folder, keepers))
        self._pool = ThreadPoolExecutor(KEEPERS_AT_ONCE)
        self.codes: dict[str, ExitCode] = {}
        self.begun: set[str] = set()

    def work(self, launch: Launch) -> LaunchWork:
        """Return the start of a new app."""
        name = launch.spec.name
        return LaunchWork(
            local_app(name),
            lambda: self._begin(name, lambda: launch_app(self._folder, launch, self._several)),
        )

    def bring_back(self, app: AppId) -> LaunchWork:
        """Return the start of a keeper for an app that has none."""
        return LaunchWork(
            app,
            lambda: self._begin(
                app.app, lambda: bring_back_app(self._folder, app.app, self._several)
            ),
            only_started=True,
        )

    def close(self) -> None:
        """Begin no more; those that were begun go on."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._ends.close()

    def _begin(self, name: str, start: Callable[[], None]) -> Callable[[], str | None]:
        self.begun.add(name)
        future = self._pool.submit(start)

        def outcome() -> str | None:
            if not future.done():
                return None
            try:
                future.result()
            except CommandError as error:
                self.codes[name] = error.code
                return str(error)
            return ""

        return outcome
