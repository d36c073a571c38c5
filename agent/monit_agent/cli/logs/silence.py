"""Which agents stop answering while their logs are followed, on stderr."""

from collections.abc import Collection

from monit_agent.cli.control.hosts import is_local
from monit_agent.cli.render import output
from monit_agent.client.source import Source
from monit_agent.wire.ids import AppId
from monit_agent.wire.paths import app_paths


class SilenceReport:
    """Reports each change once."""

    def __init__(self, source: Source, folder: str) -> None:
        self._source = source
        self._folder = folder
        self._silent: set[AppId] = set()

    def report(self, names: Collection[AppId]) -> set[AppId]:
        """Report agents that stopped answering since the last call, and those that answer again;
        return those that do not answer."""
        apps = self._source.fleet.apps
        silent = {name for name in names if name in apps and apps[name].link in ("stale", "gone")}
        for name in sorted(silent - self._silent):
            path = app_paths(self._folder, name.app).logs
            where = f"; its log files: {path}" if is_local(name) else ""
            output.write_error(f"{apps[name].problem}{where}")
        for name in sorted(self._silent - silent):
            output.write_error(
                f"{name}: the agent answers again" if name in apps else f"{name}: deleted"
            )
        self._silent = silent
        return silent
