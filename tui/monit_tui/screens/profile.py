"""The profile of a worker: how long it is to take, its progress, then table and flame view."""

from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Input, Static

from monit_agent.client.profiles.words import SECONDS, cpu_summary
from monit_agent.client.text.sanitize import printable
from monit_agent.wire.limits import PROFILE_S
from monit_tui.compositor import TightCompositor
from monit_tui.model.profile_target import COST, SHORTEST_S, ProfileTarget, parse_seconds
from monit_tui.profiling import ProfileRun
from monit_tui.screens.dialog import Dialog
from monit_tui.text.fitting import wrap_words
from monit_tui.theme import Look
from monit_tui.widgets.key_bar import KeyBar, KeyHint, title_bar
from monit_tui.widgets.lines import Lines, make_strip
from monit_tui.widgets.profile.flame import FlameView
from monit_tui.widgets.profile.table import FunctionTable, share_bar

BOTH_FROM = 30
"""Rows from which table and flame view are shown together."""

PROGRESS_S = 0.25

KEYS = (
    KeyHint("Tab", "table/flame", "other"),
    KeyHint("Enter", "zoom", "enter"),
    KeyHint("Esc", "back", "back"),
    KeyHint("w", "wall/CPU", "wall"),
    KeyHint("i", "callers", "callers"),
    KeyHint("q", "close", "dismiss"),
)

LIMITS = f"Seconds, from {SHORTEST_S:g} to {PROFILE_S:g}. Enter starts, Esc cancels."


