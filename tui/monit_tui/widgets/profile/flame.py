"""The flame view: calls as boxes below those that called them, as wide as the time in them."""

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.strip import Strip

from monit_agent.client.profiles.cpu import CpuProfileData
from monit_agent.client.profiles.words import CodeOwner, code_owner, place_text
from monit_agent.client.text.format import format_percent
from monit_agent.client.text.sanitize import printable
from monit_tui.model.flame import (
    ROOT,
    CallNode,
    CallPath,
    FlameBox,
    box_beside,
    box_of,
    call_tree,
    lay_out_flame,
    node_at,
    tree_below,
    widest_call,
)
from monit_tui.text.fitting import fit_end, fit_middle
from monit_tui.theme import Look
from monit_tui.widgets.lines import BLANK, Lines, make_strip

DEEPEST = 1000
"""Most rows of a flame: stacks are not deeper."""

LEGEND: tuple[tuple[CodeOwner, str], ...] = (
    ("app", "the app"), ("package", "packages"), ("runtime", "runtime"),
)  # fmt: skip


class FlameView(Lines, can_focus=True):
    """The cursor is on a call, by its path from the root. Boxes are reversed text, which every
    terminal has; the chosen one is not, and stands in brackets."""

    def __init__(self, look: Look, cwd: str) -> None:
        super().__init__(id="profile-flame")
        self._look, self._cwd = look, cwd
        self._profile: CpuProfileData | None = None
        self._tree = CallNode(ROOT)
        self._by_wall = False
        self.callers = False
        """Whether boxes are below what they called, instead of below what called them."""
        self.function: int | None = None
        """The function whose calls are shown; None shows all stacks."""
        self._zoom: CallPath = ()
        self._chosen: CallPath = ()
        self._back: list[CallPath] = []
        """What was zoomed before, the last one at the end."""
        self._top = 0
        self._lines: list[tuple[FlameBox, ...]] = []

    def show(self, profile: CpuProfileData, *, by_wall: bool) -> None:
        """Show a profile, with the zoom of before where that is still possible."""
        self._profile, self._by_wall = profile, by_wall
        self._grow()

    def _grow(self) -> None:
        if self._profile is None:
            return
        by_wall = self._by_wall
        if self.function is not None:
            self._tree = tree_below(self._profile, self.function, by_wall=by_wall)
        else:
            self._tree = call_tree(self._profile, by_wall=by_wall, callers=self.callers)
        if node_at(self._tree, self._zoom) is None:
            self._zoom = ()
            self._back.clear()
        if node_at(self._tree, self._chosen) is None:
            self._chosen = self._zoom
        self.repaint()

    # ------------------------------------------------------------ drawing

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return what is chosen in words, then the boxes in view."""
        if self._profile is None or not width:
            return []
        self._lines = lay_out_flame(self._tree, self._zoom, width, DEEPEST)
        if box_of(self._lines, self._chosen) is None:  # too narrow at this width
            self._chosen = self._zoom
        room = max(1, height - 1)
        depth = len(self._chosen)
        self._top = max(depth - room + 1, min(self._top, depth))
        self._top = max(0, min(self._top, len(self._lines) - room))
        rows = self._lines[self._top : self._top + room]
        return [self._head(width), *(self._row(row, width) for row in rows)]

    def _head(self, width: int) -> Strip:
        """Return the chosen call in words, and below how deep a call the boxes go on."""
        look = self._look
        node = node_at(self._tree, self._chosen) or self._tree
        whole = self._tree.total_s or 1.0
        words = f"{node.total_s:.2f} s {format_percent(100 * node.total_s / whole)}"
        if node.function != ROOT and not self.callers:
            words += f", itself {node.self_s:.2f} s"
        name, place = self._names(node.function)
        dots = look.glyphs.ellipsis
        name = fit_end(name, min(cell_len(name), max(8, width // 2)), dots)
        parts = [(f" {name}  ", look.style("strong")), (f"{words}  ", look.style("plain"))]
        used = sum(cell_len(text) for text, _ in parts)
        legend = [(f" {text} ", self._fill(owner)) for owner, text in LEGEND]
        length = sum(len(text) + 1 for text, _ in legend)
        if width - used - cell_len(place) <= length:
            parts.append((fit_middle(place, max(0, width - used), dots), look.style("muted")))
            return make_strip(parts, width)
        parts.append((place, look.style("muted")))
        spaced = [part for each in legend for part in (each, (" ", BLANK))]
        return Strip.join([make_strip(parts, width - length), make_strip(spaced, length)])

    def _names(self, function: int) -> tuple[str, str]:
        """Return the name of a function and where it is."""
        if function == ROOT or self._profile is None:
            return "all stacks", ""
        found = self._profile.functions[function]
        return printable(found.name), printable(place_text(found.file, found.line, self._cwd))

    def _row(self, boxes: tuple[FlameBox, ...], width: int) -> Strip:
        segments: list[Segment] = []
        at = 0
        for box in boxes:
            if box.start > at:
                segments.append(Segment(" " * (box.start - at), BLANK))
            segments += self._box(box)
            at = box.end
        return Strip(segments).adjust_cell_length(width, BLANK)

    def _box(self, box: FlameBox) -> list[Segment]:
        """Return a box: its last cell is a gap, unless it is as narrow as a cell."""
        look, cells = self._look, box.end - box.start
        name, _ = self._names(box.node.function)
        gap = [Segment(" ", BLANK)] if cells > 1 else []
        room = cells - len(gap)
        if box.path == self._chosen:
            inner = fit_end(name, room - 2, look.glyphs.ellipsis) if room > 2 else ""
            text = f"[{inner}]" if room > 2 else "[]"[:room]
            style = look.style("accent" if self.has_focus else "strong")
            return [Segment(text, style), *gap]
        label = f" {name}" if room > 2 else ""
        text = fit_end(label, room, look.glyphs.ellipsis)
        if len(box.path) < len(self._zoom):  # what leads to the zoomed call
            return [Segment(text, look.style("muted")), *gap]
        return [Segment(text, self._fill(self._owner(box.node.function))), *gap]

    def _owner(self, function: int) -> CodeOwner:
        if function == ROOT or self._profile is None:
            return "runtime"
        return code_owner(self._profile.functions[function].file)

    def _fill(self, owner: CodeOwner) -> Style:
        look = self._look
        hues = {"app": look.hues[0], "package": look.hues[1], "runtime": look.style("plain")}
        return hues[owner] + Style(reverse=True)

    def on_focus(self) -> None:
        """Show what is chosen as in a pane with the focus."""
        self.repaint()

    def on_blur(self) -> None:
        """Show what is chosen as in a pane without the focus."""
        self.repaint()

    # ------------------------------------------------------------ keys

    def choose(self, where: str) -> None:
        """Choose the call beside, above or below the chosen one."""
        match where:
            case "up":
                self._chosen = self._chosen[:-1]
            case "down":
                self._chosen = widest_call(self._lines, self._chosen)
            case "left":
                self._chosen = box_beside(self._lines, self._chosen, -1)
            case _:
                self._chosen = box_beside(self._lines, self._chosen, 1)
        self.repaint()

    def zoom_in(self) -> None:
        """Show the chosen call as wide as everything."""
        if self._chosen != self._zoom:
            self._back.append(self._zoom)
            self._zoom = self._chosen
            self.repaint()

    def zoom_out(self) -> bool:
        """Show what was shown before the last zoom, then all stacks instead of one function's;
        return False when there is nothing to go back to."""
        if self._back:
            self._chosen, self._zoom = self._zoom, self._back.pop()
        elif self.function is not None or self._zoom:
            self.function, self._zoom, self._chosen = None, (), ()
            self._grow()
        else:
            return False
        self.repaint()
        return True

    def show_function(self, function: int) -> None:
        """Show what one function called, from wherever it was called."""
        self.function, self.callers = function, False
        self._zoom = self._chosen = (function,)
        self._back.clear()
        self._grow()

    def toggle_callers(self) -> None:
        """Show functions above those that called them, or calls below their callers."""
        self.callers, self.function = not self.callers, None
        self._zoom = self._chosen = ()
        self._back.clear()
        self._grow()

    # ------------------------------------------------------------ mouse

    def on_click(self, event: Click) -> None:
        """Choose the box that is clicked; zoom into it when it was chosen."""
        row = self._top + event.y - 1
        if event.y < 1 or row >= len(self._lines):
            return
        for box in self._lines[row]:
            if box.start <= event.x < box.end:
                if box.path == self._chosen:
                    self.zoom_in()
                self._chosen = box.path
        self.repaint()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Choose a call below with the wheel."""
        event.stop()
        self.choose("down")

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Choose the caller with the wheel."""
        event.stop()
        self.choose("up")
