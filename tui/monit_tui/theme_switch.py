"""Which theme is shown, and which is kept."""

from collections.abc import Callable, Mapping

from monit_tui.palettes import MANY_COLOURS, THEME_HELP, THEMES, Palette
from monit_tui.theme import Look, make_look


class ThemeSwitch:
    """Holds the look that all widgets share, and changes it."""

    def __init__(
        self, palettes: Mapping[str, Palette], *, utf8: bool, colours: int, no_color: bool,
        name: str = "terminal", kept: str = "", keeps: bool = True,
    ) -> None:  # fmt: skip
        self._palettes = {**THEMES, **palettes}
        self._utf8, self._colours, self._no_color = utf8, colours, no_color
        self.name = name
        self.keeps = keeps
        """Whether a choice is there in the next run; in a browser it is not."""
        self.kept = kept
        """What the next run starts with; "" chooses by the terminal."""
        self.look = self._make(name)
        self.changed: Callable[[], None] = lambda: None
        """Called when the look has changed."""

    @property
    def themes(self) -> dict[str, str]:
        """Return the names of all themes, and what they are."""
        return {name: THEME_HELP.get(name, "of your own") for name in self._palettes}

    @property
    def note(self) -> str:
        """Return why a choice of theme shows nothing here; "" when it does."""
        if self._no_color:
            return "NO_COLOR is set: no theme shows colours"
        if self._colours < MANY_COLOURS:
            return f"{self._colours} colours here: all themes look like terminal"
        return ""

    def use(self, name: str) -> None:
        """Show a theme."""
        if name == self.name:
            return
        self.look.become(self._make(name))
        self.name = name
        self.changed()

    def keep(self, name: str) -> None:
        """Show a theme, and keep it for the next run."""
        self.use(name)
        self.kept = name

    def _make(self, name: str) -> Look:
        return make_look(
            utf8=self._utf8, colours=self._colours, no_color=self._no_color, theme=name,
            palettes=self._palettes,
        )  # fmt: skip
