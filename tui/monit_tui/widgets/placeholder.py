"""Stands where the log pane will."""

from textual.strip import Strip

from monit_agent.client.source import LogChunk, Source
from monit_agent.client.view import Identity
from monit_tui.actions import Action
from monit_tui.widgets.lines import Lines

LOG_ACTIONS: tuple[Action, ...] = ()


class LogPane(Lines, can_focus=True):
    """Nothing yet."""

    def __init__(self, source: Source) -> None:
        super().__init__()

    def draw(self, _width: int, _height: int, /) -> list[Strip]:
        """Nothing."""
        return []

    def show(self, who: tuple[Identity, ...], title: str) -> None:
        """Nothing."""

    def take(self, chunks: tuple[LogChunk, ...]) -> None:
        """Nothing."""

    def fleet_changed(self) -> None:
        """Nothing."""
