"""The log pane: history, new lines, and a view that does not move while paused."""

from monit_agent.client.logs.logbook import LINES_PER_INSTANCE
from monit_agent.replay import scenes
from monit_agent.wire.ids import local_instance
from support.log_screen import APP, ONE, TWO, LogScreen, show


def test_history_is_shown_and_new_lines_are_followed() -> None:
    """The log shows the last lines when it is opened, and new lines below them."""

    async def play(log: LogScreen) -> None:
        log.print("old 1", "old 2")
        log.pane.show((), "nothing")
        log.pane.show(ONE, "web/0")
        await log.pass_time()
        assert log.texts() == ["old 1", "old 2"]
        log.print("new")
        await log.pass_time()
        assert log.texts() == ["old 1", "old 2", "new"]
        assert "follow" in log.status()

    show(play)


def test_loaded_lines_are_shown_at_once() -> None:
    """Back on an instance, its loaded lines are shown at once, and missed lines are fetched."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}" for n in range(5)))
        await log.pass_time()
        log.pane.show((local_instance(APP, 1),), "other")
        log.print("meanwhile")
        log.pane.show(ONE, "back")
        assert log.texts() == [f"line {n}" for n in range(5)]
        await log.pass_time()
        assert log.texts() == [*(f"line {n}" for n in range(5)), "meanwhile"]

    show(play)


def test_a_paused_view_does_not_move_in_a_flood() -> None:
    """A paused view does not move while the rings overflow; the number of new lines grows, and
    G goes to them."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}" for n in range(100)))
        await log.pass_time()
        await log.press("k", "pageup")
        before = log.lines()
        for turn in range(25):
            log.print(*(f"flood {turn} {n}" for n in range(2000)))
            await log.pass_time(0.1)
            assert log.lines() == before
        assert "+50k new" in log.status()
        assert "paused" in log.status()
        await log.press("G")
        assert log.texts()[-1] == "flood 24 1999"
        assert "follow" in log.status()
        assert "new" not in log.status()

    show(play)


def test_following_keeps_a_limited_number_of_lines() -> None:
    """While following, only the ring of lines is kept, and dropped lines can be fetched again."""

    async def play(log: LogScreen) -> None:
        for turn in range(15):
            log.print(*(f"line {turn * 1000 + n}" for n in range(1000)))
            await log.pass_time(0.1)
        rows = len(log.pane.book.merged)
        assert LINES_PER_INSTANCE <= rows <= LINES_PER_INSTANCE + 1001
        merged = log.pane.book.merged
        first = 15_000 - rows
        assert merged.row(merged.first).raw == b"line %d" % first
        log.view.window.go_to(merged.first)
        await log.press("pageup")
        await log.until(
            lambda: merged.row(merged.first + 1).raw != b"line %d" % (first + 1), "more"
        )
        await log.press("pageup")
        assert f"line {first - 1}" in log.texts()

    show(play)


def test_older_lines_are_fetched_at_the_top() -> None:
    """Scrolling up at the top fetches older lines, to the first one, and the view stays in
    place."""

    async def play(log: LogScreen) -> None:
        log.pane.show((), "")
        log.print(*(f"line {n}" for n in range(1800)))
        log.pane.show(ONE, "again")
        await log.pass_time()
        merged = log.pane.book.merged
        log.view.window.go_to(merged.first)
        await log.press("up")
        for _ in range(1000):
            top = next(int(text[5:]) for text in log.texts() if text.startswith("line"))
            await log.press("pageup")
            await log.pass_time()
            assert f"line {max(0, top - 1)}" in log.texts()
            if log.texts()[0] == "line 0":
                break
        assert log.texts()[:3] == ["line 0", "line 1", "line 2"]

    show(play, size=(100, 60))


