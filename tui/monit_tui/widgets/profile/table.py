"""The functions of a profile, those with most time of their own first."""

from textual.message import Message
from textual.strip import Strip

from monit_agent.client.profiles.cpu import CpuProfileData, FunctionCost, function_costs, heaviest
from monit_agent.client.profiles.words import code_owner, place_text
from monit_agent.client.text.format import format_percent
from monit_agent.client.text.sanitize import printable
from monit_tui.palettes import Tone
from monit_tui.text.fitting import fit_end, fit_middle
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip

BAR_WIDE, BAR_NARROW = 20, 10
NUMBERS = 19
"""Cells of the two percentages and the blanks beside them."""


class FunctionTable(Lines, can_focus=True):
    """Rows are functions; the cursor is on a function, whatever its row is."""

    class Opened(Message):
        """Enter was pressed on a function."""

        def __init__(self, function: int) -> None:
            super().__init__()
            self.function = function
            """Its number in the profile."""

    def __init__(self, look: Look, cwd: str) -> None:
        super().__init__(id="profile-table")
        self._look, self._cwd = look, cwd
        self._profile: CpuProfileData | None = None
        self._costs: list[FunctionCost] = []
        self._by_wall = False
        self._whole_s = 0.0
        self._row = self._top = 0

    def show(self, profile: CpuProfileData, *, by_wall: bool) -> None:
        """Show the functions of a profile."""
        chosen = self._costs[self._row].function if self._costs else None
        self._profile, self._by_wall = profile, by_wall
        self._costs = heaviest(function_costs(profile), by_wall=by_wall)
        seconds = (stack.wall_s if by_wall else stack.cpu_s for stack in profile.stacks)
        self._whole_s = sum(each or 0.0 for each in seconds)
        functions = [cost.function for cost in self._costs]
        self._row = functions.index(chosen) if chosen and chosen in functions else 0
        self.repaint()

    @property
    def rows(self) -> int:
        """Return how many lines show everything, with a blank one at the end."""
        return len(self._costs) + 2

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return the titles and the rows in view."""
        look = self._look
        if self._profile is None:
            return []
        if not self._costs:
            text = "nothing used the CPU; w shows where it waited"
            return [make_strip([(f" {text}", look.style("muted"))], width)]
        bar = BAR_WIDE if width >= 100 else BAR_NARROW if width >= 60 else 0
        names = max(8, (width - NUMBERS - bar) * 45 // 100)
        titles = f" {'self':>6}  {'total':>6}  {' ' * bar}  {'function':<{names}} place"
        room = max(1, height - 1)
        self._top = max(self._row - room + 1, min(self._top, self._row), 0)
        self._top = min(self._top, max(0, len(self._costs) - room))
        shown = self._costs[self._top : self._top + room]
        return [
            make_strip([(titles, look.style("muted"))], width),
            *(
                self._line(cost, self._top + number == self._row, bar, names, width)
                for number, cost in enumerate(shown)
            ),
        ]

    def _line(
        self, cost: FunctionCost, chosen: bool, bar: int, names: int, width: int
    ) -> Strip:  # fmt: skip
        look, by_wall = self._look, self._by_wall
        own_s = cost.self_wall_s if by_wall else cost.self_cpu_s
        total_s = cost.total_wall_s if by_wall else cost.total_cpu_s
        share = own_s / self._whole_s
        tone: Tone = "plain" if code_owner(cost.function.file) == "app" else "muted"
        dots = look.glyphs.ellipsis
        name = fit_end(printable(cost.function.name), names, dots)
        where = printable(place_text(cost.function.file, cost.line, self._cwd))
        room = max(0, width - NUMBERS - bar - names - 1)
        strip = make_strip(
            [
                (f" {format_percent(100 * share):>6}  ", look.style("strong")),
                (f"{format_percent(100 * total_s / self._whole_s):>6}  ", look.style("plain")),
                (share_bar(share, bar, look), look.style("curve")),
                ("  ", look.style("plain")),
                (f"{name} ", look.style(tone)),
                (fit_middle(where, room, dots), look.style("muted")),
            ],
            width,
        )
        return look.on_bar(strip, focused=self.has_focus) if chosen else strip

    def on_focus(self) -> None:
        """Show the cursor's row as the one of the pane with the focus."""
        self.repaint()

    def on_blur(self) -> None:
        """Show the cursor's row as one that has no focus."""
        self.repaint()

    # ------------------------------------------------------------ keys

    def move(self, rows: int) -> None:
        """Move the cursor."""
        self._row = max(0, min(self._row + rows, len(self._costs) - 1))
        self.repaint()

    def open_chosen(self) -> None:
        """Ask for what the function called."""
        if self._costs and self._profile is not None:
            function = self._costs[self._row].function
            self.post_message(self.Opened(self._profile.functions.index(function)))


def share_bar(share: float, cells: int, look: Look) -> str:
    """Return a bar of which ``share`` is full, in eighths of a cell where the terminal can."""
    eighths = round(max(0.0, min(1.0, share)) * cells * 8)
    if not look.glyphs.braille:
        return ("#" * round(eighths / 8)).ljust(cells)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(cells)
