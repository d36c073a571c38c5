"""Where the output of apps is that keep no log files, on stderr: who follows them would wait for
lines that never come."""

from collections.abc import Iterable

from monit_agent.cli.render import output
from monit_agent.client.source import Source
from monit_agent.wire.ids import AppId
from monit_agent.wire.logfiles import where_to_look


class PlaceReport:
    """Reports each app once, and again when its output goes elsewhere."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[AppId, str] = {}

    def report(self, names: Iterable[AppId]) -> None:
        """Report those of these apps whose output is in no file, as far as that is new."""
        for name in sorted(names):
            app = self._source.fleet.apps.get(name)
            if app is None or app.record is None:
                continue
            where = where_to_look(app.record.log.to, name.app)
            if where and where != self._known.get(name):
                output.write_message(f"{name}: what it prints is {where}")
            self._known[name] = where
