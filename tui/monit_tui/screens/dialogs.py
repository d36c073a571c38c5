"""The overview's dialogs and notices."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.notifications import SeverityLevel
from textual.screen import Screen

from monit_agent.client.source import Source
from monit_agent.client.text.sanitize import printable
from monit_agent.wire.messages import Offer
from monit_tui.carry_out import ActionRunner
from monit_tui.keys.actions import REGISTRY, KeyAction, KeyScope
from monit_tui.keys.keymap import fill_keys
from monit_tui.model.confirmation import NotPossible, PlannedAction
from monit_tui.model.processes.rows import RowKey, SortColumn, row_name
from monit_tui.theme import Look
from monit_tui.theme_switch import ThemeSwitch

if TYPE_CHECKING:
    from monit_tui.model.profile_target import ProfileTarget


class ScreenWithDialogs(Screen[None]):
    """The base of the overview, which opens its dialogs. They are imported when first shown."""

    def __init__(
        self, source: Source, look: Look, actions: tuple[KeyAction, ...] = REGISTRY
    ) -> None:
        super().__init__()
        self.key_actions = actions
        """All actions, with the user's keys."""
        self.source, self.look = source, look
        self.actions = ActionRunner(source, self)

    def with_keys(self, text: str) -> str:
        """Return a text with keys in place of the ids of actions: ``{list.stop} stops``."""
        return fill_keys(text, self.key_actions)

    def show_notice(self, text: str, severity: SeverityLevel = "information") -> None:
        """Show a notice for some seconds."""
        text = self.with_keys(text)
        self.notify(printable(text), severity=severity, markup=False)

    def ask_confirmation(self, planned: PlannedAction, then: Callable[[], None]) -> None:
        """Ask for confirmation, and call ``then`` on yes."""
        from monit_tui.screens.confirm import ConfirmScreen  # noqa: PLC0415 - start-up time

        planned = planned._replace(effect=self.with_keys(planned.effect))
        self.app.push_screen(ConfirmScreen(planned), lambda yes: then() if yes else None)

    def ask_count(self, app: str, now: int, then: Callable[[int], None]) -> None:
        """Ask for a number of instances."""
        from monit_tui.screens.prompt import ScalePrompt  # noqa: PLC0415 - start-up time

        self.app.push_screen(
            ScalePrompt(app, now), lambda count: None if count is None else then(count)
        )

    def ask_arguments(
        self, who: str, offer: Offer, then: Callable[[tuple[str, ...]], None]
    ) -> None:
        """Ask for the arguments of an action."""
        from monit_tui.screens.trigger import ArgumentsPrompt  # noqa: PLC0415 - start-up time

        self.app.push_screen(
            ArgumentsPrompt(who, offer), lambda args: None if args is None else then(args)
        )

    def open_answers(self, title: str) -> Callable[[Sequence[str]], None]:
        """Open a dialog for answers; if it is closed before they arrive, a notice shows them."""
        from monit_tui.screens.trigger import AnswersScreen  # noqa: PLC0415 - start-up time

        screen = AnswersScreen(title, self.look)
        self.app.push_screen(screen)

        def show(lines: Sequence[str]) -> None:
            if screen.is_attached:
                screen.show(lines)
            else:
                self.show_notice(f"{title}: {lines[0]}")

        return show

    def show_help(self, scope: KeyScope, look: Look, *, read_only: bool) -> None:
        """Show all keys, those of ``scope`` first."""
        from monit_tui.screens.help import HelpScreen  # noqa: PLC0415 - start-up time

        self.app.push_screen(HelpScreen(scope, look, self.key_actions, read_only=read_only))

    def show_crashes(self, key: RowKey) -> None:
        """Show the last exits of a row side by side."""
        from monit_tui.model.crashes import crashes_of  # noqa: PLC0415 - start-up time

        if not crashes_of(self.source.fleet, key):
            self.show_notice(
                f"{row_name(key)}: no worker has exited by itself, as far as its keeper remembers"
            )
            return
        from monit_tui.screens.crashes import CrashScreen  # noqa: PLC0415 - start-up time

        self.app.push_screen(CrashScreen(self.source, self.look, key))

    def profile_worker(self, key: RowKey) -> None:
        """Ask for how long to profile the worker of a row, then show its profile."""
        from monit_tui.model.profile_target import profile_target  # noqa: PLC0415 - start-up time

        target = profile_target(key, self.source.fleet)
        if isinstance(target, NotPossible):
            self.show_notice(target.text)
            return
        from monit_tui.screens.profile import ProfilePrompt  # noqa: PLC0415 - start-up time

        def start(seconds: float | None) -> None:
            if seconds is not None:
                self._start_profile(target, seconds)

        self.app.push_screen(ProfilePrompt(target), start)

    def _start_profile(self, target: "ProfileTarget", seconds: float) -> None:
        from monit_tui.profiling import ProfileRun  # noqa: PLC0415 - start-up time
        from monit_tui.screens.profile import ProfileScreen  # noqa: PLC0415 - start-up time

        def changed(run: ProfileRun) -> None:
            if screen.is_attached:
                screen.show_run()
            elif run.problem:
                self.show_notice(f"no profile of {run.name}: {run.problem}", "error")
            else:
                self.show_notice(f"profile of {run.name} {run.saved}")

        run = ProfileRun(self.source, target, seconds, changed)
        screen = ProfileScreen(self.look, run)
        self.app.push_screen(screen)
        run.start()

    def ask_sort_column(self, now: SortColumn, then: Callable[[SortColumn], None]) -> None:
        """Ask for the column to sort by."""
        from monit_tui.screens.prompt import SortMenu  # noqa: PLC0415 - start-up time

        self.app.push_screen(SortMenu(now), lambda column: then(column) if column else None)

    def choose_columns(
        self, hidden: frozenset[str], order: tuple[str, ...],
        then: Callable[[frozenset[str], tuple[str, ...]], None],
    ) -> None:  # fmt: skip
        """Let the user choose the columns of the list; ``then`` is called with each choice."""
        from monit_tui.screens.columns import ColumnMenu  # noqa: PLC0415 - start-up time

        self.app.push_screen(ColumnMenu(hidden, order, self.look, then))

    def choose_theme(self, themes: ThemeSwitch) -> None:
        """Let the user choose a theme, which is shown at once and kept."""
        from monit_tui.screens.themes import ThemeMenu  # noqa: PLC0415 - start-up time

        note = themes.note or ("" if themes.keeps else "Enter: for this page   Esc: as before")
        menu = ThemeMenu(themes.themes, themes.name, themes.use, note)
        self.app.push_screen(menu, lambda name: themes.keep(name) if name else None)
