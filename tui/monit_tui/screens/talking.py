"""The overview's dialogs and toasts."""

from collections.abc import Callable, Sequence

from textual.notifications import SeverityLevel
from textual.screen import Screen

from monit_agent.client.source import Source
from monit_agent.wire.messages import Offer
from monit_tui.acting import Acting
from monit_tui.actions import Place
from monit_tui.asking import Asking
from monit_tui.format import printable
from monit_tui.rows import SortColumn
from monit_tui.theme import Look


class Talking(Screen[None]):
    """The base of the overview: how it asks and answers. Dialogs are imported when first shown."""

    def __init__(self, source: Source, look: Look) -> None:
        super().__init__()
        self.look = look
        self.acting = Acting(source, self)

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """Show a line for some seconds."""
        self.notify(printable(text), severity=severity, markup=False)

    def confirm(self, asking: Asking, then: Callable[[], None]) -> None:
        """Ask, and call ``then`` on yes."""
        from monit_tui.screens.confirm import ConfirmScreen  # noqa: PLC0415 - start-up time

        self.app.push_screen(ConfirmScreen(asking), lambda yes: then() if yes else None)

    def how_many(self, app: str, now: int, then: Callable[[int], None]) -> None:
        """Ask for a number of instances."""
        from monit_tui.screens.prompt import ScalePrompt  # noqa: PLC0415 - start-up time

        self.app.push_screen(
            ScalePrompt(app, now), lambda count: None if count is None else then(count)
        )

    def arguments(self, who: str, offer: Offer, then: Callable[[tuple[str, ...]], None]) -> None:
        """Ask for the arguments of an action."""
        from monit_tui.screens.trigger import ArgumentsPrompt  # noqa: PLC0415 - start-up time

        self.app.push_screen(
            ArgumentsPrompt(who, offer), lambda args: None if args is None else then(args)
        )

    def answers(self, title: str) -> Callable[[Sequence[str]], None]:
        """Open a place for answers; when it is closed before they come, a line tells them."""
        from monit_tui.screens.trigger import AnswersScreen  # noqa: PLC0415 - start-up time

        screen = AnswersScreen(title, self.look)
        self.app.push_screen(screen)

        def show(lines: Sequence[str]) -> None:
            if screen.is_attached:
                screen.show(lines)
            else:
                self.say(f"{title}: {lines[0]}")

        return show

    def show_help(self, place: Place, look: Look, *, read_only: bool) -> None:
        """Show all keys, those of ``place`` first."""
        from monit_tui.screens.help import HelpScreen  # noqa: PLC0415 - start-up time

        self.app.push_screen(HelpScreen(place, look, read_only=read_only))

    def choose_sort(self, now: SortColumn, then: Callable[[SortColumn], None]) -> None:
        """Let the user pick a column."""
        from monit_tui.screens.prompt import SortMenu  # noqa: PLC0415 - start-up time

        self.app.push_screen(SortMenu(now), lambda column: then(column) if column else None)
