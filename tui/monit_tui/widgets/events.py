"""What happened to the app under the cursor: starts, exits, reloads, who asked for what."""

from textual.strip import Strip

from monit_agent.client.view import Fleet
from monit_agent.wire.messages import Happening, HappeningKind
from monit_tui.format import clock, printable
from monit_tui.rows import RowKey
from monit_tui.theme import Look, Tone
from monit_tui.widgets.lines import strip
from monit_tui.widgets.scrolled import Scrolled

_TONES: dict[HappeningKind, Tone] = {
    "ready": "good", "reload_done": "good", "exited": "warn", "left_behind": "warn",
    "backoff": "warn", "killed": "warn", "agent_exited": "warn", "errored": "bad",
    "unready": "warn", "stuck": "bad", "unhealthy": "bad", "unstuck": "good", "healthy": "good",
    "reload_failed": "bad", "log_lost": "bad", "asked": "busy",
}  # fmt: skip


class EventsPane(Scrolled):
    """Newest last, and in view as long as nobody scrolls up."""

    at_end = True
    follows = True

    def __init__(self, fleet: Fleet, look: Look) -> None:
        super().__init__(id="events")
        self._fleet, self._look = fleet, look
        self._key: RowKey | None = None

    def show(self, key: RowKey | None) -> None:
        """Show the events of another row."""
        self._key = key
        self.at_end = True
        self.repaint()

    def lines(self, width: int) -> list[Strip]:
        """Give one line per event of this instance or, for an app's row, of all."""
        app = self._fleet.apps.get(self._key.app) if self._key else None
        if app is None or self._key is None:
            return []
        wanted = self._key.instance if len(app.instances) > 1 else None
        lines = [
            self._line(one, width)
            for one in app.happenings
            if wanted is None or one.instance in {None, wanted}
        ]
        return lines or [strip([(" nothing has happened yet", self._look.style("muted"))], width)]

    def _line(self, one: Happening, width: int) -> Strip:
        style = self._look.style
        who = "" if one.instance is None else f"/{one.instance}"
        kind = one.kind.replace("_", " ")
        parts = [
            (f" {clock(one.at)} ", style("muted")),
            (f"{who:>4} ", style("plain")),
            (f"{kind:<14}", style(_TONES.get(one.kind, "plain"))),
            (" " + printable(one.text), style("plain")),
        ]
        if one.by:
            parts.append((f"  by {printable(one.by)}", style("muted")))
        return strip(parts, width)
