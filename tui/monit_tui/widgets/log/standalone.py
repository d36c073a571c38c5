"""Shows only the log pane, with a replayed scene.

``python -m monit_tui.widgets.log.standalone [scene] [app/instance …]``
"""

import sys

from textual.app import App, ComposeResult

from monit_agent.replay import scenes
from monit_agent.replay.source import ReplaySource
from monit_agent.wire.ids import InstanceId, local_instance
from monit_tui.clock import Clock
from monit_tui.theme import make_look
from monit_tui.widgets.log.pane import LogPane


class LogApp(App[None]):
    """An app of one log pane and one timer."""

    def __init__(
        self, source: ReplaySource, who: tuple[InstanceId, ...], *, over_ssh: bool | None = None
    ) -> None:
        super().__init__()
        look = make_look(utf8=True, colours=256, no_color=False)
        self.register_theme(look.dialogs)
        self.theme = look.dialogs.name
        self.source, self.who = source, who
        self.pane = LogPane(source, clock=Clock(source.wall, source.monotonic), over_ssh=over_ssh)

    def compose(self) -> ComposeResult:
        """Compose the pane."""
        yield self.pane

    def on_mount(self) -> None:
        """Show the logs and start the timer."""
        names = ", ".join(map(str, self.who))
        self.pane.show(self.who, names)
        self.pane.focus()
        self.set_interval(0.2 if self.pane.over_ssh else 0.1, self.flush)

    def flush(self) -> None:
        """Pass on what the scene has printed."""
        changes = self.source.poll()
        self.pane.add_chunks(changes.logs)
        if changes.apps:
            self.pane.fleet_changed()


def main(arguments: list[str]) -> None:
    """Play the scene named first with the instances named after it."""
    scene, *names = arguments or ["healthy"]
    makers = {name: getattr(scenes, name) for name in scenes.__all__ if name != "many"}
    source = makers[scene](real_time=True)
    pairs = [name.rpartition("/") for name in names or [f"{next(iter(source.stage))}/0"]]
    LogApp(source, tuple(local_instance(app, int(number)) for app, _, number in pairs)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
