"""Undo of a stop and of a reload, and actions that do not ask."""

from monit_agent.replay import scenes
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import CancelReload, Reload, Restart, Start, Stop
from monit_tui.model.confirmation import NotPossible
from monit_tui.model.undo import after_requests, plan_undo, still_stopped
from monit_tui.model.view_state import ViewState
from support.screen import Shown, show

API, WEB = local_app("api"), local_app("web")


def test_only_the_last_stop_is_remembered() -> None:
    """A stop replaces the one before; a start of its app forgets it; other requests keep it."""
    stopped = after_requests({}, ((API, Stop(instances=(0, 1))), (WEB, Stop(instances=(2,)))))
    assert stopped == {API: (0, 1), WEB: (2,)}
    assert after_requests(stopped, ((API, Reload()),)) == stopped
    assert after_requests(stopped, ((API, Start(instances=(0,))),)) == {WEB: (2,)}
    assert after_requests(stopped, ((WEB, Stop(instances=(0,))),)) == {WEB: (0,)}


def test_what_was_started_or_removed_meanwhile_is_not_undone() -> None:
    """Only instances that are still meant to be stopped are started again."""
    fleet = scenes.healthy().fleet
    stopped = {API: (0, 7), local_app("gone"): (0,)}
    assert still_stopped(stopped, fleet) == {}
    planned = plan_undo(fleet.apps[API], stopped, fleet)
    assert isinstance(planned, NotPossible)
    assert planned.text == (
        "Nothing to undo: api is not reloading, and nothing that this screen stopped is still "
        "stopped."
    )


def test_a_stop_is_undone_whatever_row_the_cursor_is_on() -> None:
    """After a stop, the notice and the footer name u, which starts again what was stopped."""

    async def play(shown: Shown) -> None:
        assert "undo" not in shown.lines()[-1]
        await shown.move_to("web", 1)
        await shown.press("x", "y")
        await shown.until(
            lambda: "web: stop requested; u starts it again." in shown.toasts(), "the notice"
        )
        await shown.until(lambda: shown.app.overview.actions.can_undo(None), "it is stopping")
        await shown.move_to("api")
        await shown.press("u")
        await shown.until(
            lambda: ("web", Start(instances=(1,))) in [
                (str(app), one) for app, one in shown.recorder.commands()
            ],
            "the start is requested",
        )  # fmt: skip
        await shown.until(lambda: "web: stop undone;" in shown.toasts(), "the notice")

        def runs() -> bool:
            shown.source.advance(0.2)
            return "online" in shown.row("web", 1)

        await shown.until(runs, "it runs again")
        assert not shown.app.overview.actions.can_undo(None)
        await shown.press("u")
        assert "Nothing to undo" in shown.toasts()

    show(play, scenes.healthy())


def test_a_reload_of_the_row_goes_first() -> None:
    """With a reload under way, u cancels it; the stop can be undone afterwards."""

    async def play(shown: Shown) -> None:
        await shown.move_to("api", 0)
        await shown.press("x", "y")
        await shown.until(lambda: shown.app.overview.actions.can_undo(None), "it is stopping")
        await shown.move_to("web")
        await shown.press("R", "y")
        await shown.until(
            lambda: any(type(one).__name__ == "Reload" for _, one in shown.recorder.requests),
            "the reload is requested",
        )
        shown.source.advance(0.1)
        shown.app.feed.flush()
        await shown.press("u")
        sent = [one for _, one in shown.recorder.requests]
        assert any(isinstance(one, CancelReload) for one in sent)
        await shown.until(lambda: "web: reload cancelled" in shown.toasts(), "the notice")
        await shown.press("u")
        assert ("api", Start(instances=(0,))) in [
            (str(app), one) for app, one in shown.recorder.commands()
        ]

    show(play, scenes.healthy())


def test_asking_can_be_switched_off_for_an_action_and_is_kept() -> None:
    """``:ask`` lets an action be done at once; the others still ask, and the view keeps it."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 1)
        await shown.press("colon", *"ask", "space", *"restart", "space", *"off", "enter")
        await shown.until(lambda: "restart no longer asks first." in shown.toasts(), "the notice")
        assert shown.app.view_state() == ViewState(not_asked=("restart",))
        await shown.press("r")
        assert shown.recorder.commands()[-1][1] == Restart(instances=(1,))
        await shown.press("x")
        assert "Stop web/1?" in shown.text()
        await shown.press("escape", "colon", *"ask", "space", *"restart", "space", *"on", "enter")
        await shown.until(lambda: "restart asks first." in shown.toasts(), "the notice")
        await shown.press("r")
        assert "Restart web/1?" in shown.text()

    show(play, scenes.healthy())


def test_a_kept_choice_holds_but_not_for_a_whole_app() -> None:
    """Kill without a question still wants the name of a whole app; names that are no actions are
    ignored."""

    async def play(shown: Shown) -> None:
        assert shown.app.overview.actions.not_asked == {"kill"}
        await shown.move_to("web", 1)
        await shown.press("X")
        assert type(shown.recorder.commands()[-1][1]).__name__ == "SendSignal"
        await shown.move_to("web")
        await shown.press("X")
        assert "Type web to confirm" in shown.text()

    show(play, scenes.healthy(), view=ViewState(not_asked=("kill", "dance")))
