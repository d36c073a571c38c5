"""The log pane by itself over a replayed scene, for work on it.

``python -m monit_tui.widgets.log_alone [scene] [app/instance …]``
"""

import sys

from textual.app import App, ComposeResult

from monit_agent.client import scenes
from monit_agent.client.replay import ReplaySource
from monit_agent.client.view import Identity
from monit_tui.clock import Clock
from monit_tui.theme import THEME
from monit_tui.widgets.log_pane import LogPane


class LogApp(App[None]):
    """One pane, one timer."""

    def __init__(
        self, source: ReplaySource, who: tuple[Identity, ...], *, over_ssh: bool | None = None
    ) -> None:
        super().__init__()
        self.register_theme(THEME)
        self.theme = THEME.name
        self.source, self.who = source, who
        self.pane = LogPane(source, clock=Clock(source.wall, source.monotonic), over_ssh=over_ssh)

    def compose(self) -> ComposeResult:
        """Show the pane."""
        yield self.pane

    def on_mount(self) -> None:
        """Begin."""
        names = ", ".join(f"{one.app}/{one.instance}" for one in self.who)
        self.pane.show(self.who, names)
        self.pane.focus()
        self.set_interval(0.2 if self.pane.over_ssh else 0.1, self.flush)

    def flush(self) -> None:
        """Take in what the scene has printed."""
        changes = self.source.poll()
        self.pane.take(changes.logs)
        if changes.apps:
            self.pane.fleet_changed()


def main(arguments: list[str]) -> None:
    """Play the scene named first with the instances named after it."""
    scene, *names = arguments or ["healthy"]
    makers = {name: getattr(scenes, name) for name in scenes.__all__ if name != "many"}
    source = makers[scene](real_time=True)
    pairs = [name.rpartition("/") for name in names or [f"{next(iter(source.stage))}/0"]]
    LogApp(source, tuple(Identity(app, int(number)) for app, _, number in pairs)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