def test_keys_move_the_cursor_and_scroll() -> None:
    """Arrows, vi keys and pages move the cursor; Up pauses, and beyond the end the log follows."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}" for n in range(50)))
        await log.pass_time()
        await log.press("k")
        assert log.cursor_text() == "line 48"
        await log.press("up", "up")
        assert log.cursor_text() == "line 46"
        await log.press("j")
        assert log.cursor_text() == "line 47"
        await log.press("g")
        assert log.texts()[0] == "line 0"
        await log.press("pagedown")
        assert log.texts()[0] == f"line {log.view.size.height}"
        await log.press("ctrl+d")
        await log.press("ctrl+u")
        assert log.texts()[0] == f"line {log.view.size.height}"
        await log.press("G")
        assert "follow" in log.status()
        await log.press("f")
        assert "paused" in log.status()
        await log.press("j")
        assert "follow" in log.status()

    show(play)


def test_several_instances_are_one_log_in_time_order() -> None:
    """Lines of two instances are in the order of their times, each with its instance."""

    async def play(log: LogScreen) -> None:
        log.pane.show((), "")
        for n in range(6):
            log.print(f"line {n}", instance=n % 2, err=n == 3)
            log.source.advance(0.1)
        log.pane.show(TWO, "both")
        await log.pass_time()
        assert log.texts() == [f"line {n}" for n in range(6)]
        whose = [line[14:19].split() for line in log.lines()[:6]]
        assert whose == [
            ["0", "out"],
            ["1", "out"],
            ["0", "out"],
            ["1", "err"],
            ["0", "out"],
            ["1", "out"],
        ]
        log.print("live 1", instance=1)
        log.source.advance(0.1)
        log.print("live 0", instance=0)
        await log.pass_time()
        assert log.texts()[-2:] == ["live 1", "live 0"]

    show(play, who=TWO, size=(110, 12))


def test_one_and_all_instances() -> None:
    """Key a shows all instances of the app, and again only the selected ones."""

    async def play(log: LogScreen) -> None:
        for n in range(4):
            log.print(f"from {n}", instance=n)
            log.source.advance(0.1)
        await log.pass_time()
        assert log.texts() == ["from 0"]
        await log.press("a")
        await log.pass_time()
        assert log.texts() == ["from 0", "from 1", "from 2", "from 3"]
        assert "(all)" in log.status()
        await log.press("a")
        assert log.texts() == ["from 0"]

    show(play)


def test_an_instance_can_be_muted() -> None:
    """Key b hides the instance at the cursor, also its new lines; B shows all again."""

    async def play(log: LogScreen) -> None:
        for n in range(4):
            log.print(f"line {n}", instance=n % 2)
            log.source.advance(0.1)
        await log.pass_time()
        await log.press("b")
        assert log.texts() == ["line 0", "line 2"]
        log.print("more 1", instance=1)
        log.print("more 0", instance=0)
        await log.pass_time()
        assert log.texts() == ["line 0", "line 2", "more 0"]
        assert f"hidden: {APP}/1" in log.status()
        await log.press("B")
        assert len(log.texts()) == 6

    show(play, who=TWO)


def test_a_prompt_without_newline_is_shown_and_completed() -> None:
    """A partial line is shown with a mark, and is completed in its place."""

    async def play(log: LogScreen) -> None:
        log.print_bytes(b"Password: ")
        await log.pass_time(0.1)
        await log.pass_time(0.5)
        assert log.texts() == ["Password: …"]
        log.print("other", instance=1)
        log.print_bytes(b"ok\n")
        await log.pass_time()
        assert log.texts() == ["Password: ok", "other"]

    show(play, who=TWO)


def test_dropped_bytes_are_a_row_and_enter_fetches_them() -> None:
    """A gap shows how many bytes are missing; Enter at its row fetches them."""

    async def play(log: LogScreen) -> None:
        log.print("first")
        await log.pass_time()
        for n in range(6000):  # more than the source holds for one poll
            log.print_bytes(b"%-799d\n" % n)
        await log.pass_time()
        log.print("last")
        await log.pass_time()
        await log.press("f")
        gaps = log.pane.book.rings.stream(log.pane.book.selected_streams[0]).gaps()
        assert gaps
        missing = gaps[0].end - gaps[0].start
        await log.press("E", "G")
        index = log.view.book.merged.find(gaps[0].key, gaps[0].start)
        assert index is not None
        log.view.window.go_to(index)
        log.pane._paint()
        shown = next(line for line in log.lines() if "skipped" in line)
        assert f"{missing / 1024:.0f}K" in shown or "M" in shown
        assert "Enter loads them" in shown
        await log.press("enter")
        await log.until(
            lambda: (
                not log.pane.book.rings.stream(gaps[0].key).gaps()
                or log.pane.book.rings.stream(gaps[0].key).gaps()[0].start
                >= gaps[0].start + min(missing, 1 << 20)
            ),
            "the gap is filled as far as one key fetches",
        )

    show(play, size=(100, 20))


def test_a_flushed_log_says_that_bytes_are_gone() -> None:
    """After a flush the present lines stay, and there is no gap for lines that are gone."""

    async def play(log: LogScreen) -> None:
        log.pane.show((), "")
        log.print(*(f"line {n}" for n in range(2000)))
        log.source.stage[APP].logs[0, "out"].flush()
        log.print("after")
        log.pane.show(ONE, "again")
        await log.pass_time()
        assert log.texts() == ["after"]

    show(play)


def test_empty_logs_say_why() -> None:
    """An empty log says whether nothing was printed or the agent does not answer."""

    async def quiet(log: LogScreen) -> None:
        await log.until(lambda: "has printed nothing" in log.lines()[0], "it says so")
        assert f"{APP}/0 has printed nothing" in log.lines()[0]

    show(quiet)

    async def lost(log: LogScreen) -> None:
        await log.pass_time(10.0)
        await log.until(lambda: "agent" in log.lines()[0] + log.status(), "it says so")

    source = scenes.many(20)
    source.stage[APP].silent = True
    show(lost, source=source)


def test_only_the_selected_instances_are_shown() -> None:
    """Lines of an instance that is not selected are not shown."""

    async def play(log: LogScreen) -> None:
        log.print("mine", instance=0)
        log.print("not mine", instance=1)
        await log.pass_time()
        assert log.texts() == ["mine"]

    show(play)


def test_history_is_requested_again_when_the_agent_is_live() -> None:
    """History that an agent did not send is requested again when the agent answers."""
    source = scenes.many(20)
    source.stage[APP].silent = True

    async def play(log: LogScreen) -> None:
        await log.pass_time(10.0)
        await log.until(lambda: "agent" in log.lines()[0] + log.status(), "it says so")
        log.source.stage[APP].print(0, "out", b"printed meanwhile\n")
        log.source.stage[APP].silent = False
        await log.pass_time(2.0)
        await log.until(lambda: log.texts() == ["printed meanwhile"], "the history is there")

    show(play, source=source)


def test_a_thousand_instances_are_shown_together() -> None:
    """The logs of a thousand instances are merged, with new lines at the end."""
    source = scenes.many(400)
    who = tuple(
        local_instance(name, number)
        for name, app in source.stage.items()
        for number in app.instances
    )

    async def play(log: LogScreen) -> None:
        await log.until(lambda: not log.pane.history.is_opening(log.pane.who), "all have answered")
        log.print("newest")
        await log.pass_time(0.01)
        assert log.texts()[-1].endswith("newest")
        assert f"{APP}/0"[-16:] in log.lines()[-1]

    show(play, source=source, who=who)