class ProfilePrompt(Dialog[float]):
    """Asks how many seconds a profile is to take, and says what it costs."""

    def __init__(self, target: ProfileTarget) -> None:
        super().__init__()
        self._target = target

    def compose(self) -> ComposeResult:
        """Lay out the text and the field."""
        target = self._target
        with Vertical(classes="box"):
            yield Static(Content(f"Profile {printable(target.name)}?"), classes="title")
            if target.why:
                yield Static(Content(target.why), classes="plain")
            yield Static(Content(COST), classes="quiet")
            yield Input(f"{SECONDS:g}", max_length=6, compact=True)
            yield Static(Content(LIMITS), classes="quiet", id="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the seconds, or show what is wrong with them."""
        seconds = parse_seconds(event.value)
        if seconds is None:
            hint = f"Enter seconds from {SHORTEST_S:g} to {PROFILE_S:g}."
            self.query_one("#hint", Static).update(Content(hint))
        else:
            self.dismiss(seconds)


class ProfileHead(Lines):
    """What the profile is of, and where it is saved; while it runs, how far it is."""

    def __init__(self, look: Look, run: ProfileRun) -> None:
        super().__init__(id="profile-head")
        self._look, self._run = look, run
        self.by_wall = False
        self.what = ""
        """What the flame view shows, if not all calls."""

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return the lines."""
        lines = self.texts(width)[: max(0, height - 1)]
        rest = [make_strip([(f" {text}", style)], width) for text, style in lines]
        return [self._title(width), *rest]

    def _title(self, width: int) -> Strip:
        kind = "wall time" if self.by_wall else "CPU time"
        details = [] if self._run.profile is None else [kind + self.what]
        return title_bar(f"profile of {printable(self._run.name)}", details, width, self._look)

    def texts(self, width: int) -> list[tuple[str, Style]]:
        """Return the lines below the title with their styles."""
        run, look = self._run, self._look
        plain, muted = look.style("plain"), look.style("muted")
        room = max(1, width - 2)
        if run.problem:
            return _wrapped(run.problem, room, look.style("bad"))
        if run.profile is None:
            return self._progress(room)
        notes = _wrapped(run.note[:1].upper() + run.note[1:], room, muted) if run.note else []
        saved = _on_one_line(printable(run.saved), room, look.glyphs.ellipsis)
        return [*_wrapped(cpu_summary(run.profile), room, plain), (saved, muted), *notes[:2]]

    def _progress(self, room: int) -> list[tuple[str, Style]]:
        run, look = self._run, self._look
        done, cells = run.elapsed_s(), max(1, min(40, room - 16))
        muted = look.style("muted")
        bar = share_bar(done / run.seconds, cells, look)
        state = f"{done:.0f} of {run.seconds:g} s" if done < run.seconds else "awaiting the answer"
        text = "The worker keeps running. Esc closes this; the profile is then saved all the same."
        return [(f"{bar} {state}", look.style("curve")), *_wrapped(text, room, muted)]


def _on_one_line(saved: str, room: int, dots: str) -> str:
    """Return where a profile is saved: of a long path its end, which is the name of the file."""
    if len(saved) <= room:
        return saved
    said, word, path = saved.partition(" as ")
    kept = max(0, room - len(said + word) - len(dots))
    return said + word + dots + path[len(path) - kept :] if kept else saved


def _wrapped(text: str, room: int, style: Style) -> list[tuple[str, Style]]:
    return [(line, style) for line in wrap_words(printable(text), room)]


class ProfileScreen(ModalScreen[None]):
    """Shows a profile on the whole screen, also while it is being made."""

    DEFAULT_CSS = """
    ProfileScreen { background: $background; layout: vertical; }
    #profile-table, #profile-flame { height: 1fr; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "dismiss", "close", show=False),
        Binding("escape", "back", "back", show=False),
        Binding("ctrl+c,ctrl+q", "app.leave", "quit", show=False, priority=True),
        Binding("tab,shift+tab", "other", "table/flame", show=False, priority=True),
        Binding("enter", "enter", "zoom", show=False),
        Binding("w", "wall", "wall/CPU", show=False),
        Binding("i", "callers", "callers", show=False),
        *(
            Binding(keys, f"move('{where}')", where, show=False)
            for where, keys in {
                "up": "up,k", "down": "down,j", "left": "left,h", "right": "right,l",
                "page_up": "pageup,ctrl+u", "page_down": "pagedown,ctrl+d",
                "first": "home,g", "last": "end,G",
            }.items()
        ),
    ]  # fmt: skip

    def __init__(self, look: Look, run: ProfileRun) -> None:
        super().__init__()
        self._compositor = TightCompositor()
        self._run = run
        self._head = ProfileHead(look, run)
        self._keys = KeyBar(look, KEYS)
        self._table = FunctionTable(look, run.target.cwd)
        self._flame = FlameView(look, run.target.cwd)
        self._in_flame = False
        self._by_wall = False

    def compose(self) -> ComposeResult:
        """Compose head, table, flame view and keys."""
        yield self._head
        yield self._table
        yield self._flame
        yield self._keys

    def on_mount(self) -> None:
        """Show how far the profile is, until it is there."""
        self.set_interval(PROGRESS_S, self._show_progress)
        self.show_run()

    def _show_progress(self) -> None:
        if self._run.is_running:
            self._head.repaint()

    def show_run(self) -> None:
        """Show the profile or the problem, if there is one by now."""
        if self._run.profile is not None:
            self._table.show(self._run.profile, by_wall=self._by_wall)
            self._flame.show(self._run.profile, by_wall=self._by_wall)
        self._place()

    def on_resize(self) -> None:
        """Show both views, or the chosen one."""
        self._place()

    def _place(self) -> None:
        width, height = self.app.size
        has_profile = self._run.profile is not None
        both = height >= BOTH_FROM
        self._table.display = has_profile and (both or not self._in_flame)
        self._flame.display = has_profile and (both or self._in_flame)
        rows = f"{max(4, min(self._table.rows, height // 2 - 3))}"
        self._table.styles.height = rows if both else "1fr"
        function = self._flame.function
        self._head.what = ""
        if self._run.profile is not None and function is not None:
            self._head.what = f", below {self._run.profile.functions[function].name}"
        elif self._flame.callers:
            self._head.what = ", callers below"
        self._head.by_wall = self._by_wall
        lines = 1 + len(self._head.texts(width))
        self._head.styles.height = max(1, min(lines, height // 2)) if has_profile else "1fr"
        self._keys.show(KEYS if has_profile else KEYS[-1:])
        if has_profile:
            self.set_focus(self._flame if self._in_flame else self._table)
        self._head.repaint()

    # ------------------------------------------------------------ keys

    def action_other(self) -> None:
        """Go to the other view."""
        self._in_flame = not self._in_flame
        self._place()

    def action_back(self) -> None:
        """Zoom out, else go to the table, else close."""
        if self._run.profile is not None and self._in_flame:
            if not self._flame.zoom_out():
                self._in_flame = False
            self._place()
        else:
            self.dismiss()

    def action_enter(self) -> None:
        """Zoom into the chosen call; in the table, show what the function called."""
        if self._in_flame:
            self._flame.zoom_in()
        else:
            self._table.open_chosen()

    def on_function_table_opened(self, event: FunctionTable.Opened) -> None:
        """Show what a function called."""
        self._flame.show_function(event.function)
        self._in_flame = True
        self._place()

    def action_wall(self) -> None:
        """Count the time that passes, or the CPU time."""
        profile = self._run.profile
        if profile is None:
            return
        if not self._by_wall and not any(stack.wall_s for stack in profile.stacks):
            self._head.what = f" only: {profile.tool} knows no wall time"
            self._head.repaint()
            return
        self._by_wall = not self._by_wall
        self.show_run()

    def action_callers(self) -> None:
        """Show functions above those that called them, or calls below their callers."""
        self._flame.toggle_callers()
        self._in_flame = True
        self._place()

    def action_move(self, where: str) -> None:
        """Move the cursor of the view that has the focus."""
        if self._in_flame:
            self._flame.choose(where)
            return
        page, far = max(1, self._table.size.height - 2), 10**6
        steps = {"up": -1, "down": 1, "page_up": -page, "page_down": page, "first": -far,
                 "last": far}  # fmt: skip
        self._table.move(steps.get(where, 0))
